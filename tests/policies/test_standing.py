"""Standing: where budgets stand, and what can be said of every call that meets them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from bursar.policies.amounts import Limit, Velocity
from bursar.policies.policy import ActionKind, Budget, Mode, Step, StepAction
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import Standing, Survey
from bursar.policies.windows import window_at

WINDOW = window_at("day", datetime(2026, 11, 22, 12, tzinfo=UTC), UTC)


def at(share: int | None, kind: ActionKind) -> Step:
    """At a percentage, or else at 500 nano-dollars within a minute."""
    velocity = Velocity(500, 60.0) if share is None else None
    action = StepAction(kind, target="rung" if kind == "downgrade" else None)
    return Step("a step", None if share is None else Fraction(share, 100), velocity, (action,))


def standing(
    *steps: Step, name: str = "b", mode: Mode = Mode.ENFORCE, seen: bool = True, unit: Any = "usd", **figures: Any
) -> Standing:
    """A budget of 1,000, of which so much is spent, expected, or spent of late."""
    overdraft = figures.pop("overdraft", 0)
    budget = Budget(name, Limit(unit, figures.get("limit", 1_000)), "day", steps=steps, overdraft_nano=overdraft)
    figures = {"limit": 1_000, "ceiling": 1_000, "spent": 0, "expected": 0, "lent": 0} | figures
    key = f"{name}|w|"
    return Standing(budget, key, WINDOW, mode, BalanceView(key, **figures) if seen else None)


@pytest.mark.parametrize(
    ("found", "share"),
    [
        (standing(spent=250, expected=250), Fraction(1, 2)),
        (standing(spent=2_000), Fraction(2)),
        (standing(limit=0), Fraction(1)),
        (standing(seen=False), Fraction(0)),
    ],
)
def test_a_share_is_what_is_spent_and_expected_of_the_limit(found: Standing, share: Fraction) -> None:
    """A limit of zero is used up; of a balance never seen nothing is known to be."""
    assert found.share == share


@pytest.mark.parametrize(
    ("found", "due"),
    [
        (standing(at(50, "downgrade"), spent=499), 0),
        (standing(at(50, "downgrade"), at(60, "alert"), spent=500), 1),
        (standing(at(50, "downgrade"), at(None, "block"), spent=500, recent={"60": 499}), 1),
        (standing(at(50, "downgrade"), at(None, "block"), spent=500, recent={"60": 500}), 2),
        (standing(at(None, "block"), recent={"600": 500}), 0),
        (standing(at(None, "block"), seen=False), 0),
    ],
)
def test_steps_are_due_at_their_share_or_their_velocity(found: Standing, due: int) -> None:
    """At the very figure."""
    assert len(list(found.due())) == due


@pytest.mark.parametrize(
    ("found", "calm"),
    [
        (standing(at(100, "block"), spent=1_000), True),  # whether there is money is the lending's to say
        (standing(at(50, "alert"), spent=1_000), True),
        (standing(at(50, "downgrade"), spent=499), True),
        (standing(at(50, "downgrade"), spent=500), False),
        (standing(at(None, "alert"), recent={"60": 500}), True),
        (standing(at(None, "block"), recent={"60": 499}), True),
        (standing(at(None, "block"), recent={"60": 500}), False),
        (standing(mode=Mode.OBSERVE), False),
    ],
)
def test_a_survey_is_calm_while_no_step_changes_a_call(found: Standing, calm: bool) -> None:
    """Then a call may leave without a second look."""
    assert Survey([found]).calm is calm


def test_a_survey_knows_who_lends_and_who_counts() -> None:
    """Hard budgets that enforce lend, with an overdraft twice; all of them count, once."""
    block = at(100, "block")
    survey = Survey(
        [
            standing(block, name="hard"),
            standing(block, name="drawn", overdraft=70),
            standing(at(50, "downgrade"), name="soft", overdraft=70),
            standing(block, name="watching", mode=Mode.OBSERVE),
        ]
    )
    assert survey.purses == ("hard|w|", "drawn|w|", "drawn|w||expected")
    assert survey.balances == ("hard|w|", "drawn|w|", "soft|w|", "watching|w|")
    assert [found.budget.name for found in survey.hard] == ["hard", "drawn"]
    assert [found.budget.name for found in survey.observing] == ["watching"]


def test_a_survey_is_ready_for_the_journal() -> None:
    """Each figure in its budget's unit; what was never seen is null, and the limit the file's."""
    survey = Survey([standing(unit="tokens", spent=250, lent=7), standing(name="new", seen=False)])
    assert json.loads(survey.text) == [
        {
            "balance": "b|w|",
            "mode": "enforce",
            "unit": "tokens",
            "share": "25.00%",
            "limit": 1_000,
            "spent": 250,
            "expected": 0,
            "lent": 7,
            "ceiling": 1_000,
            "recent": {},
        },
        {
            "balance": "new|w|",
            "mode": "enforce",
            "unit": "usd",
            "share": "0.00%",
            "limit": 1_000,
            "spent": None,
            "expected": None,
            "lent": None,
            "ceiling": 1_000,
            "recent": {},
        },
    ]
