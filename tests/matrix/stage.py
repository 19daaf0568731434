"""The stage of a case: a server that answers in order, clients of every kind on it, and notes of what was seen."""

from __future__ import annotations

import asyncio
import gzip
import threading
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import anthropic
from anthropic import _base_client  # pyright: ignore[reportPrivateUsage] - the one place that knows which library it is
from opentelemetry import trace
from tests.matrix.answers import MODEL, Answer

if TYPE_CHECKING:
    import httpx2

    http = httpx2
else:
    # The HTTP library that the SDK stands on: httpx2 from 1.0, httpx before.
    http = getattr(_base_client, "httpx2", None) or _base_client.httpx

PIECE = 50
KEY = {"api_key": "k"}
ASK: Any = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}


def swift_retries() -> AbstractContextManager[object]:
    """Let the SDK try again at once, where an answer does not say when."""
    return mock.patch.object(_base_client, "INITIAL_RETRY_DELAY", 0.001)


def current_span() -> str:
    """The name of OpenTelemetry's current span."""
    span = trace.get_current_span()
    return str(getattr(span, "name", type(span).__name__))


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    span: str
    """The current span of the moment."""

    @property
    def is_billable(self) -> bool:
        """Whether it asks for a message."""
        path = self.url.partition("?")[0]
        return self.method == "POST" and "count_tokens" not in path and not path.endswith("/batches")


class Body:
    """A body in small pieces that knows how much of it was read, and whether it was closed."""

    def __init__(self, data: bytes, answer: Answer) -> None:
        self._pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
        self._answer = answer
        self.pulled = 0
        self.closed = 0

    def _end(self) -> None:
        if self._answer.breaks:
            raise getattr(http, self._answer.breaks)(self._answer.breaks)


class SyncBody(Body, http.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.pulled += 1
            yield piece
        self._end()

    def close(self) -> None:
        self.closed += 1


class AsyncBody(Body, http.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.pulled += 1
            yield piece
        if self._answer.stalls:
            await asyncio.Event().wait()
        self._end()

    async def aclose(self) -> None:
        self.closed += 1


class Server(http.BaseTransport, http.AsyncBaseTransport):
    """Answers in order, the last answer from then on; remembers what it was asked and what became of its bodies."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)
        self._lock = threading.Lock()
        self.arrived = asyncio.Event()
        self.requests: list[Request] = []
        self.bodies: list[Body] = []
        self.responses: list[weakref.ref[Any]] = []

    def handle_request(self, request: http.Request) -> http.Response:
        answer, number = self._take(request, request.read())
        return self._respond(answer, number, SyncBody)

    async def handle_async_request(self, request: http.Request) -> http.Response:
        answer, number = self._take(request, await request.aread())
        self.arrived.set()
        if answer.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return self._respond(answer, number, AsyncBody)

    def _take(self, request: http.Request, body: bytes) -> tuple[Answer, int]:
        headers = tuple((name.lower(), value) for name, value in request.headers.multi_items())
        seen = Request(request.method, str(request.url), headers, body, current_span())
        with self._lock:
            self.requests.append(seen)
            number = len(self.requests)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer.raises:
            raise getattr(http, answer.raises)(answer.raises)
        return answer, number

    def _respond(self, answer: Answer, number: int, kind: type[SyncBody] | type[AsyncBody]) -> http.Response:
        data = answer.body.replace(b"msg_0000", b"msg_%04d" % number)
        headers = {"content-type": answer.content_type, "request-id": f"req_{number}", **dict(answer.headers)}
        if answer.encoding == "gzip":
            data, headers["content-encoding"] = gzip.compress(data), "gzip"
        if answer.whole:
            return self._remember(http.Response(answer.status, headers=headers, content=data))
        body = kind(data, answer)
        self.bodies.append(body)
        return self._remember(http.Response(answer.status, headers=headers, stream=body))

    def _remember(self, response: http.Response) -> http.Response:
        self.responses.append(weakref.ref(response))
        return response


class Stage:
    """What one act has at hand."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.server = Server(answers)
        self.notes: list[tuple[str, Any]] = []

    def note(self, what: str, value: Any) -> None:
        """Remember something for comparison."""
        self.notes.append((what, value))

    def look(self, when: str) -> None:
        """Remember how much was asked and read by now, and the current span."""
        server = self.server
        read = [(body.pulled, body.closed) for body in server.bodies]
        self.note(when, [len(server.requests), read, current_span()])

    def client(self, kind: Any = anthropic.Anthropic, **options: Any) -> Any:
        """A client of the real SDK whose every request is answered here."""
        given: dict[str, Any] = {"max_retries": 0, **(KEY if kind is anthropic.Anthropic else {}), **options}
        return kind(http_client=http.Client(transport=self.server), **given)

    def async_client(self, kind: Any = anthropic.AsyncAnthropic, **options: Any) -> Any:
        """The same, async."""
        given: dict[str, Any] = {"max_retries": 0, **(KEY if kind is anthropic.AsyncAnthropic else {}), **options}
        return kind(http_client=http.AsyncClient(transport=self.server), **given)
