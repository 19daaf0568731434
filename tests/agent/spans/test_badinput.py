"""Claims about bad input: whatever is sent is answered without a 500, and good exports are taken after it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlite_utils import Database
from starlette.applications import Starlette
from tests.agent.spans.claudecodedata import recordings
from tests.soak.mutation import JSON, PROTOBUF, Bad, monsters, mutated

from bursar.agent.ledger import Ledger, reports
from bursar.agent.spans import intake, receiver
from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies.prices import shipped_book

BOOK = shipped_book()
NOON = 1_795_262_400 * 10**9
MUTATIONS = 60
"""Of each good export."""


def pairs(**attributes: Any) -> list[dict[str, Any]]:
    def value(told: Any) -> dict[str, Any]:
        return {"intValue": told} if isinstance(told, int) else {"stringValue": told}

    return [{"key": name.replace("__", "."), "value": value(told)} for name, told in attributes.items()]


SPAN: dict[str, Any] = {
    "traceId": "0a" * 16,
    "spanId": "0b" * 8,
    "name": "chat",
    "startTimeUnixNano": str(NOON),
    "kind": 3,
    "attributes": pairs(
        gen_ai__operation__name="chat",
        gen_ai__provider__name="anthropic",
        gen_ai__request__model="claude-sonnet-5-5",
        gen_ai__response__id="msg_1",
        gen_ai__usage__input_tokens=1000,
        gen_ai__usage__output_tokens=42,
    ),
}
EVENT: dict[str, Any] = {
    "timeUnixNano": str(NOON),
    "body": {"stringValue": "claude_code.api_request"},
    "attributes": pairs(
        session__id="s", model="claude-sonnet-5-5", input_tokens=1000, output_tokens=42, request_id="r1", cost_usd="0.1"
    ),
}
POINT: dict[str, Any] = {
    "startTimeUnixNano": str(NOON),
    "timeUnixNano": str(NOON + 10**12),
    "asDouble": 1000,
    "attributes": pairs(session__id="t", model="claude-sonnet-5-5", type="input"),
}
METRIC = {
    "name": "claude_code.token.usage",
    "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [POINT]},
}
SCOPE = {"name": "com.anthropic.claude_code.events"}
WRITTEN: dict[str, dict[str, Any]] = {
    receiver.PATH: {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": SCOPE, "spans": [SPAN]}]}]},
    receiver.LOGS: {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": SCOPE, "logRecords": [EVENT]}]}]},
    receiver.METRICS: {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"scope": SCOPE, "metrics": [METRIC]}]}]},
}
KINDS: dict[str, Any] = {
    receiver.PATH: ExportTraceServiceRequest,
    receiver.LOGS: ExportLogsServiceRequest,
    receiver.METRICS: ExportMetricsServiceRequest,
}


def good_exports() -> Iterator[tuple[str, bytes, str]]:
    """An export of each signal in each encoding, and what was recorded of Claude Code, where that is here."""
    for path, written in WRITTEN.items():
        yield path, json.dumps(written).encode(), JSON
        yield path, _wire(path, written), PROTOBUF
    for signal in ("traces", "logs", "metrics"):
        for recording in recordings(signal, "hello_pb") + recordings(signal, "haiku_json"):
            yield recording.path, recording.body, recording.encoding.value


def _wire(path: str, written: dict[str, Any]) -> bytes:
    """In protobuf, where ids are bytes, and no hex digits."""
    message = ParseDict(written, KINDS[path](), ignore_unknown_fields=True)
    if path == receiver.PATH:
        (span,) = message.resource_spans[0].scope_spans[0].spans
        span.trace_id, span.span_id = bytes.fromhex(SPAN["traceId"]), bytes.fromhex(SPAN["spanId"])
    wire: bytes = message.SerializeToString()
    return wire


def book_spans(db: Database, spans: Sequence[SeenSpan], **rules: Any) -> intake.Counted:
    return intake.book_spans(db, intake.heard(spans, **rules), **rules)


class House:
    """The receiver in front of a real ledger."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path, clock_ns=time.time_ns)
        rules: dict[str, Any] = {"policy": None, "book": BOOK, "now_ns": NOON}

        def taking(book: Any) -> Any:
            async def take(told: Sequence[Any]) -> None:
                await asyncio.wrap_future(self.ledger.submit(lambda db: book(db, told, **rules)))

            return take

        routes = receiver.routes(taking(book_spans), taking(intake.book_events), taking(intake.book_points))
        self.app = Starlette(routes=routes)

    def answers(self, bad: Sequence[Bad]) -> Counter[int]:
        """Statuses; anything that is raised on the way is raised here."""

        async def ask() -> Counter[int]:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
                asked = [await client.post(one.path, content=one.body, headers=one.headers) for one in bad]
                return Counter(answer.status_code for answer in asked)

        return asyncio.run(ask())

    def total(self) -> reports.Row:
        with self.ledger.reading() as db:
            return reports.totals(db, 0, 2**62)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "ledger.sqlite")
    yield made
    made.ledger.close()


def test_mutations_of_good_exports_raise_nothing(house: House) -> None:
    """Each is taken or refused with a reason; then a report adds up, and a good export is taken as ever."""
    rng = random.Random(7)
    bad = [mutated(path, body, kind, rng) for path, body, kind in good_exports() for _ in range(MUTATIONS)]
    statuses = house.answers(bad)
    assert set(statuses) <= {200, 400, 413, 415}
    assert min(statuses[200], statuses[400]) > len(bad) // 20
    assert house.total()["nano_usd"] >= 0
    before = house.total()["charges"]
    fresh = json.loads(json.dumps(WRITTEN[receiver.LOGS]).replace('"r1"', '"a request that nobody has told of"'))
    assert house.answers([Bad(receiver.LOGS, json.dumps(fresh).encode(), {"content-type": JSON})]) == {200: 1}
    assert house.total()["charges"] == before + 1


@pytest.mark.parametrize("value", [b"Infinity", b"NaN", b"1e400", b"[1]", b"{}", b"true"])
def test_numbers_that_are_none_are_refused(house: House, value: bytes) -> None:
    """Python's reader of JSON takes more than there is: protobuf's answers in more ways than it says."""
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":%b}]}]}]}' % value
    assert house.answers([Bad(receiver.PATH, body, {"content-type": JSON})]) == {400: 1}


@pytest.mark.parametrize("half", [rb"\ud800", rb"\uDFFF"])
def test_half_a_sign_is_replaced(house: House, half: bytes) -> None:
    """Programs that cut texts by their UTF-16 leave one behind: their exports are taken all the same."""
    body = json.dumps(WRITTEN[receiver.PATH]).encode()
    named = body.replace(b'"chat"', b'"chat%b"' % half, 1)
    assert house.answers([Bad(receiver.PATH, named, {"content-type": JSON})]) == {200: 1}
    assert house.total()["charges"] == 1


@pytest.mark.parametrize("half", [rb"\ud800", rb"\uDFFF"])
def test_half_a_sign_for_a_value(house: House, half: bytes) -> None:
    """Protobuf's reader takes a text for a message by its signs, and at this one fails in an undocumented way."""
    body = json.dumps(WRITTEN[receiver.PATH]).encode().replace(b'{"stringValue": "anthropic"}', b'"%b"' % half)
    assert house.answers([Bad(receiver.PATH, body, {"content-type": JSON})]) == {200: 1}


@pytest.mark.parametrize("path", list(WRITTEN))
def test_what_is_too_much_is_refused(house: House, path: str) -> None:
    """Long, deep, compressed beyond measure, of very many things: 400 or 413, and nothing is booked."""
    assert set(house.answers(list(monsters(path, megabytes=1)))) <= {200, 400, 413}
    assert house.total()["charges"] == 0


def test_brackets_without_number(house: House) -> None:
    """Three megabytes of them would become hundreds in memory: 413, before they are read."""
    body = b'{"resourceSpans":[' + b"{}," * 1_000_000 + b"{}]}"
    assert house.answers([Bad(receiver.PATH, body, {"content-type": JSON})]) == {413: 1}
