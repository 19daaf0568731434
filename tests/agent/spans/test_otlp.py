"""Claims about OTLP: what a body says is read the same from protobuf and JSON, and what is no export is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from bursar.agent.spans.otlp import Encoding, Export, MalformedError, decode, encode_answer, encode_status
from bursar.agent.spans.seenspan import SeenSpan
from bursar.agent.spans.spancharge import charge_of
from bursar.policies.prices import shipped_book

RECORDED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "claude_code_otlp"

SEEN = SeenSpan(
    name="chat claude-sonnet-5-5",
    scope="desk",
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="b7ad6b7169203331",
    parent="00f067aa0ba902b7",
    kind="CLIENT",
    start_ns=1_795_262_400_000_000_001,
    end_ns=1_795_262_401_000_000_000,
    attributes={
        "model": "claude-sonnet-5-5",
        "tokens": 9_007_199_254_740_993,
        "share": 0.5,
        "stream": True,
        "betas": ("a", "b"),
    },
    status_code="ERROR",
    resource={"service.name": "desk"},
)


def protobuf_of(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "trace_id": bytes.fromhex(SEEN.trace_id),
        "span_id": bytes.fromhex(SEEN.span_id),
        "parent_span_id": bytes.fromhex(SEEN.parent or ""),
        "name": SEEN.name,
        "kind": Span.SPAN_KIND_CLIENT,
        "start_time_unix_nano": SEEN.start_ns,
        "end_time_unix_nano": SEEN.end_ns,
        "status": Status(code=Status.STATUS_CODE_ERROR),
        "attributes": [
            KeyValue(key="model", value=AnyValue(string_value="claude-sonnet-5-5")),
            KeyValue(key="tokens", value=AnyValue(int_value=9_007_199_254_740_993)),
            KeyValue(key="share", value=AnyValue(double_value=0.5)),
            KeyValue(key="stream", value=AnyValue(bool_value=True)),
            KeyValue(
                key="betas",
                value=AnyValue(
                    array_value=ArrayValue(
                        values=[
                            AnyValue(string_value="a"),
                            AnyValue(array_value=ArrayValue()),
                            AnyValue(string_value="b"),
                        ]
                    )
                ),
            ),
            KeyValue(key="map", value=AnyValue(kvlist_value=KeyValueList())),
            KeyValue(key="bytes", value=AnyValue(bytes_value=b"x")),
            KeyValue(key="nothing", value=AnyValue()),
        ],
    }
    scope = ScopeSpans(scope=InstrumentationScope(name="desk"), spans=[Span(**{**fields, **changes})])
    resource = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="desk"))])
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])
    body: bytes = request.SerializeToString()
    return body


def json_of(**changes: Any) -> bytes:
    span = {
        "traceId": SEEN.trace_id,
        "spanId": SEEN.span_id,
        "parentSpanId": SEEN.parent,
        "name": SEEN.name,
        "kind": 3,
        "startTimeUnixNano": str(SEEN.start_ns),
        "endTimeUnixNano": str(SEEN.end_ns),
        "status": {"code": 2},
        "events": [{"name": "no one reads this", "timeUnixNano": "not a time"}],
        "links": [{"traceId": "not hex"}],
        "attributes": [
            {"key": "model", "value": {"stringValue": "claude-sonnet-5-5"}},
            {"key": "tokens", "value": {"intValue": "9007199254740993"}},
            {"key": "share", "value": {"doubleValue": 0.5}},
            {"key": "stream", "value": {"boolValue": True}},
            {"key": "betas", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}},
        ],
        **changes,
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "desk"}}]}
    scope = {"scope": {"name": "desk"}, "spans": [span]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}).encode()


def test_a_span_is_read_from_protobuf() -> None:
    """Every field arrives, whole numbers to the last digit; maps, bytes and empty values are left out."""
    assert decode(protobuf_of(), Encoding.PROTOBUF) == Export((SEEN,))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_ERROR"}},
        {"startTimeUnixNano": SEEN.start_ns, "endTimeUnixNano": SEEN.end_ns},
        {"traceId": SEEN.trace_id.upper(), "spanId": SEEN.span_id.upper()},
        {"aFieldOfTheFuture": {"x": 1}},
    ],
)
def test_a_span_is_read_from_json(changes: dict[str, Any]) -> None:
    """Ids in hex, enums as numbers or names, whole numbers as texts or numbers, unknown fields passed over."""
    assert decode(json_of(**changes), Encoding.JSON) == Export((SEEN,))


@pytest.mark.parametrize(
    ("number", "kind"),
    [(0, "UNSPECIFIED"), (1, "INTERNAL"), (2, "SERVER"), (4, "PRODUCER"), (5, "CONSUMER"), (9, "UNSPECIFIED")],
)
def test_kinds_are_named(number: int, kind: str) -> None:
    """A span's kind is its name in the specification; one of the future is unspecified."""
    assert [span.kind for span in decode(protobuf_of(kind=number), Encoding.PROTOBUF).spans] == [kind]


@pytest.mark.parametrize(("code", "name"), [(0, "UNSET"), (1, "OK"), (2, "ERROR"), (7, "UNSET")])
def test_status_codes_are_named(code: int, name: str) -> None:
    """A status code is its name in the specification; one of the future says nothing."""
    body = protobuf_of(status=Status(code=code))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert [span.status_code for span in decode(body, Encoding.PROTOBUF).spans] == [name]


def test_a_root_has_no_parent() -> None:
    """A span without a parent id is a root in both encodings."""
    assert decode(protobuf_of(parent_span_id=b""), Encoding.PROTOBUF).spans[0].parent is None
    assert decode(json_of(parentSpanId=""), Encoding.JSON).spans[0].parent is None


@pytest.mark.parametrize(
    ("body", "encoding", "why"),
    [
        (protobuf_of(trace_id=bytes(16)), Encoding.PROTOBUF, "trace id"),
        (protobuf_of(trace_id=b"x" * 15), Encoding.PROTOBUF, "trace id"),
        (protobuf_of(span_id=bytes(8)), Encoding.PROTOBUF, "span id"),
        (protobuf_of(span_id=b"x" * 9), Encoding.PROTOBUF, "span id"),
        (protobuf_of(start_time_unix_nano=2**63), Encoding.PROTOBUF, "2262"),
        (protobuf_of(end_time_unix_nano=2**63), Encoding.PROTOBUF, "2262"),
        (json_of(traceId="CveGUZFs"), Encoding.JSON, "trace id"),
        (json_of(spanId=None), Encoding.JSON, "span id"),
    ],
)
def test_a_span_without_sound_ids_or_times_is_rejected(body: bytes, encoding: Encoding, why: str) -> None:
    """Such a span cannot be counted once, so it is not taken, and the reason is told."""
    export = decode(body, encoding)
    assert (export.spans, export.rejected) == ((), 1)
    assert why in export.why


def test_a_span_at_the_last_nanosecond_is_taken() -> None:
    """The bound is what the ledger can hold, not one less."""
    assert decode(protobuf_of(end_time_unix_nano=2**63 - 1), Encoding.PROTOBUF).rejected == 0


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"\xff\xff\xff", Encoding.PROTOBUF),
        (b"{", Encoding.JSON),
        (b"\xff", Encoding.JSON),
        (b"[]", Encoding.JSON),
        (b'{"resourceSpans": {}}', Encoding.JSON),
        (b'{"resourceSpans": [1]}', Encoding.JSON),
        (b'{"resourceSpans": [{"scopeSpans": "x"}]}', Encoding.JSON),
        (json_of(startTimeUnixNano="noon"), Encoding.JSON),
        (b"[" * 100_000, Encoding.JSON),
        (
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":' + b"[" * 500 + b"]" * 500 + b"}]}]}]}",
            Encoding.JSON,
        ),
    ],
)
def test_what_is_no_export_is_refused(body: bytes, encoding: Encoding) -> None:
    """A malformed body is one mistake with one sentence, however deep it is nested."""
    with pytest.raises(MalformedError, match=r"the body is no .*ExportTraceServiceRequest"):
        decode(body, encoding)


@pytest.mark.parametrize("body", [b"{}", b'{"resourceSpans": null}', b'{"resourceSpans": [{}]}'])
def test_an_empty_export_is_one(body: bytes) -> None:
    """Exporters may send nothing; that is no mistake."""
    assert decode(body, Encoding.JSON) == Export(())
    assert decode(b"", Encoding.PROTOBUF) == Export(())


def test_the_answer_names_what_was_not_taken() -> None:
    """A partial success counts the spans and tells the first reason; a full one says nothing at all."""
    export = Export((SEEN,), rejected=2, why="no id")
    answer = ExportTraceServiceResponse.FromString(encode_answer(export, Encoding.PROTOBUF))
    assert answer.partial_success.rejected_spans == 2
    assert answer.partial_success.error_message == "2 spans were not taken; the first: no id"
    assert json.loads(encode_answer(export, Encoding.JSON)) == {
        "partialSuccess": {"rejectedSpans": "2", "errorMessage": "2 spans were not taken; the first: no id"}
    }
    assert (encode_answer(Export(()), Encoding.PROTOBUF), encode_answer(Export(()), Encoding.JSON)) == (b"", b"{}")


def test_an_error_is_a_status() -> None:
    """The body of an error is a google.rpc.Status in the sender's encoding: field 1 the code, field 2 the message."""
    assert encode_status(3, "no", Encoding.PROTOBUF) == b"\x08\x03\x12\x02no"
    assert json.loads(encode_status(3, "no", Encoding.JSON)) == {"code": 3, "message": "no"}


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded Claude Code telemetry is not here")
def test_recorded_claude_code_traces_are_read_whole_and_charged_nothing() -> None:
    """Real exports of Claude Code, in both encodings, parse without a loss and hold no call of the SDK's."""
    bodies = [(path, Encoding.PROTOBUF) for path in sorted(RECORDED.glob("*_traces.pb"))]
    bodies += [(path, Encoding.JSON) for path in sorted(RECORDED.glob("*_traces.raw.json"))]
    assert len(bodies) == 10
    book = shipped_book()
    for path, encoding in bodies:
        export = decode(path.read_bytes(), encoding)
        names = _recorded_names(path)
        assert [span.name for span in export.spans] == names, path
        assert export.rejected == 0, path
        assert {span.scope for span in export.spans} == {"com.anthropic.claude_code.tracing"}, path
        assert [charge_of(span, book) for span in export.spans] == [None] * len(names), path


def _recorded_names(path: Path) -> list[str]:
    decoded = json.loads(path.with_name(f"{path.name.removesuffix('.pb').removesuffix('.raw.json')}.json").read_text())
    return [
        span["name"]
        for resource in decoded["payload"]["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
