"""A claim holds for what it says, and fails for everything next to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from tests.frameworks.catalog import FRAMEWORKS, Framework, Run
from tests.frameworks.claims import (
    COST,
    SDK_SCOPE,
    Claim,
    caller_routes,
    changed,
    claims,
    misrouted,
    noticed,
    told,
    unbooked,
    uncharged,
    unlost,
    unstamped,
)
from tests.frameworks.performance import Case, Charged, Performance, Span
from tests.frameworks.stage import Billed

DESK = Framework("some", "desk", (), routes={"later": "play:_act"})
A, B = Charged("msg_a", 70, "desk:now", "usage"), Charged("msg_b", 30, "play:_act", "usage")
LOST = Charged(None, None, "desk:now", "unknown")
SPAN_A, SPAN_B = Span(SDK_SCOPE, "create", {COST: 70}), Span(SDK_SCOPE, "create", {COST: 30})
OTHER = Span("framework", "chat", {"gen_ai.usage.input_tokens": 9})
GOOD = Performance(
    billed=(
        Billed("now", "msg_a", 70, 200, ""),
        Billed("now", None, 0, 529, ""),
        Billed("later", "msg_b", 30, 200, ""),
    ),
    cases={"now": Case("yes", (A,)), "later": Case("no", (B,))},
    spans=(SPAN_A, SPAN_B, OTHER),
    booked=Counter({70: 1, 30: 1}),
    bases=frozenset({"usage"}),
)


def with_charges(*charges: Charged) -> Performance:
    """The same, with these charges in its first case."""
    return replace(GOOD, cases={**GOOD.cases, "now": Case("yes", charges)})


@pytest.mark.parametrize(
    ("performance", "faults"),
    [
        (GOOD, 0),
        (with_charges(), 1),
        (with_charges(A, A), 1),
        (with_charges(replace(A, nano_usd=71)), 1),
        (with_charges(replace(A, basis="estimate")), 1),
        (with_charges(A, LOST), 1),
        (replace(GOOD, billed=(), cases={}), 1),
    ],
)
def test_every_message_is_charged_once_and_exactly(performance: Performance, faults: int) -> None:
    """Missing, doubled, off by a nano-dollar, of another basis, without a message, or nothing to charge."""
    assert len(list(uncharged(performance))) == faults


@pytest.mark.parametrize(
    ("booked", "bases", "faults"),
    [
        ({70: 1, 30: 1}, {"usage"}, []),
        ({70: 1}, {"usage"}, ["billed, not booked: 1 of 2 requests"]),
        ({70: 2, 30: 1}, {"usage"}, ["booked, not billed: 1 charges, 70 nano-dollars"]),
        ({70: 1, 30: 1, None: 1}, {"usage"}, ["booked, not billed: 1 charges, 0 nano-dollars"]),
        ({70: 1, 30: 1}, {"usage", "span"}, ["basis is span, usage, not usage"]),
        ({}, set[str](), ["billed, not booked: 2 of 2 requests", "basis is of nothing, not usage"]),
    ],
)
def test_the_ledger_is_the_bill_request_by_request(
    booked: dict[int | None, int], bases: set[str], faults: list[str]
) -> None:
    """Not only in sum: 70 and 30 are not 100."""
    performance = replace(GOOD, booked=Counter(booked), bases=frozenset(bases))
    assert list(unbooked(performance, "usage")) == faults


@pytest.mark.parametrize(
    ("booked", "faults"),
    [({70: 1, 31: 1}, 0), ({70: 1}, 1), ({70: 1, 30: 1}, 1), ({70: 1, 31: 1, 32: 1}, 1), ({71: 1, 31: 1}, 1)],
)
def test_where_the_ledger_is_not_the_bill_its_figures_are_told(booked: dict[int | None, int], faults: int) -> None:
    """Two charges, one of them at a price of the bill's: a better ledger is as wrong as a worse one."""
    assert len(list(told(replace(GOOD, booked=Counter(booked)), 2, 1))) == faults


@pytest.mark.parametrize(
    ("spans", "faults"),
    [
        ((SPAN_A, SPAN_B, OTHER), []),
        ((SPAN_A, OTHER), ["spans carry 1 prices, the bill has 2"]),
        ((SPAN_A, SPAN_B, SPAN_B), ["spans carry 3 prices, the bill has 2"]),
        ((SPAN_A, replace(SPAN_B, attributes={COST: 31})), ["spans carry 2 prices, the bill has 2"]),
        ((SPAN_A, replace(SPAN_B, scope="framework")), ["framework: create carries a cost"]),
    ],
)
def test_cost_is_on_one_span_a_call_and_on_the_sdk_s(spans: tuple[Span, ...], faults: list[str]) -> None:
    """A framework's own span around the call carries none."""
    assert list(unstamped(replace(GOOD, spans=spans))) == faults


def test_a_route_is_the_case_s_own_function_or_what_the_catalogue_says() -> None:
    """The same wrong route is told once, with all cases it was found in."""
    expected = caller_routes(DESK, GOOD)
    assert expected == {"now": "desk:now", "later": "play:_act"}
    assert list(misrouted(GOOD, expected)) == []
    inside = replace(A, route="framework.run:call")
    wrong = replace(GOOD, cases={"now": Case("yes", (A, inside)), "later": Case("no", (inside,))})
    assert list(misrouted(wrong, expected)) == ["framework.run:call in now, later"]


def test_a_result_that_differs_is_told() -> None:
    """By a letter, or by its length alone."""
    assert list(changed(GOOD, GOOD)) == []
    for result in ("yet", "yes and no"):
        other = replace(GOOD, cases={**GOOD.cases, "now": Case(result, (A,))})
        (fault,) = changed(GOOD, other)
        assert fault.startswith("now: ")


@pytest.mark.parametrize(
    ("performance", "faults"),
    [
        (with_charges(LOST), 0),
        (with_charges(LOST, LOST), 0),
        (with_charges(LOST, LOST, LOST), 1),
        (with_charges(), 1),
        (GOOD, 1),
        (with_charges(A, LOST), 1),
        (with_charges(replace(LOST, basis="estimate")), 1),
        (
            replace(with_charges(LOST), cases={"now": Case("", (LOST,)), "later": Case("", (replace(B, nano_usd=1),))}),
            1,
        ),
    ],
)
def test_an_answer_that_was_lost_is_a_charge_without_a_price(performance: Performance, faults: int) -> None:
    """As many of them as answers were lost, at least one, and all others exact; of the one refusal nobody can tell."""
    assert len(list(unlost(performance))) == faults


def test_seeing_nothing_means_a_bill_and_no_charge() -> None:
    """Neither in the process nor in the ledger; without a bill nothing is shown."""
    blind = replace(GOOD, cases={"now": Case("yes", ())}, booked=Counter(), bases=frozenset())
    assert list(noticed(blind)) == []
    assert list(noticed(replace(blind, billed=()))) == ["nothing was billed: the desk made no call"]
    assert list(noticed(replace(blind, cases={"now": Case("yes", (A,))}))) == ["a charge of 70 at desk:now"]
    assert list(noticed(replace(blind, booked=Counter({70: 1})))) == ["1 charges in the ledger"]


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_every_framework_has_a_claim_for_every_run(framework: Framework) -> None:
    """Eleven where Bursar sees the calls, four where it does not, one more where event loops change."""
    said = claims(framework, dict.fromkeys(framework.runs, replace(GOOD, cases={})))
    expected = (11 if framework.uses_sdk else 4) + (Run.LOOPS in framework.runs)
    assert len(said) == len({claim.name for claim in said}) == expected
    assert not all(claim.holds for claim in said)
    assert Claim("", ()).holds
