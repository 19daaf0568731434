"""Pacing: calls of a budget that wants them spread wait for their turn, and for no more than ten seconds."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from tests.instrumentation.guarding import LIMIT, Stage, budget, errand

from bursar.instrumentation.pacing import Pacing
from bursar.policies.decision import Action, Candidate, Reason
from bursar.policies.throttle import Pace

CALL = Candidate("big", worst=100, least=100, expected=30, expected_tokens=6)
SPREAD = '"50%" = "throttle"\n"100%" = "block"'


def test_each_call_takes_the_next_turn() -> None:
    """At ten a second a call of 30 is followed by the next after three seconds; a late one takes its turn at once."""
    pacing, pace = Pacing(), Pace("b", "usd", Fraction(10))
    waits = [pacing.wait([pace], CALL, now) for now in (100.0, 100.0, 101.0, 200.0)]
    assert waits == [0.0, 3.0, 5.0, 0.0]


def test_no_call_waits_for_more_than_ten_seconds() -> None:
    """However many are before it; and nobody pays for those that waited before."""
    pacing, pace = Pacing(), Pace("b", "usd", Fraction(10))
    assert [pacing.wait([pace], CALL, 0.0) for _ in range(6)] == [0.0, 3.0, 6.0, 9.0, 10.0, 10.0]
    assert pacing.wait([pace], CALL, 13.0) == 0.0


def test_the_slowest_of_its_balances_decides() -> None:
    """Each in its own unit: 6 tokens at two a second are three seconds, one call at half a call a second two."""
    pacing = Pacing()
    paces = [Pace("t", "tokens", Fraction(2)), Pace("c", "calls", Fraction(1, 2))]
    assert [pacing.wait(paces, CALL, 0.0) for _ in range(3)] == [0.0, 3.0, 6.0]
    assert pacing.wait(paces[1:], CALL, 0.0) == 6.0


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_call_of_a_budget_that_is_spread_waits_and_says_so(way: str) -> None:
    """Half a dollar for the twelve hours left is less than a call in ten seconds; the decision has these."""
    stage = Stage(budget(at=SPREAD))
    stage.script = [stage.grants(spent=LIMIT // 2)]
    stage.see(spent=LIMIT // 2)
    stage.admit("h-1")
    asked = errand("h-2")
    admission = stage.guard.admit(asked) if way == "sync" else asyncio.run(stage.guard.admit_async(asked))
    assert stage.slept == [10.0]
    decision = admission.decision
    assert decision is not None
    assert (decision.verdict.action, decision.verdict.reason, decision.waited) == (Action.GO, Reason.THROTTLE, 10.0)
    assert '"waited":10' in decision.figures().text


def test_nobody_waits_below_the_step() -> None:
    """At 49% calls leave as they come."""
    stage = Stage(budget(at=SPREAD))
    stage.script = [stage.grants(spent=LIMIT * 49 // 100)]
    stage.see(spent=LIMIT * 49 // 100)
    for number in range(5):
        stage.admit(f"h-{number}", max_tokens=10)
    assert stage.slept == []


def test_a_retry_does_not_wait_again() -> None:
    """Its call did."""
    stage = Stage(budget(at=SPREAD))
    stage.script = [stage.grants(spent=LIMIT // 2)]
    stage.see(spent=LIMIT // 2)
    stage.admit("h-1")
    stage.admit("h-2", settled="big")
    assert stage.slept == []
