"""Outage: while the agent is away each budget says what becomes of its calls, within what was set aside."""

from __future__ import annotations

import asyncio

import pytest
from tests.instrumentation.guarding import DAY, Stage, away, budget, errand, lends
from tests.instrumentation.pricing import LEAST, WORST

from bursar.policies.balancekey import expectation_of, reserve_of
from bursar.policies.decision import Reason
from bursar.policies.errors import RefusalReason

ASIDE = reserve_of(DAY)
LIMITED = 'on_unreachable = "limited 1 USD"'
BIG = WORST["big"]


def outage(*lines: str, aside: int, top: str = LIMITED) -> Stage:
    """The agent has gone, after it set so much aside."""
    stage = Stage(budget(*lines), top=top)
    stage.leases.set_aside({ASIDE: aside})
    lends(stage, ASIDE, aside)
    stage.script = [away]
    return stage


def test_a_call_is_paid_out_of_what_was_set_aside() -> None:
    """All it may cost is held there, and what it has cost is charged there; the rest is free again."""
    stage = outage(aside=16 * BIG)
    admission = stage.admit()
    assert (admission.leased, admission.balances, admission.bound_nano, admission.changes) == (
        (ASIDE,),
        (DAY,),
        BIG,
        {},
    )
    assert admission.decision is not None
    assert admission.decision.verdict.reason is Reason.UNREACHABLE
    assert stage.leases.free(ASIDE) == 15 * BIG
    stage.leases.settle("h-1", 1_000)
    assert stage.leases.free(ASIDE) == 16 * BIG - 1_000


def test_a_call_is_fitted_to_its_part_of_what_was_set_aside() -> None:
    """A sixteenth of it, so that one call with a large `max_tokens` leaves something to the next."""
    stage = outage(aside=16 * LEAST["big"] + 16 * 20_000 * 976)
    admission = stage.admit()
    assert admission.changes == {"max_tokens": 2_000}
    assert admission.bound_nano == LEAST["big"] + 20_000 * 976


def test_a_call_that_may_not_be_fitted_holds_all_of_it_or_is_refused() -> None:
    """`fit = "asked"`."""
    assert outage('fit = "asked"', aside=BIG).admit().changes == {}
    refusal = outage('fit = "asked"', aside=BIG - 1).refused()
    assert (refusal.reason, refusal.balance, refusal.budget) == (RefusalReason.UNREACHABLE, DAY, "day")


def test_once_it_is_used_up_calls_are_refused() -> None:
    """Three that cost their bound each, of what pays for three and a half."""
    stage = outage(aside=int(3.5 * LEAST["big"]))
    for number in range(3):
        assert stage.admit(f"h-{number}").leased == (ASIDE,)
        stage.leases.settle(f"h-{number}", None)
    assert stage.refused("h-4").reason is RefusalReason.UNREACHABLE
    assert stage.slept == []


def test_a_call_waits_for_others_that_hold_what_was_set_aside() -> None:
    """Until one of them settles, and no longer than its budget's patience."""
    stage = outage('patience = "1s"', aside=LEAST["big"])
    stage.admit("h-1")

    def settles() -> None:
        if stage.now > 100.5:
            stage.leases.settle("h-1", 0)

    stage.on_sleep = settles
    assert asyncio.run(stage.guard.admit_async(errand("h-2"))).leased == (ASIDE,)
    assert sum(stage.slept) == pytest.approx(0.52)
    assert stage.refused("h-3").reason is RefusalReason.UNREACHABLE
    assert sum(stage.slept) == pytest.approx(0.52 + 1.0, abs=0.03)


def test_calls_do_not_draw_on_it_while_the_agent_answers() -> None:
    """What is set aside stays set aside, also where the ordinary lease is empty."""
    stage = outage(aside=16 * BIG)
    stage.script = [stage.grants()]
    assert stage.admit().leased == (DAY,)
    assert stage.leases.free(ASIDE) == 16 * BIG


def test_a_process_that_nothing_was_set_aside_for_is_refused() -> None:
    """One that began while the agent was away, or met the balance for the first time."""
    assert outage(aside=0).refused().reason is RefusalReason.UNREACHABLE


def test_an_overdrawn_budget_draws_on_both_currencies() -> None:
    """On what a call may cost, and on what it is expected to."""
    twin = reserve_of(expectation_of(DAY))
    stage = outage('overdraft = "1 USD"', aside=16 * BIG)
    assert stage.refused().balance == DAY
    stage.leases.set_aside({twin: BIG})
    lends(stage, twin, BIG)
    admission = stage.admit()
    assert admission.leased == (ASIDE, twin)
    assert stage.leases.free(twin) == BIG - admission.expected_nano


@pytest.mark.parametrize(
    ("other", "leased"),
    [
        ('on_unreachable = "open"', (ASIDE,)),
        ('on_unreachable = "closed"', None),
        (LIMITED, None),
    ],
)
def test_every_budget_that_a_call_meets_is_asked(other: str, leased: tuple[str, ...] | None) -> None:
    """An open one asks for nothing, a closed one refuses, and a limited one has set something aside or refuses too."""
    stage = Stage(budget(LIMITED), budget(other, name="other"))
    stage.leases.set_aside({ASIDE: BIG})
    lends(stage, ASIDE, BIG)
    stage.script = [away]
    if leased is not None:
        assert stage.admit().leased == leased
    else:
        refusal = stage.refused()
        assert (refusal.reason, refusal.budget) == (RefusalReason.UNREACHABLE, "other")
        assert stage.leases.free(ASIDE) == BIG


def test_a_limit_in_tokens_is_closed() -> None:
    """An allowance is money: none can be set aside out of a balance in tokens."""
    text = budget().replace('"1 USD"', '"1M tokens"')
    stage = Stage(text, top=LIMITED)
    stage.script = [away]
    assert stage.refused().reason is RefusalReason.UNREACHABLE
