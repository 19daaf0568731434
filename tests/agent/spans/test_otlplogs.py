"""Claims about exports of logs: what is read of a record, in protobuf and in loose JSON, and of whom."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from tests.agent.spans.claudecodedata import needs_data, recordings

from bursar.agent.spans import claudecode
from bursar.agent.spans.otlp import MOST_ITEMS, Encoding, MalformedError, TooManyError
from bursar.agent.spans.otlplogs import Logs, decode, encode_answer
from bursar.agent.spans.seenevent import SeenEvent

SCOPE = "com.anthropic.claude_code.events"


def anyone(scope: str) -> bool:
    return bool(scope)


def protobuf(*records: LogRecord, scope: str = SCOPE) -> bytes:
    logs = ScopeLogs(scope=InstrumentationScope(name=scope), log_records=records)
    body: bytes = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[logs])]).SerializeToString()
    return body


def loose(*records: dict[str, Any]) -> bytes:
    logs = {"scope": {"name": SCOPE}, "logRecords": list(records)}
    return json.dumps({"resourceLogs": [{"scopeLogs": [logs]}]}).encode()


def test_both_encodings_say_the_same() -> None:
    """Whole numbers as numbers and as texts, ids in hex, fields that nobody knows."""
    pair = KeyValue(key="n", value=AnyValue(int_value=5))
    record = LogRecord(time_unix_nano=7, body=AnyValue(string_value="happened"), attributes=[pair])
    seen = Logs((SeenEvent("happened", SCOPE, 7, {"n": 5}, {}),))
    assert decode(protobuf(record), Encoding.PROTOBUF, wanted=anyone) == seen
    for number in (5, "5"):
        written = {
            "timeUnixNano": "7",
            "traceId": "0a" * 16,
            "spanId": "no hex",
            "severityNumber": 9,
            "flavour": "new",
            "body": {"stringValue": "happened"},
            "attributes": [{"key": "n", "value": {"intValue": number}}],
        }
        assert decode(loose(written), Encoding.JSON, wanted=anyone) == seen


@pytest.mark.parametrize(
    ("record", "name", "at_ns"),
    [
        (LogRecord(event_name="e", body=AnyValue(string_value="b"), observed_time_unix_nano=3), "e", 3),
        (LogRecord(body=AnyValue(int_value=1)), "", 0),
    ],
)
def test_names_and_times_are_found(record: LogRecord, name: str, at_ns: int) -> None:
    """The event's own name before its body; when it was observed, where it does not say when it was."""
    [event] = decode(protobuf(record), Encoding.PROTOBUF, wanted=anyone).events
    assert (event.name, event.at_ns) == (name, at_ns)


def test_records_out_of_time_are_a_partial_success() -> None:
    """The others are taken, and the sender learns how many were not."""
    logs = decode(protobuf(LogRecord(time_unix_nano=2**63), LogRecord()), Encoding.PROTOBUF, wanted=anyone)
    assert (len(logs.events), logs.rejected) == (1, 1)
    answer = ExportLogsServiceResponse.FromString(encode_answer(logs, Encoding.PROTOBUF))
    assert answer.partial_success.rejected_log_records == 1
    assert encode_answer(Logs(()), Encoding.JSON) == b"{}"


def test_logs_of_others_are_let_go() -> None:
    """An application may send all its logs here: nobody reads them."""
    assert decode(protobuf(LogRecord(), scope="django"), Encoding.PROTOBUF, wanted=claudecode.is_scope) == Logs(())


@pytest.mark.parametrize("body", [b"[]", b'{"resourceLogs":5}', b'{"resourceLogs":[{"scopeLogs":[[]]}]}', b"nonsense"])
def test_what_is_no_export_is_said(body: bytes) -> None:
    """In whatever encoding it comes."""
    with pytest.raises(MalformedError, match="ExportLogsServiceRequest"):
        decode(body, Encoding.JSON, wanted=anyone)
    with pytest.raises(MalformedError, match="ExportLogsServiceRequest"):
        decode(b"\xff" + body, Encoding.PROTOBUF, wanted=anyone)


def test_too_many_at_once_are_refused() -> None:
    """Memory is bounded by their number too: each is much larger here than on the wire."""
    with pytest.raises(TooManyError, match="20001 of them"):
        decode(protobuf(*[LogRecord()] * (MOST_ITEMS + 1)), Encoding.PROTOBUF, wanted=anyone)
    none: dict[str, Any] = {}
    with pytest.raises(TooManyError, match="20001 of them"):
        decode(loose(*[none] * (MOST_ITEMS + 1)), Encoding.JSON, wanted=anyone)


@needs_data
def test_every_recorded_export_is_read() -> None:
    """Of both encodings, as Claude Code wrote them: 13 requests among 93 events, two of which are errors."""
    events = [
        event
        for recording in recordings("logs")
        for event in decode(recording.body, recording.encoding, wanted=claudecode.is_scope).events
    ]
    assert len(claudecode.requests(events)) == 13
    assert len(events) == 93
