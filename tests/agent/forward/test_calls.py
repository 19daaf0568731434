"""Claims about calls among spans: each is told once, at the price of the book."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.agent.forward.received import CALL, SDK, call, export, failed, seen, span

from bursar.agent.forward.calls import calls_of
from bursar.agent.rules import Rules
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot

RULES = Rules(None, shipped_book(), Snapshot("none"))


def test_a_call_costs_what_the_book_says() -> None:
    """Class by class, and the sum of them."""
    spans = seen(export((SDK, [call(1)]), ("http", [span(2)])))
    found = calls_of(spans, RULES)
    charge = found[0].charge
    assert list(found) == [0] and charge is not None
    assert charge.cost_nano_usd == sum(line.nano_usd for line in charge.lines)
    assert {line.label: line.quantity for line in charge.lines} == {
        "input": 100,
        "cache_read": 2000,
        "cache_write_5m": 300,
        "cache_write_1h": 200,
        "output": 42,
    }


def test_an_error_is_a_call_without_a_charge() -> None:
    found = calls_of(seen(export((SDK, [failed(1, "overloaded_error")]))), RULES)
    assert [one.charge for one in found.values()] == [None]


OTHER = {key: value for key, value in CALL.items() if key != "gen_ai.response.id"}


@pytest.mark.parametrize(
    ("spans", "kept"),
    [
        ([("traceloop", span(1, "chat", OTHER)), (SDK, call(2, x=1))], [0, 1]),
        ([("traceloop", span(1, "chat", {**CALL, "gen_ai.response.id": "msg_2"})), (SDK, call(2))], [0]),
        (
            [
                ("traceloop", span(1, "chat", {**CALL, "gen_ai.response.id": "msg_2"})),
                (SDK, call(2, bursar__attempt__id="att_1", bursar__cost__nano_usd=5)),
            ],
            [1],
        ),
        (
            [
                ("traceloop", span(1, "chat", OTHER)),
                (SDK, span(2, "anthropic.messages.create", CALL, parent_span_id=(1).to_bytes(8, "big"))),
            ],
            [1],
        ),
    ],
    ids=["two calls", "one message, told twice", "one of them stamped", "one around the other"],
)
def test_spans_for_one_call_are_one(spans: list[tuple[str, Span]], kept: list[int]) -> None:
    """So that no receiver adds a cost up twice."""
    assert sorted(calls_of(seen(export(*((scope, [one]) for scope, one in spans))), RULES)) == kept


def test_a_request_of_claude_code_is_a_call() -> None:
    """By its own names, as when it is booked."""
    told = {
        "request_id": "req_1",
        "model": "claude-sonnet-5-5",
        "input_tokens": 100,
        "output_tokens": 42,
        "cache_read_tokens": 0,
        "cache_creation_tokens": 0,
    }
    spans = seen(export(("com.anthropic.claude_code.tracing", [span(1, "claude_code.llm_request", told)])))
    (found,) = calls_of(spans, RULES).values()
    assert found.charge is not None
    assert (found.model, found.charge.cost_nano_usd) == ("claude-sonnet-5-5", 100 * 2_000 + 42 * 10_000)
