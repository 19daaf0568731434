"""How does an open page hear that the ledger has moved?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from bursar.agent.dashboard.shell import HEADERS

LOOK_SECONDS = 1.0
"""How often the ledger is looked at: so many readers cost it nothing, whatever it writes."""
BEAT_SECONDS = 15.0
"""How long a line may be silent, so that neither side takes the other for gone."""
MOST_LISTENERS = 64
AGAIN_SECONDS = 30
"""After which one may come again that found no place."""


class Live:
    """Server-sent events: `moved` after commits, at most once in `LOOK_SECONDS`. Holds one number for each listener."""

    def __init__(self, moved_ns: Callable[[], int]) -> None:
        """`moved_ns` is when the ledger was last written, and costs nothing to ask."""
        self._moved_ns = moved_ns
        self._over = asyncio.Event()
        self._listeners = 0

    async def answer(self, _: Request) -> Response:
        """A stream that lasts until the page or the agent goes; 503 where too many listen already."""
        if self._listeners >= MOST_LISTENERS:
            text = f"{MOST_LISTENERS} pages are listening already: close some, or reload to see the newest figures\n"
            return PlainTextResponse(text, 503, {"retry-after": str(AGAIN_SECONDS)})
        return StreamingResponse(self._events(), headers={**HEADERS, "content-type": "text/event-stream"})

    def close(self) -> None:
        """Let all listeners go: the agent ends."""
        self._over.set()

    async def _events(self) -> AsyncGenerator[str]:
        if self._listeners >= MOST_LISTENERS:  # many came at the same moment, and all were let in
            yield f"retry: {AGAIN_SECONDS * 1_000}\n\n"
            return
        self._listeners += 1
        try:
            seen, silent = self._moved_ns(), 0.0
            yield "retry: 3000\n\n"
            while not await self._ends_within(LOOK_SECONDS):
                silent += LOOK_SECONDS
                moved = self._moved_ns()
                if moved != seen:
                    seen, silent = moved, 0.0
                    yield f"event: moved\ndata: {moved}\n\n"
                elif silent >= BEAT_SECONDS:
                    silent = 0.0
                    yield ": still here\n\n"
        finally:
            self._listeners -= 1

    async def _ends_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return False
        return True
