"""Budgets: every key of [[budget]] into its field."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from bursar.policies.amounts import Limit, parse_limit
from bursar.policies.policy import Budget, Mode, Step, StepAction, Unbounded, Unreachable
from bursar.policies.policyfile.budgets import BUDGET_KEYS, read_budgets
from bursar.policies.policyfile.mistakes import Mistakes
from bursar.policies.policyfile.steps import Surroundings
from bursar.policies.windows import Anchor

AROUND = Surroundings(channels=frozenset(("log",)), has_ladder=True, budget_keys=BUDGET_KEYS)
LEAST = {"name": "b", "limit": "5 USD", "every": "day"}


def budgets(table: dict[str, Any]) -> tuple[Budget, ...]:
    mistakes = Mistakes("", "bursar.toml", {"budget": [table]})
    found = read_budgets(table, ("budget", 0), mistakes, AROUND)
    mistakes.raise_any()
    return found


def budget(**keys: Any) -> Budget:
    (found,) = budgets({**LEAST, **keys})
    return found


def test_what_is_not_written_has_its_default() -> None:
    """The same as in the rules themselves."""
    assert budget() == Budget(name="b", limit=Limit("usd", 5_000_000_000), every="day")


def test_every_key_has_its_field() -> None:
    """None is read and dropped."""
    found = budget(
        match={"route": "a.*", "env": "prod"},
        per=["tenant", "model"],
        overdraft="1.50 USD",
        fit="asked",
        patience="250ms",
        begins="06:30",
        timezone="Asia/Tokyo",
        unbounded="refuse",
        mode="observe",
        on_unreachable="closed",
        at={"90%": "block"},
    )
    assert found == Budget(
        name="b",
        match={"route": "a.*", "env": "prod"},
        per=("tenant", "model"),
        limit=Limit("usd", 5_000_000_000),
        every="day",
        begins=Anchor(minute=390),
        timezone="Asia/Tokyo",
        overdraft_nano=1_500_000_000,
        fit="asked",
        patience_seconds=0.25,
        unbounded=Unbounded("refuse"),
        steps=(Step("90%", Fraction(9, 10), None, (StepAction("block"),)),),
        mode=Mode.OBSERVE,
        on_unreachable=Unreachable("closed"),
    )
    assert found.ceiling_of("") == 6_000_000_000


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("open", Unreachable("open")),
        ("closed", Unreachable("closed")),
        ("limited 0.25 USD", Unreachable("limited", 250_000_000)),
    ],
)
def test_what_happens_without_the_agent(text: str, rule: Unreachable) -> None:
    """Three words, one with an amount."""
    assert budget(on_unreachable=text).on_unreachable == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("refuse", Unbounded("refuse")),
        ("overdraft", Unbounded("overdraft")),
        ("reserve 2 USD", Unbounded("reserve", 2_000_000_000)),
    ],
)
def test_what_happens_to_unbounded_calls(text: str, rule: Unbounded) -> None:
    """Three words, one with an amount."""
    assert budget(unbounded=text).unbounded == rule


EVERY = ["hour", "day", "week", "month", "rolling 24h", "rolling 90m", "conversation", "run"]


@pytest.mark.parametrize("limit", ["5 USD", "2M tokens", "5 calls"])
@pytest.mark.parametrize("every", EVERY)
def test_every_window_can_block_in_every_unit(every: str, limit: str) -> None:
    """All of them are enforced."""
    found = budget(every=every, limit=limit, at={"100%": "block"})
    assert (found.every, found.limit, found.hard) == (every, parse_limit(limit), True)


def test_one_table_may_have_several_windows() -> None:
    """A budget for each, with all else alike, in the order of the file."""
    table = {
        "name": "b",
        "per": ["tenant"],
        "limits": {"day": "5 USD", "rolling 24h": "8 USD", "conversation": "100 calls"},
        "at": {"100%": "block"},
    }
    found = budgets(table)
    assert [(each.name, each.every, each.limit) for each in found] == [
        ("b:day", "day", Limit("usd", 5_000_000_000)),
        ("b:rolling-24h", "rolling 24h", Limit("usd", 8_000_000_000)),
        ("b:conversation", "conversation", Limit("calls", 100)),
    ]
    assert {(each.per, each.steps) for each in found} == {(("tenant",), found[0].steps)}


ALERT = {"80%": "alert log"}


@pytest.mark.parametrize(
    ("keys", "watched"),
    [
        ({}, ()),
        ({"at": {"100%": "block"}}, ()),
        ({"at": ALERT}, ("burn", "forecast", "creep")),
        ({"at": ALERT, "every": "week"}, ("burn", "forecast", "creep")),
        ({"at": ALERT, "every": "month"}, ("burn", "forecast", "creep")),
        ({"at": ALERT, "every": "hour"}, ()),
        ({"at": ALERT, "every": "rolling 24h"}, ()),
        ({"at": ALERT, "watch": []}, ()),
        ({"at": ALERT, "watch": ["creep", "burn"]}, ("burn", "creep")),
    ],
)
def test_what_is_watched(keys: dict[str, Any], watched: tuple[str, ...]) -> None:
    """All of it where somebody is alerted in a window that has a trend, else what is written."""
    assert budget(**keys).watch == watched


def test_everybody_who_is_alerted() -> None:
    """Each once, in the order of the steps."""
    steps = (
        Step("50%", Fraction(1, 2), None, (StepAction("alert", channel="b"), StepAction("block"))),
        Step("80%", Fraction(4, 5), None, (StepAction("alert", channel="a"), StepAction("alert", channel="b"))),
    )
    assert Budget("b", Limit("usd", 1), "day", steps=steps).channels == ("b", "a")
