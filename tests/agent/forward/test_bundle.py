"""Claims about parcels: what comes out of the queue is what went in, to the byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.agent.forward.received import SDK, call, export, seen, span

from bursar.agent.forward.bundle import MOST_BYTES, MOST_SPANS, pack, parcels, unpack
from bursar.agent.spans.otlp import Encoding, decode
from bursar.agent.spans.seenspan import SeenSpan


def rich(number: int) -> Span:
    """A span with all that spans can have."""
    return span(
        number,
        told={"list": ["a", 1], "share": 0.5, "on": True},
        parent_span_id=b"p" * 8,
        trace_state="vendor=1",
        flags=257,
        dropped_attributes_count=3,
        events=[Span.Event(name="retry", time_unix_nano=5)],
        links=[Span.Link(trace_id=b"l" * 16, span_id=b"m" * 8)],
    )


def test_an_export_is_passed_on_as_it_came() -> None:
    """Two processes, three scopes, spans of other libraries among the calls: the same bytes, so the same order."""
    first = export((SDK, [call(1), call(2)]), ("http", [rich(3)]))
    first.MergeFrom(export(("http", [rich(4)]), service="mail"))
    packed = pack(seen(first))
    assert packed == first.SerializeToString()
    assert pack(unpack([packed])) == packed


def test_parcels_one_after_another_are_one_request() -> None:
    """Their bytes together are a message with all of their spans, in order."""
    one, other = (pack(seen(export((SDK, [call(number)])))) for number in (1, 2))
    assert [int(span.span_id, 16) for span in unpack([one, other])] == [1, 2]


def test_a_large_export_is_cut_into_requests_of_bounded_size() -> None:
    """By number and by bytes; one span that is larger than a request travels alone."""
    many = seen(export((SDK, [span(number) for number in range(1, MOST_SPANS + 11)])))
    assert [count for count, _ in parcels(many)] == [MOST_SPANS, 10]
    large = seen(export((SDK, [span(n, told={"text": "x" * (MOST_BYTES // 2)}) for n in (1, 2, 3)])))
    assert [count for count, _ in parcels(large)] == [1, 1, 1]
    huge = seen(export((SDK, [span(1), span(2, told={"text": "x" * 2 * MOST_BYTES}), span(3)])))
    assert [count for count, _ in parcels(huge)] == [1, 1, 1]
    assert parcels(()) == []


def test_json_keeps_its_events_and_links() -> None:
    """Their ids are hex in JSON and bytes in protobuf; an event or link that is none goes, and nothing with it."""
    told: dict[str, Any] = {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "00000000000000aa",
        "name": "work",
        "events": [{"name": "retry", "timeUnixNano": "5"}, {"timeUnixNano": "not a time"}, 7],
        "links": [{"traceId": "0af7651916cd43dd8448eb211c80319d", "spanId": "00000000000000ab"}, {"spanId": {}}],
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [told]}]}]}).encode()
    request = ExportTraceServiceRequest.FromString(pack(decode(body, Encoding.JSON).spans))
    (passed,) = request.resource_spans[0].scope_spans[0].spans
    assert [(event.name, event.time_unix_nano) for event in passed.events] == [("retry", 5)]
    assert passed.links[0].span_id.hex() == "00000000000000ab"
    assert passed.links[0].trace_id.hex() == "0af7651916cd43dd8448eb211c80319d"


def test_what_was_not_received_cannot_be_passed_on() -> None:
    """A span that was made here has no bytes of its own."""
    made = SeenSpan("work", "", "0" * 32, "0" * 16, None, "CLIENT", 0, 0)
    with pytest.raises(ValueError, match="nothing to be passed on"):
        pack([made])
