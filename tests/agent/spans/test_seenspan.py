"""Claims about a seen span: an attribute is taken for what it is, or not at all."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from bursar.agent.spans.seenspan import AttributeValue, SeenSpan, Wire


def span(**attributes: AttributeValue) -> SeenSpan:
    return SeenSpan("chat", "desk", "0a" * 16, "0b" * 8, None, "CLIENT", 1, 2, attributes)


@pytest.mark.parametrize(
    ("value", "count"), [(7, 7), (0, 0), (7.0, 7), (7.5, None), (-1, None), (True, None), ("7", None), ((7,), None)]
)
def test_a_count_is_a_whole_number_from_zero_on(value: AttributeValue, count: int | None) -> None:
    """Anything else is no count, least of all a truth value."""
    assert span(tokens=value).count("tokens") == count


def test_the_first_name_that_holds_a_count_wins() -> None:
    """Names of today go before names of yesterday, and zero is a count."""
    both = span(new=0, old=9)
    assert (both.count("new", "old"), both.count("absent", "old"), both.count("absent")) == (0, 9, None)


@pytest.mark.parametrize(("value", "text"), [("a", "a"), ("", None), (1, None), (("a",), None)])
def test_a_text_is_not_empty(value: AttributeValue, text: str | None) -> None:
    """An empty text says nothing."""
    assert span(name=value).text("name") == text


def test_events_are_found_by_their_name() -> None:
    """In the order in which they were told."""
    events = [Span.Event(name=name, time_unix_nano=at) for name, at in (("try", 5), ("other", 6), ("try", 9))]
    wire = Wire(ResourceSpans(), ScopeSpans(), Span(events=events))
    seen = SeenSpan("chat", "desk", "0a" * 16, "0b" * 8, None, "CLIENT", 1, 2, wire=wire)
    assert (seen.happened("try"), seen.happened("none"), span().happened("try")) == ((5, 9), (), ())
