"""The rules: which budgets and routes a call meets, and which balance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bursar.policies.amounts import Limit, Velocity
from bursar.policies.policy import Budget, Channel, Mode, Policy, Step, StepAction
from bursar.policies.route import Route
from bursar.policies.windows import Anchor, window_at

BLOCK = StepAction("block")
ALERT = StepAction("alert", channel="log")


def budget(**changes: Any) -> Budget:
    return replace(Budget("support-day", Limit("usd", 50_000_000_000), "day"), **changes)


def step(share: Fraction | None, *actions: StepAction, velocity: Velocity | None = None) -> Step:
    return Step("a step", share, velocity, actions)


@pytest.mark.parametrize(
    ("match", "labels", "matches"),
    [
        ({}, {}, True),
        ({"route": "support.*"}, {}, True),
        ({"route": "support"}, {}, False),
        ({"route": "Support.*"}, {}, False),
        ({"route": "support.t????e"}, {}, True),
        ({"route": "[st]upport.*"}, {}, True),
        ({"model": "claude-opus-*"}, {}, True),
        ({"model": "claude-haiku-*"}, {}, False),
        ({"env": "prod"}, {"env": "prod"}, True),
        ({"env": "prod"}, {"env": "production"}, False),
        ({"env": "prod*"}, {"env": "production"}, True),
        ({"env": "prod"}, {"ENV": "prod"}, False),
        ({"env": "*"}, {"env": ""}, True),
        ({"env": "*"}, {}, False),
        ({"env": "prod", "route": "support.*"}, {"env": "prod"}, True),
        ({"env": "prod", "route": "sales.*"}, {"env": "prod"}, False),
        ({"env": "dev", "route": "support.*"}, {"env": "prod"}, False),
        ({"route": "sales.*"}, {"route": "sales.lead"}, False),
        ({"model": "mine"}, {"model": "mine"}, False),
    ],
)
def test_a_budget_covers_a_call_that_meets_every_glob(
    match: Mapping[str, str], labels: Mapping[str, str], matches: bool
) -> None:
    """By case; an absent label meets none, and a label cannot pose as the route or model."""
    found = budget(match=match).matches(route="support.triage", model="claude-opus-5-5", labels=labels)
    assert found is matches


@pytest.mark.parametrize(
    ("per", "labels", "scope"),
    [
        ((), {"tenant": "acme"}, ""),
        (("tenant",), {"tenant": "acme", "user": "bob"}, "tenant=acme"),
        (("tenant",), {}, "tenant="),
        (("user", "tenant"), {"tenant": "acme", "user": "bob"}, "user=bob,tenant=acme"),
        (("route", "model"), {}, "route=support.triage,model=claude-opus-5-5"),
        (("tenant",), {"tenant": "a|b,c%d=é"}, "tenant=a%7Cb%2Cc%25d=é"),
    ],
)
def test_the_scope_names_the_values_of_per(per: tuple[str, ...], labels: Mapping[str, str], scope: str) -> None:
    """In the order of the file; a missing label's value is empty."""
    assert budget(per=per).scope(labels, "support.triage", "claude-opus-5-5") == scope


def test_no_two_combinations_share_a_balance() -> None:
    """Whatever somebody writes into a label."""
    both = budget(per=("tenant", "user"))
    one = both.scope({"tenant": "a,user=b", "user": ""}, "", "")
    other = both.scope({"tenant": "a", "user": "b,user="}, "", "")
    assert one == "tenant=a%2Cuser=b,user="
    assert other == "tenant=a,user=b%2Cuser="


def test_a_balance_key_has_bars_between_its_parts() -> None:
    """The very text, since ledgers and journals keep it; the unit behind it where it is not money."""
    window = window_at("day", datetime(2026, 11, 22, 12, tzinfo=UTC), UTC)
    assert budget().balance_key(window, "tenant=acme") == "support-day|2026-11-22T00:00:00Z|tenant=acme"
    assert budget().balance_key(window, "") == "support-day|2026-11-22T00:00:00Z|"
    tokens = budget(limit=Limit("tokens", 5))
    assert tokens.balance_key(window, "tenant=acme") == "support-day|2026-11-22T00:00:00Z|tenant=acme|tokens"


@pytest.mark.parametrize(
    ("steps", "limit", "overdraft", "hard", "ceiling"),
    [
        ((), 1000, 0, False, 1000),
        ((step(Fraction(1), ALERT),), 1000, 70, False, 1000),
        ((step(Fraction(1), BLOCK),), 1000, 0, True, 1000),
        ((step(Fraction(1), ALERT, BLOCK),), 1000, 70, True, 1070),
        ((step(Fraction(9, 10), BLOCK),), 1000, 0, True, 900),
        ((step(Fraction(1, 3), BLOCK),), 1000, 1, True, 334),
        ((step(Fraction(1), BLOCK),), 0, 0, True, 0),
        ((step(Fraction(0), BLOCK),), 1000, 0, True, 0),
        ((step(Fraction(1), BLOCK), step(Fraction(9, 10), BLOCK)), 1000, 0, True, 900),
        ((step(None, BLOCK, velocity=Velocity(10, 60.0)),), 1000, 0, False, 1000),
    ],
)
def test_the_ceiling_is_the_blocks_share_and_the_overdraft(
    steps: tuple[Step, ...], limit: int, overdraft: int, hard: bool, ceiling: int
) -> None:
    """Rounded down, so that a fraction of a nano-dollar is never overspent; a soft budget has its limit."""
    rule = budget(steps=steps, limit=Limit("usd", limit), overdraft_nano=overdraft)
    assert (rule.hard, rule.ceiling_of("")) == (hard, ceiling)


@pytest.mark.parametrize(
    ("steps", "limit", "overdraft", "soft_ceiling"),
    [
        ((step(Fraction(1), BLOCK),), 1000, 70, 1000),
        ((step(Fraction(9, 10), BLOCK),), 1000, 70, 900),
        ((step(Fraction(1, 3), BLOCK),), 1000, 70, 333),
        ((), 1000, 70, 1000),
    ],
)
def test_expectations_stay_below_the_overdraft(
    steps: tuple[Step, ...], limit: int, overdraft: int, soft_ceiling: int
) -> None:
    """It is for calls that cost more than was expected, and not for planning with."""
    rule = budget(steps=steps, limit=Limit("usd", limit), overdraft_nano=overdraft)
    assert rule.soft_ceiling_of("") == soft_ceiling


NIGHT = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
"""A Sunday, half past four in Berlin and half past twelve in Tokyo."""


@pytest.mark.parametrize(
    ("changes", "window_id"),
    [
        ({}, "2026-11-21T23:00:00Z"),
        ({"timezone": "UTC"}, "2026-11-22T00:00:00Z"),
        ({"timezone": "Asia/Tokyo"}, "2026-11-21T15:00:00Z"),
        ({"begins": Anchor(minute=300)}, "2026-11-21T04:00:00Z"),
        ({"every": "week", "begins": Anchor(weekday=6)}, "2026-11-21T23:00:00Z"),
        ({"every": "week"}, "2026-11-15T23:00:00Z"),
        ({"every": "month", "begins": Anchor(day=23)}, "2026-10-22T22:00:00Z"),
        ({"every": "rolling 24h"}, "rolling 24h"),
        ({"every": "conversation"}, "conversation c%7C1"),
        ({"every": "run"}, "run r1"),
    ],
)
def test_a_call_falls_into_one_window_of_a_budget(changes: dict[str, Any], window_id: str) -> None:
    """By the budget's own clock, else the policy's; a conversation and a run are windows of their own."""
    window = budget(**changes).window(NIGHT, ZoneInfo("Europe/Berlin"), conversation="c|1", run="r1")
    assert window.window_id == window_id


def test_velocities_are_those_of_all_steps() -> None:
    """A share has none."""
    fast = Velocity(10, 60.0)
    assert budget(steps=(step(Fraction(1), BLOCK), step(None, ALERT, velocity=fast))).velocities == (fast,)


def test_a_step_knows_what_it_does() -> None:
    """By the kind of its actions."""
    both = step(Fraction(1), ALERT, BLOCK)
    assert (both.does("alert"), both.does("block"), both.does("batch")) == (True, True, False)


@pytest.mark.parametrize(("name", "ladder"), [("own", ("b", "c")), ("none", ("a", "b")), ("unknown", ("a", "b"))])
def test_a_route_has_its_own_ladder_or_the_policys(name: str, ladder: tuple[str, ...]) -> None:
    """Also a route that the policy does not list."""
    policy = Policy(1, Mode.ENFORCE, ladder=("a", "b"), routes=(Route("own", ladder=("b", "c")), Route("none")))
    assert policy.ladder_for(name) == ladder


def test_nothing_is_lost_unless_the_route_says_so() -> None:
    """A route that the file does not name says nothing."""
    policy = Policy(1, Mode.ENFORCE, routes=(Route("plain"), Route("loose", lossy=True)))
    assert [policy.lossy_for(name) for name in ("plain", "loose", "elsewhere")] == [False, True, False]


def test_a_policy_knows_whether_any_step_lowers_effort() -> None:
    """Only then is less effort ever weighed."""
    lower = Step("80%", Fraction(4, 5), None, (StepAction("alert", channel="log"), StepAction("effort")))
    assert Policy(1, Mode.ENFORCE, budgets=(budget(), budget(steps=(lower,)))).lowers_effort
    assert not Policy(1, Mode.ENFORCE, budgets=(budget(),)).lowers_effort


def test_the_defaults_are_the_documented_ones() -> None:
    """No overdraft, trimmed to fit, two seconds of patience, half a dollar set aside, windows in UTC, open."""
    rule = budget()
    assert (rule.overdraft_nano, rule.fit, rule.patience_seconds) == (0, "trim", 2.0)
    assert (rule.unbounded.kind, rule.unbounded.amount_nano) == ("reserve", 500_000_000)
    policy = Policy(1, Mode.OBSERVE)
    assert (policy.zone, policy.on_unreachable.kind, policy.unknown_price) == (UTC, "open", "dearest")
    assert policy.channels == (Channel("log", "log"),)


def test_the_zone_is_the_named_one() -> None:
    """As windows need it."""
    assert Policy(1, Mode.OBSERVE, timezone="Asia/Kolkata").zone == ZoneInfo("Asia/Kolkata")
