"""Throttle: what is left of the limit, over what is left of the window, shared by those who spend it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from bursar.policies.amounts import Limit, Loop, Velocity
from bursar.policies.policy import Budget, Mode, Step, StepAction
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import Standing
from bursar.policies.throttle import MOST_SECONDS, Pace, interval, paces
from bursar.policies.windows import Window

NOW = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
DAY = Window("day", datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC), "w")
SPREAD = Step("50%", Fraction(1, 2), None, (StepAction("throttle"),))
FAST = Step("1 USD in 10m", None, Velocity(10**9, 600.0), (StepAction("throttle"),))
VIEW = BalanceView("b", limit=10_000, ceiling=10_000, spent=6_000, expected=400, lent=0)


def standing(*steps: Step, every: str = "day", window: Window = DAY, unit: str = "usd", **view: object) -> Standing:
    budget = Budget("b", Limit(unit, 10_000), every, steps=steps)  # type: ignore[arg-type]  # pyright: ignore
    return Standing(budget, "b", window, Mode.ENFORCE, replace(VIEW, **view))  # type: ignore[arg-type]  # pyright: ignore


@pytest.mark.parametrize(
    ("one", "pace"),
    [
        (standing(SPREAD), Fraction(3_600, 3_600)),
        (standing(SPREAD, processes=4), Fraction(1, 4)),
        (standing(SPREAD, spent=9_999), Fraction(0)),
        (standing(SPREAD, every="rolling 1h", window=Window("rolling 1h", None, None, "rolling 1h")), Fraction(1)),
        (standing(FAST, recent={"600": 10**9}), Fraction(10**9, 600)),
    ],
)
def test_the_pace(one: Standing, pace: Fraction) -> None:
    """3,600 are neither spent nor expected, and the day has 3,600 seconds left; or by the velocity itself."""
    assert paces([one], NOW) == (Pace("b", "usd", pace),)


@pytest.mark.parametrize(
    "one",
    [
        standing(SPREAD, spent=4_599),
        standing(FAST, recent={"600": 10**9 - 1}),
        standing(SPREAD, every="conversation", window=Window("conversation", None, None, "conversation c")),
        standing(replace(SPREAD, actions=(StepAction("block"),))),
    ],
)
def test_what_is_not_due_or_has_no_clock_has_no_pace(one: Standing) -> None:
    """Below the step; and in a conversation, whose end nobody knows."""
    assert paces([one], NOW) == ()


LOOP = Step("loop", None, None, (StepAction("throttle"),), Loop(20, 600.0))


def test_at_a_loop_the_pace_is_what_is_no_loop_yet() -> None:
    """Twenty calls in ten minutes; or 7,200 nano-dollars an hour, which two processes share."""
    again = replace(standing(LOOP), looping=("loop",))
    assert paces([again], NOW) == (Pace("b", "calls", Fraction(1, 30)),)
    hour = standing(LOOP, unit="tokens", in_force=("loop",), usual=1_200, unusual=7_200, processes=2)
    assert paces([hour], NOW) == (Pace("b", "usd", Fraction(1)),)
    assert paces([standing(LOOP, usual=1_200, unusual=7_200)], NOW) == ()


def test_the_pace_is_in_what_the_budget_counts() -> None:
    """Tokens here; a velocity is money in any case."""
    assert [pace.unit for pace in paces([standing(SPREAD, unit="tokens")], NOW)] == ["tokens"]


@pytest.mark.parametrize(
    ("per_second", "amount", "seconds"),
    [(Fraction(10), 30, 3.0), (Fraction(1, 3), 1, 3.0), (Fraction(1), 10_000, MOST_SECONDS), (Fraction(0), 1, 10.0)],
)
def test_after_a_call_the_next_may_leave_when_the_pace_has_made_up_for_it(
    per_second: Fraction, amount: int, seconds: float
) -> None:
    """And after ten seconds in any case."""
    assert interval(Pace("b", "usd", per_second), amount) == pytest.approx(seconds)
