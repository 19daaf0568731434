"""Claims about the times of a span: what each dialect tells of the first token, and what cannot be true is left out."""

from __future__ import annotations

from math import inf, nan

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from bursar.agent.spans.seenspan import AttributeValue, SeenSpan, Wire
from bursar.agent.spans.spantimes import times_of

NOON = 1_795_262_400 * 10**9
MS = 10**6
CONVENTIONS, OPENLIT = "gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"
STREAM = "gen_ai.request.is_stream"


def span(attributes: dict[str, AttributeValue], *, took_ns: int = 2_000 * MS, events: tuple[int, ...] = ()) -> SeenSpan:
    """One that lasted two seconds; `events`: when it heard of its first token, after its start."""
    told = [Span.Event(name="First Token Stream Event", time_unix_nano=NOON + after) for after in events]
    wire = Wire(ResourceSpans(), ScopeSpans(), Span(events=[Span.Event(name="other", time_unix_nano=NOON), *told]))
    return SeenSpan("chat", "s", "0a" * 16, "0b" * 8, None, "CLIENT", NOON, NOON + took_ns, attributes, wire=wire)


@pytest.mark.parametrize(
    ("seen", "first"),
    [
        (span({CONVENTIONS: 0.25}), 250 * MS),
        (span({CONVENTIONS: 1}), 1_000 * MS),
        (span({OPENLIT: 0.25, STREAM: True}), 250 * MS),
        (span({OPENLIT: 2.0, STREAM: False}), None),
        (span({}, events=(250 * MS,)), 250 * MS),
        (span({}, events=(250 * MS, 300 * MS)), 250 * MS),
        (span({CONVENTIONS: 0.5}, events=(250 * MS,)), 500 * MS),
        (span({}), None),
        (span({CONVENTIONS: "0.25"}), None),
        (span({CONVENTIONS: True}), None),
        (span({CONVENTIONS: nan}), None),
        (span({CONVENTIONS: inf}), None),
        (span({CONVENTIONS: -1.0}), None),
        (span({CONVENTIONS: 2.5}), None),
        (span({}, events=(-1,)), None),
    ],
)
def test_the_first_token_by_dialect(seen: SeenSpan, first: int | None) -> None:
    """The conventions, OpenLIT and OpenInference; never before the start, and never after the end."""
    assert times_of(seen) == (2_000 * MS, first)


@pytest.mark.parametrize("took_ns", [0, -1, 25 * 3_600 * 1_000 * MS])
def test_a_span_that_lasted_no_time_or_a_day_has_none(took_ns: int) -> None:
    """Its end is missing then, or its clock was set; what it says of its first token may still be true."""
    assert times_of(span({CONVENTIONS: 0.25}, took_ns=took_ns)) == (None, 250 * MS)


def test_a_span_that_was_made_here_has_no_events() -> None:
    """Only what came over the wire has them."""
    made = SeenSpan("chat", "s", "0a" * 16, "0b" * 8, None, "CLIENT", NOON, NOON + MS)
    assert times_of(made) == (MS, None)
