"""How do exports that come at the same time reach the disk in one go?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bursar.agent.spans.seenspan import SeenSpan

Put = Callable[[Sequence[SeenSpan]], Awaitable[None]]


class Keeping:
    """Whatever comes while one write is under way is written together by the next."""

    def __init__(self, put: Put) -> None:
        """`put` writes spans; what it raises is raised for each of those who brought some of them."""
        self._put = put
        self._waiting: list[tuple[Sequence[SeenSpan], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def keep(self, spans: Sequence[SeenSpan]) -> None:
        """Return once the spans are written."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((spans, written))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write())
        await written

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            putting = self._put([span for spans, _ in group for span in spans])
            (failure,) = await asyncio.gather(putting, return_exceptions=True)
            for _, written in group:
                if written.done():
                    continue  # its sender has gone
                if failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(failure)
