"""Standings: each kind of call looks its budgets up once, and never in a window or a policy that is over."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.instrumentation import standings as module
from bursar.instrumentation.errand import Errand
from bursar.instrumentation.standings import FRESH_SECONDS, WATCHED_SECONDS, Met, Standings
from bursar.policies.policy import Mode, Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import BalanceView

HOUR_NS = 3_600 * 10**9
TEN = 494_650 * HOUR_NS
"""The whole hour 2026-06-06T10:00:00Z."""
POLICY = """
version = 1
mode = "enforce"
ladder = ["claude-opus-5-5", "claude-haiku-5-5"]
[[budget]]
name = "hour"
per = ["tenant"]
match = { route = "desk.*" }
limit = "1 USD"
every = "hour"
[budget.at]
"80%" = "downgrade"
[[budget]]
name = "month"
mode = "observe"
limit = "9 USD"
every = "month"
[budget.at]
"100%" = "block"
"""
ACME = "hour|2026-06-06T10:00:00Z|tenant=acme"
MONTH = "month|2026-06-01T00:00:00Z|"


def parsed() -> Policy:
    return parse_policy(POLICY, file="p.toml")


def view(key: str, **figures: int) -> BalanceView:
    figures = {"limit": 1000, "ceiling": 1000, "spent": 0, "expected": 0, "lent": 0} | figures
    return BalanceView(key, **figures)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Scene:
    """Standings over a clock that stands until it is moved."""

    def __init__(self, *, enforce: bool = True) -> None:
        self.now = 100.0
        self.policy = parsed()
        self.conversation = ""
        self.standings = Standings(lambda: self.now, enforce=enforce)

    def met(self, *, route: str = "desk.triage", at_ns: int = TEN, **labels: str) -> Met:
        errand = Errand("h-1", route, labels or {"tenant": "acme"}, {}, at_ns, conversation=self.conversation, run="r")
        return self.standings.met(self.policy, errand, "m")


def keys(met: Met) -> tuple[str, ...]:
    return met.survey.balances


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, (ACME, MONTH)),
        ({"tenant": "b"}, ("hour|2026-06-06T10:00:00Z|tenant=b", MONTH)),
        ({"route": "other"}, (MONTH,)),
        ({"at_ns": TEN + HOUR_NS - 1}, (ACME, MONTH)),
        ({"at_ns": TEN + HOUR_NS}, ("hour|2026-06-06T11:00:00Z|tenant=acme", MONTH)),
        ({"at_ns": TEN - 1}, ("hour|2026-06-06T09:00:00Z|tenant=acme", MONTH)),
    ],
)
def test_the_balances_of_a_call(asked: Any, expected: tuple[str, ...]) -> None:
    """Those of its route, labels and moment, also right after a call of another kind or hour."""
    scene = Scene()
    assert keys(scene.met()) == (ACME, MONTH)
    assert keys(scene.met(**asked)) == expected
    assert keys(scene.met()) == (ACME, MONTH)


def test_calls_alike_share_one_survey_until_a_figure_changes() -> None:
    """Then it is made anew, with what the agent told."""
    scene = Scene()
    first = scene.met().survey
    assert scene.met().survey is first
    scene.standings.see([view(ACME, spent=800)])
    second = scene.met().survey
    assert second is not first
    assert (first.standings[0].view, second.standings[0].view) == (None, view(ACME, spent=800))


def test_another_policy_is_looked_up_anew() -> None:
    """Also one that reads alike: its budgets are other objects."""
    scene = Scene()
    first = scene.met()
    scene.policy = parsed()
    assert scene.met() is not first


def test_steps_that_are_due_make_a_survey_restless() -> None:
    """Below the step calls take the short way; a budget that only observes always takes the long one."""
    scene = Scene()
    scene.policy = parse_policy(POLICY.replace('mode = "observe"\n', ""), file="p.toml")
    scene.standings.see([view(ACME, spent=700, expected=99)])
    assert scene.met().survey.calm
    scene.standings.see([view(ACME, spent=700, expected=100)])
    assert not scene.met().survey.calm
    scene.policy = parsed()
    scene.standings.see([view(ACME)])
    assert not scene.met().survey.calm


@pytest.mark.parametrize(("enforce", "modes"), [(True, [Mode.ENFORCE, Mode.OBSERVE]), (False, [Mode.OBSERVE] * 2)])
def test_who_may_only_observe_has_budgets_that_do(enforce: bool, modes: list[Mode]) -> None:
    """`BURSAR_ENFORCE=0` goes before the policy."""
    assert [standing.mode for standing in Scene(enforce=enforce).met().survey.standings] == modes


def test_until_when_a_call_is_judged_without_asking() -> None:
    """As long as the oldest figure is fresh; a balance never seen is not."""
    scene = Scene()
    scene.standings.see([view(ACME)])
    assert scene.met().fresh_until == float("-inf")
    scene.now += 0.5
    scene.standings.see([view(MONTH)])
    assert scene.met().fresh_until == 100.0 + FRESH_SECONDS
    assert not scene.standings.stale((ACME, MONTH))
    scene.now += 0.6
    assert scene.standings.stale((ACME, MONTH))
    assert not scene.standings.stale((MONTH,))
    assert Scene().met(route="other", tenant="a").fresh_until == float("-inf")


def test_a_call_without_budgets_never_asks() -> None:
    """There is nothing to be fresh."""
    scene = Scene()
    scene.policy = parse_policy('version = 1\nmode = "enforce"\n', file="p.toml")
    assert scene.met().fresh_until == float("inf")


def test_balances_met_of_late_are_watched() -> None:
    """The background keeps them fresh; those nobody meets any more it leaves alone."""
    scene = Scene()
    scene.met()
    scene.now += WATCHED_SECONDS
    scene.met(route="other")
    assert scene.standings.watched() == {ACME, MONTH}
    scene.now += 0.1
    assert scene.standings.watched() == {MONTH}
    scene.now += WATCHED_SECONDS
    assert scene.standings.watched() == set()


def test_kinds_without_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that is new on every call must not fill the memory."""
    monkeypatch.setattr(module, "KINDS", 10)
    scene = Scene()
    for number in range(100):
        scene.met(tenant=f"t{number}")
        assert len(scene.standings._kinds) <= 10  # pyright: ignore[reportPrivateUsage]
    assert keys(scene.met()) == (ACME, MONTH)


OWN = """
[[budget]]
name = "talk"
limit = "1 USD"
every = "conversation"
[[budget]]
name = "job"
limit = "50 calls"
every = "run"
[[budget]]
name = "lately"
limit = "2M tokens"
every = "rolling 24h"
"""


def test_a_conversation_has_balances_of_its_own() -> None:
    """Beside those of its run and of the calendar; another conversation meets another one."""
    scene = Scene()
    scene.policy = parse_policy(POLICY + OWN, file="p.toml")
    scene.conversation = "c|1"
    first = ("talk|conversation c%7C1|", "job|run r||calls", "lately|rolling 24h||tokens")
    assert keys(scene.met())[2:] == first
    scene.conversation = "c2"
    assert keys(scene.met())[2:] == ("talk|conversation c2|", *first[1:])


def test_windows_without_a_calendar_never_turn() -> None:
    """A kind of call that meets only such is looked up once for ever."""
    scene = Scene()
    scene.policy = parse_policy('version = 1\nmode = "enforce"\n' + OWN, file="p.toml")
    first = scene.met()
    assert scene.met(at_ns=TEN + 1_000_000 * HOUR_NS) is first
    assert scene.met(at_ns=0) is first
