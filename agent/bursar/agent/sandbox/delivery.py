"""How does an answer leave, and break off? ASGI responses that stream, stop short or never come."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bursar.agent.sandbox.events import Event

_AT_ONCE = 100  # lines


class _Bodiless(Response):
    """A response that sends its body itself."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)

    async def begin(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


class EventStream(_Bodiless):
    """Server-sent events, until they end or the client goes away; `sending` is told each event before it is sent.

    A stream that is not `complete` ends without closing the chunked body, upon which the server cuts the connection.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: Iterable[Event],
        headers: Mapping[str, str],
        *,
        sending: Callable[[Event], None],
        pause: Callable[[Event], Awaitable[None]],
        complete: bool,
    ) -> None:
        super().__init__(headers)
        self._events = events
        self._sending = sending
        self._pause = pause
        self._complete = complete

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = Request(scope, receive)
        await self.begin(send)
        for event in self._events:
            await self._pause(event)
            if await client.is_disconnected():
                return
            self._sending(event)
            await send({"type": "http.response.body", "body": event.encoded(), "more_body": True})
        if self._complete:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class JsonLines(_Bodiless):
    """Lines of JSON, each after a pause if there is one, until they end or the client goes away.

    Where they are `cut`, half of them arrive, and half of the next, before the connection is cut.
    """

    media_type = "application/x-jsonl"

    def __init__(
        self,
        lines: Sequence[bytes],
        headers: Mapping[str, str],
        *,
        pause: Callable[[], Awaitable[object]] | None,
        cut: bool,
    ) -> None:
        super().__init__(headers)
        self._lines = _half(lines) if cut else lines
        self._pause = pause
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = Request(scope, receive)
        await self.begin(send)
        at_once = _AT_ONCE if self._pause is None else 1
        for start in range(0, len(self._lines), at_once):
            if self._pause is not None:
                await self._pause()
            if await client.is_disconnected():
                return
            body = b"".join(self._lines[start : start + at_once])
            await send({"type": "http.response.body", "body": body, "more_body": True})
        if not self._cut:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class CutShort(_Bodiless):
    """A JSON answer of which only the first half arrives before the connection is cut."""

    media_type = "application/json"

    def __init__(self, content: Any, headers: Mapping[str, str]) -> None:
        self._body = json.dumps(content).encode()
        super().__init__({**headers, "content-length": str(len(self._body))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await self.begin(send)
        half = self._body[: len(self._body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


class NoAnswer(Response):
    """No answer at all; over only when the client goes away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        while (await receive())["type"] != "http.disconnect":
            pass


def _half(lines: Sequence[bytes]) -> list[bytes]:
    middle = len(lines) // 2
    return [*lines[:middle], *(line[: len(line) // 2] for line in lines[middle : middle + 1])]
