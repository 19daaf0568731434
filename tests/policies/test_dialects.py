"""Dialects: what each backend reads of a call, and that no cost is told which is not known in full."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.dialects import DIALECTS, translate
from bursar.policies.usage import Usage

USAGE = Usage(
    input=100, cache_read=2000, cache_write_5m=300, cache_write_1h=200, output=42, thinking=10, web_searches=2
)
NANO = {
    "input": 200_000,
    "cache_read": 200_000,
    "cache_write_5m": 750_000,
    "cache_write_1h": 800_000,
    "output": 420_000,
    "web_search": 20_000_000,
}
TOTAL = 22_370_000


def charge(cost: int | None = TOTAL) -> Charge:
    lines = tuple(Line(label, 1, nano * 1_000, nano, "m", "p") for label, nano in NANO.items())
    model = "claude-sonnet-5-5"
    return Charge("att_1", cost, USAGE, Basis.USAGE, model, model, "desk", lines=lines if cost is not None else ())


EXPECTED: dict[str, dict[str, Any]] = {
    "openinference": {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 2600,
        "llm.token_count.completion": 42,
        "llm.token_count.total": 2642,
        "llm.token_count.prompt_details.cache_read": 2000,
        "llm.token_count.prompt_details.cache_write": 500,
        "llm.token_count.completion_details.reasoning": 10,
        "llm.cost.total": 0.02237,
        "llm.cost.prompt": 0.00195,
        "llm.cost.completion": 0.00042,
        "llm.cost.prompt_details.input": 0.0002,
        "llm.cost.prompt_details.cache_read": 0.0002,
        "llm.cost.prompt_details.cache_write": 0.00155,
    },
    "traceloop": {
        "gen_ai.system": "anthropic",
        "gen_ai.usage.prompt_tokens": 2600,
        "gen_ai.usage.completion_tokens": 42,
        "llm.usage.total_tokens": 2642,
    },
    "logfire": {"operation.cost": 0.02237},
    "otel-proposal": {
        "gen_ai.usage.cost.amount": 0.02237,
        "gen_ai.usage.cost.currency": "USD",
        "gen_ai.usage.cost.source": "local",
    },
}


@pytest.mark.parametrize("dialect", EXPECTED)
def test_a_dialect_says_it_in_its_own_names(dialect: str) -> None:
    """Every attribute, and no other."""
    assert translate([dialect], [charge()]) == EXPECTED[dialect]


def test_langfuse_gets_disjoint_classes_that_add_up() -> None:
    """Its keys, with the two lifetimes of the cache apart: it subtracts nothing from what it is told so."""
    said = translate(["langfuse"], [charge()])
    assert said.keys() == {"langfuse.observation.usage_details", "langfuse.observation.cost_details"}
    assert json.loads(str(said["langfuse.observation.usage_details"])) == {
        "input": 100,
        "input_cache_read": 2000,
        "input_cache_creation_5m": 300,
        "input_cache_creation_1h": 200,
        "output": 42,
        "total": 2642,
    }
    costs = json.loads(str(said["langfuse.observation.cost_details"]))
    assert costs == {
        "input": 0.0002,
        "input_cache_read": 0.0002,
        "input_cache_creation_5m": 0.00075,
        "input_cache_creation_1h": 0.0008,
        "output": 0.00042,
        "web_search": 0.02,
        "total": 0.02237,
    }
    assert sum(costs.values()) == pytest.approx(2 * costs["total"])


def test_the_charges_of_a_call_are_added_up() -> None:
    """A fallback chain bills each of its hops, and the span is one."""
    said = translate(["traceloop", "logfire"], [charge(), charge()])
    assert (said["gen_ai.usage.prompt_tokens"], said["operation.cost"]) == (5200, 0.04474)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_unknown_cost_is_left_out(dialect: str) -> None:
    """Also where only one of the charges is unknown: the others' sum would be told as the whole."""
    said = translate([dialect], [charge(), charge(None)])
    assert not [name for name in said if "cost" in name]
    assert ("total" in str(said)) is (dialect in ("langfuse", "openinference", "traceloop"))


def test_a_free_call_costs_nothing_and_says_so() -> None:
    """A refusal before any output is known to be free."""
    assert translate(["logfire"], [replace(charge(0), lines=())]) == {"operation.cost": 0.0}


def test_without_dialects_or_charges_nothing_is_said() -> None:
    """Nobody pays for what was not asked for."""
    assert translate([], [charge()]) == {}
    assert translate(["langfuse"], []) == {}


def test_what_is_said_can_be_an_attribute() -> None:
    """Of OpenTelemetry's scalar types; several dialects on one span."""
    said = translate(list(DIALECTS), [charge()])
    assert {type(value) for value in said.values()} == {str, int, float}
    assert len(said) == 2 + sum(map(len, EXPECTED.values()))
