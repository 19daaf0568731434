"""Waste: dollars a day, and what to do."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bursar.agent.advice.recommendation import Kind, Saving
from bursar.agent.advice.waste import wasted
from bursar.agent.ledger.wastebook import Waste, Why
from bursar.policies.policyfile import parse_policy

USD = 10**9
THREE = Fraction(3)


def row(
    why: Why, day: int, nano: int = USD, *, likely: int | None = None, attempts: int = 1, unknown: int = 0
) -> Waste:
    return Waste(why, "desk", "claude-opus-5-5", day, attempts, nano, nano if likely is None else likely, unknown)


@pytest.mark.parametrize("why", [Why.RETRIED, Why.LOOP, Why.IDENTICAL])
def test_days_alike_are_worth_what_each_cost(why: Why) -> None:
    """A dollar on each of three days."""
    (found,) = wasted([row(why, 0), row(why, 1), row(why, 2)], THREE)
    assert (found.kind, found.place, found.saving) == (Kind.WASTE, why.value, Saving(USD, USD, USD))
    assert found.evidence["nano_usd"] == 3 * USD
    assert "Worth at least 1.00 USD a day" in found.text


def test_a_bound_is_worth_that_at_most() -> None:
    """What an attempt without an answer cost in truth is not known."""
    (found,) = wasted([row(Why.UNANSWERED, 0), row(Why.UNANSWERED, 1, 2 * USD)], THREE)
    assert found.saving == Saving(0, None, USD)
    assert "up to 1.00 USD a day" in found.text
    assert "timeout" in found.text
    (found,) = wasted([row(Why.UNANSWERED, 0, likely=USD // 100)], THREE)
    assert "(likely 0.01 USD, at most 1.00)" in found.text


def test_unknown_costs_are_beside_the_sum() -> None:
    """And where there is nothing else, there is no figure."""
    (found,) = wasted([row(Why.UNANSWERED, 0, attempts=3, unknown=2)], THREE)
    assert "The cost of 2 of them is not known" in found.text
    (found,) = wasted([row(Why.UNANSWERED, 0, 0, attempts=2, unknown=2)], THREE)
    assert found.saving is None
    assert "not known" in found.text


def test_a_loop_is_stopped_by_a_step_that_the_policy_has() -> None:
    """The snippet is read as one."""
    (found,) = wasted([row(Why.LOOP, 0)], THREE)
    head = 'version = 1\nmode = "enforce"\n[[budget]]\nname = "all"\nlimit = "1 USD"\nevery = "day"\n'
    policy = parse_policy(head + found.snippet, file="a.toml")
    assert policy.budgets[0].steps[0].loop is not None


def test_days_that_differ_leave_doubt_but_nothing_below_nothing() -> None:
    """Three dollars on one day of three: one a day, give or take more than that; on one day alone nothing is known."""
    (found,) = wasted([row(Why.LOOP, 1, 3 * USD)], THREE)
    assert found.saving is not None
    assert (found.saving.low, found.saving.mid) == (0, USD)
    (found,) = wasted([row(Why.LOOP, 0)], Fraction(1))
    assert found.saving == Saving(0, USD, 2 * USD)
    assert "Under three whole days" in found.assumes[-1]


def test_each_route_and_kind_stands_by_itself() -> None:
    """Another id each, that lasts."""
    found = wasted([row(Why.RETRIED, 0), row(Why.LOOP, 0), row(Why.LOOP, 1)], THREE)
    assert len({one.id for one in found}) == len(found) == 2
