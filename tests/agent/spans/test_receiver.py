"""Claims about the receiver: what OTLP/HTTP asks of one, within bounds, and never a 200 before spans are safe."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette

from bursar.agent.serving.listening import answering, listening
from bursar.agent.settings import Tcp
from bursar.agent.spans import receiver
from bursar.agent.spans.receiver import MOST_AT_ONCE, MOST_COMPRESSED, MOST_PLAIN, BehindError, SeenSpan, routes

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
GZIP = {"content-encoding": "gzip"}


class Books:
    """Takes spans as the ledger would, and can be behind."""

    def __init__(self) -> None:
        self.seen: list[SeenSpan] = []
        self.behind: BehindError | None = None
        self.gate: asyncio.Event | None = None
        self.behind_at = 0
        """Behind whenever this divides how often they were asked; 0 for never."""
        self.asked = self.waiting = self.most = 0

    async def on_spans(self, spans: Sequence[SeenSpan]) -> None:
        self.asked += 1
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await (asyncio.sleep(0) if self.gate is None else self.gate.wait())
        finally:
            self.waiting -= 1
        if self.behind_at and self.asked % self.behind_at == 0:
            raise BehindError("the ledger is behind", retry_after_seconds=7)
        if self.behind is not None:
            raise self.behind
        self.seen.extend(spans)


@pytest.fixture
def books() -> Books:
    return Books()


def post(books: Books, content: Any, headers: dict[str, str] | None = None, *, method: str = "POST") -> httpx.Response:
    async def send() -> httpx.Response:
        async with client_of(books) as client:
            return await client.request(method, receiver.PATH, content=content, headers=headers)

    return asyncio.run(send())


def client_of(books: Books) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=routes(books.on_spans)))
    return httpx.AsyncClient(transport=transport, base_url="http://agent")


def export(*span_ids: bytes, name: str = "chat") -> bytes:
    spans = [Span(trace_id=b"t" * 16, span_id=span_id, name=name) for span_id in span_ids]
    scope = ScopeSpans(scope=InstrumentationScope(name="desk"), spans=spans)
    body: bytes = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scope])]).SerializeToString()
    return body


def json_export(*span_ids: str) -> bytes:
    spans = [{"traceId": "74" * 16, "spanId": span_id, "name": "chat"} for span_id in span_ids]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


ONE = export(b"s" * 8)


@pytest.mark.parametrize(
    ("content", "headers", "answer"),
    [
        (ONE, PROTOBUF, b""),
        (ONE, {"content-type": "Application/X-Protobuf; charset=x"}, b""),
        (ONE, {**PROTOBUF, "content-encoding": "identity"}, b""),
        (gzip.compress(ONE, mtime=0), {**PROTOBUF, **GZIP}, b""),
        (json_export("73" * 8), JSON, b"{}"),
        (gzip.compress(json_export("73" * 8), mtime=0), {**JSON, "content-encoding": " GZIP "}, b"{}"),
    ],
)
def test_an_export_is_taken_and_answered_in_kind(
    books: Books, content: bytes, headers: dict[str, str], answer: bytes
) -> None:
    """Both encodings, plain and compressed: the spans arrive, and the answer is an empty response in the same one."""
    response = post(books, content, headers)
    assert (response.status_code, response.content) == (200, answer)
    assert response.headers["content-type"] == headers["content-type"].lower().partition(";")[0]
    assert [(span.name, span.span_id) for span in books.seen] == [("chat", "73" * 8)]


def test_spans_without_ids_are_a_partial_success(books: Books) -> None:
    """What can be taken is taken; the sender learns how many were not, and why."""
    response = post(books, export(b"s" * 8, b"short", b""), PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert (response.status_code, partial.rejected_spans, len(books.seen)) == (200, 2, 1)
    assert "span id" in partial.error_message
    told = post(books, json_export("xyz"), JSON).json()["partialSuccess"]
    assert (told["rejectedSpans"], len(books.seen)) == ("1", 1)


MANY = b"\0" * (MOST_PLAIN + 1)
BOMB = gzip.compress(MANY, 9, mtime=0)


async def drip(size: int) -> Any:
    """A body of unannounced length."""
    for _ in range(size // 2**20 + 1):
        yield b"\0" * 2**20


@pytest.mark.parametrize(
    ("content", "headers", "status", "code", "told"),
    [
        (b"\xff\xff", PROTOBUF, 400, 3, "no protobuf"),
        (b"{", JSON, 400, 3, "no OTLP/JSON"),
        (ONE, {**PROTOBUF, **GZIP}, 400, 3, "no gzip"),
        (gzip.compress(ONE, mtime=0)[:-4], {**PROTOBUF, **GZIP}, 400, 3, "too early"),
        (gzip.compress(ONE, mtime=0) * 2, {**PROTOBUF, **GZIP}, 400, 3, "more than one member"),
        (zlib.compress(ONE), {**PROTOBUF, "content-encoding": "deflate"}, 415, 3, "content-encoding 'deflate'"),
        (ONE, {"content-type": "text/plain"}, 415, 3, "content-type 'text/plain'"),
        (ONE, {}, 415, 3, "content-type is missing"),
        (BOMB, {**PROTOBUF, **GZIP}, 413, 3, "once decompressed"),
        (MANY, PROTOBUF, 413, 3, f"has {MOST_PLAIN + 1} bytes"),
        (b"\0" * (MOST_COMPRESSED + 1), {**PROTOBUF, **GZIP}, 413, 3, f"at most {MOST_COMPRESSED} bytes"),
        (drip(MOST_COMPRESSED), {**PROTOBUF, **GZIP}, 413, 3, "the body is longer"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_sentence(
    books: Books, content: Any, headers: dict[str, str], status: int, code: int, told: str
) -> None:
    """The status tells an exporter not to try again, and the body, a google.rpc.Status, tells people why."""
    response = post(books, content, headers)
    assert response.status_code == status
    if headers.get("content-type") == "application/x-protobuf":
        answer = Status.FromString(response.content)
        assert (answer.code, told in answer.message) == (code, True), answer.message
    else:
        assert (response.json()["code"], told in response.json()["message"]) == (code, True), response.text
    assert "retry-after" not in response.headers
    assert books.seen == []


def test_a_body_of_exactly_the_limit_is_read(books: Books) -> None:
    """The bound is the last size that is taken, not the first that is not."""
    filler = MOST_PLAIN - len(export(b"s" * 8, name="x" * 2**25)) + 2**25
    body = export(b"s" * 8, name="x" * filler)
    assert len(body) == MOST_PLAIN
    assert post(books, body, PROTOBUF).status_code == 200
    assert post(books, gzip.compress(body, mtime=0), {**PROTOBUF, **GZIP}).status_code == 200


def test_a_ledger_that_is_behind_sends_exporters_to_wait(books: Books) -> None:
    """503 with Retry-After is what an exporter keeps its spans for; nothing was acknowledged."""
    books.behind = BehindError("the ledger is behind", retry_after_seconds=7)
    response = post(books, ONE, PROTOBUF)
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert Status.FromString(response.content) == Status(code=14, message="the ledger is behind")


def test_an_export_without_spans_bothers_nobody(books: Books) -> None:
    """The ledger is not asked for nothing, so it may be behind."""
    books.behind = BehindError("the ledger is behind", retry_after_seconds=7)
    assert post(books, b"{}", JSON).status_code == 200


def test_too_many_at_once_are_sent_to_wait(books: Books) -> None:
    """Memory is bounded: one more than may be taken is told 429, and place is free again afterwards."""

    async def crowd() -> tuple[httpx.Response, list[httpx.Response], httpx.Response]:
        books.gate = asyncio.Event()
        async with client_of(books) as client, asyncio.TaskGroup() as tasks:

            async def send() -> httpx.Response:
                return await client.post(receiver.PATH, content=ONE, headers=PROTOBUF)

            running = [tasks.create_task(send()) for _ in range(MOST_AT_ONCE + 1)]
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED, timeout=5)
            (refused,) = (task for task in running if task.done())
            books.gate.set()
            taken = [await task for task in running if task is not refused]
            return await refused, taken, await send()

    refused, taken, after = asyncio.run(crowd())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert Status.FromString(refused.content).code == 8
    assert {response.status_code for response in taken} == {200}
    assert (after.status_code, len(books.seen)) == (200, MOST_AT_ONCE + 1)


def test_many_bytes_at_once_are_sent_to_wait(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies are counted together, plain and inflated; the only one is always taken, and place is free again."""
    monkeypatch.setattr(receiver, "MOST_HELD", len(ONE) * 2 - 1)

    async def crowd() -> list[int]:
        books.gate = asyncio.Event()
        async with client_of(books) as client:
            first = asyncio.create_task(client.post(receiver.PATH, content=ONE, headers=PROTOBUF))
            while not books.waiting:
                await asyncio.sleep(0)
            plain = await client.post(receiver.PATH, content=ONE, headers=PROTOBUF)
            packed = await client.post(receiver.PATH, content=gzip.compress(ONE), headers={**PROTOBUF, **GZIP})
            books.gate.set()
            answers = [await first, plain, packed, await client.post(receiver.PATH, content=ONE, headers=PROTOBUF)]
            return [answer.status_code for answer in answers]

    assert asyncio.run(crowd()) == [200, 429, 429, 200]


def test_a_sender_that_is_faster_loses_nothing(books: Books) -> None:
    """Forty senders, eight places, books that are behind at every third: each sends again until it is told 200."""
    refusals: list[tuple[int, str]] = []

    async def send(client: httpx.AsyncClient, number: int) -> None:
        body = export(number.to_bytes(8, "big"))
        while (answer := await client.post(receiver.PATH, content=body, headers=PROTOBUF)).status_code != 200:
            refusals.append((answer.status_code, answer.headers["retry-after"]))
            await asyncio.sleep(0)

    async def crowd() -> None:
        books.behind_at = 3
        async with client_of(books) as client, asyncio.TaskGroup() as tasks:
            for number in range(1, 41):
                tasks.create_task(send(client, number))

    asyncio.run(crowd())
    assert {span.span_id for span in books.seen} == {f"{number:016x}" for number in range(1, 41)}
    assert len(books.seen) == 40
    assert {(429, "1"), (503, "7")} == set(refusals)
    assert books.most <= MOST_AT_ONCE


class Other(Books):
    """Books for events and points."""

    async def on_told(self, told: Sequence[Any]) -> None:
        await self.on_spans(told)


def test_logs_and_metrics_share_the_house(books: Books) -> None:
    """The same rules and the same places as for spans; where nobody takes them, there is no such path."""
    events, points = Other(), Other()
    app = Starlette(routes=routes(books.on_spans, events.on_told, points.on_told))

    async def ask() -> list[tuple[int, str]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
            answers = [
                await client.post(path, content=content, headers=JSON)
                for path in (receiver.LOGS, receiver.METRICS)
                for content in (b"{}", b"{", b'{"resourceLogs":[],"resourceMetrics":[]}')
            ]
            return [(answer.status_code, answer.text) for answer in answers]

    answers = asyncio.run(ask())
    assert [status for status, _ in answers] == [200, 400, 200] * 2
    assert "no OTLP/JSON ExportMetricsServiceRequest" in answers[4][1]
    assert post(books, b"{}", JSON).status_code == 200
    assert len(routes(books.on_spans)) == 1


def test_a_refused_export_frees_its_place(books: Books) -> None:
    """Mistakes do not fill the house: after more of them than there are places, an export is taken."""

    async def send() -> int:
        async with client_of(books) as client:
            for _ in range(MOST_AT_ONCE):
                await client.post(receiver.PATH, content=b"\xff", headers=PROTOBUF)
            return (await client.post(receiver.PATH, content=ONE, headers=PROTOBUF)).status_code

    assert asyncio.run(send()) == 200


def test_a_body_that_breaks_off_is_not_taken(books: Books) -> None:
    """A sender that hangs up in the middle leaves nothing behind, and no traceback either."""
    parts = iter([{"type": "http.request", "body": ONE[:9], "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": receiver.PATH,
        "query_string": b"",
        "headers": [(b"content-type", b"application/x-protobuf")],
    }
    asyncio.run(Starlette(routes=routes(books.on_spans))(scope, receive, send))
    assert (sent[0]["status"], books.seen) == (400, [])


def test_only_exports_are_answered(books: Books) -> None:
    """The path takes POST alone."""
    assert post(books, b"", method="GET").status_code == 405


@pytest.fixture
def url(books: Books, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real server in front of the books."""
    monkeypatch.setenv("NO_PROXY", "*")
    with (
        listening(Tcp(port=0)) as listener,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(answering(Starlette(routes=routes(books.on_spans)), listener)),
    ):
        yield f"{listener.url}{receiver.PATH}"


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_opentelemetry_sdk_exports_to_it(books: Books, url: str, compression: Compression) -> None:
    """The SDK's own exporter, over a real connection: nothing of a span is lost on the way."""
    provider = TracerProvider(resource=Resource({"service.name": "desk"}))
    exporter = OTLPSpanExporter(url, compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("desk.tracing")
    with tracer.start_as_current_span("outer"):
        inner = tracer.start_span("chat", kind=SpanKind.CLIENT, attributes={"n": 3, "ok": True, "all": ("a", "b")})
        inner.end()
    provider.shutdown()
    chat, outer = books.seen
    assert (chat.name, chat.scope, chat.kind, chat.parent) == ("chat", "desk.tracing", "CLIENT", outer.span_id)
    assert chat.attributes == {"n": 3, "ok": True, "all": ("a", "b")}
    assert chat.resource == {"service.name": "desk"}
    assert chat.trace_id == outer.trace_id == f"{inner.get_span_context().trace_id:032x}"
    assert outer.start_ns <= chat.start_ns <= chat.end_ns <= outer.end_ns
