"""Claims about alerts: a step is reached exactly at its share, and only an `alert` tells anybody."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bursar.agent.alerting.alerts import Looping, Reached, from_payload, reached, to_payload
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import BalanceView

USD = 10**9
KEY = "day|2026-11-21T00:00:00Z|tenant=acme"


def policy(at: str, *, mode: str = "enforce", budget: str = "", limit: str = "10 USD") -> Policy:
    """A policy with one budget of ten dollars a day for each tenant."""
    return parse_policy(
        f"""\
version = 1
mode = "{mode}"
ladder = ["claude-opus-5-5", "claude-haiku-5-5"]
[[budget]]
name = "day"
limit = "{limit}"
every = "day"
per = ["tenant"]
{budget}
[budget.at]
{at}
[[channel]]
name = "team"
kind = "slack"
url_env = "TEAM_URL"
""",
        file="bursar.toml",
    )


def view(spent: int, expected: int = 0, *, limit: int = 10 * USD, key: str = KEY) -> BalanceView:
    """The balance at so much."""
    return BalanceView(
        key, limit=limit, ceiling=limit, spent=spent, expected=expected, lent=0, window_end="2026-11-22T00:00:00Z"
    )


def steps(rules: Policy, *views: BalanceView) -> list[tuple[str, str]]:
    """Step and channel of all that is reached."""
    return [(step.step, step.channel) for step in reached(rules, views)]


@pytest.mark.parametrize(
    ("spent", "expected", "told"),
    [
        (0, 0, []),
        (5 * USD - 1, 0, []),
        (5 * USD, 0, [("50%", "log")]),
        (4 * USD, USD, [("50%", "log")]),
        (4 * USD, USD - 1, []),
        (8 * USD - 1, 0, [("50%", "log")]),
        (8 * USD, 0, [("50%", "log"), ("80%", "team"), ("80%", "log")]),
        (30 * USD, 0, [("50%", "log"), ("80%", "team"), ("80%", "log")]),
    ],
)
def test_shares(spent: int, expected: int, told: list[tuple[str, str]]) -> None:
    """Spent and expected together reach a step at its share, not a nano-dollar before; each channel is told."""
    rules = policy('"50%" = "alert log"\n"80%" = ["alert team", "downgrade", "alert log"]\n"100%" = "block"')
    assert steps(rules, view(spent, expected)) == told


def test_only_alerts_notify() -> None:
    """Steps that downgrade or block tell nobody by themselves."""
    assert steps(policy('"50%" = "downgrade"\n"100%" = "block"'), view(20 * USD)) == []


def test_velocity_is_not_a_share() -> None:
    """A step at a velocity is never reached by what is spent in all."""
    assert steps(policy('"1 USD in 10m" = "alert log"'), view(20 * USD)) == []


def test_a_limit_of_nothing() -> None:
    """A limit of zero is reached by the first look, and its share is no number."""
    found = reached(policy('"80%" = "alert log"', limit="0 USD"), [view(0, limit=0)])
    assert [step.permille for step in found] == [None]


def test_unknown_budget() -> None:
    """A balance whose budget was taken out of the policy reaches nothing."""
    assert steps(policy('"50%" = "alert log"'), view(20 * USD, key="old|2026-11-21T00:00:00Z|")) == []


def test_each_balance_by_itself() -> None:
    """Each balance reaches its own steps."""
    other = "day|2026-11-21T00:00:00Z|tenant=zeta"
    found = reached(policy('"50%" = "alert log"'), [view(USD), view(6 * USD, key=other)])
    assert [(step.balance, step.scope) for step in found] == [(other, "tenant=zeta")]


def test_everything_it_says() -> None:
    """A reached step carries all that its message needs."""
    rules = policy('"80%" = ["downgrade to cheapest", "block", "alert team"]')
    assert reached(rules, [view(8 * USD, USD // 2)]) == [
        Reached(
            balance=KEY,
            budget="day",
            scope="tenant=acme",
            window_start="2026-11-21T00:00:00Z",
            window_end="2026-11-22T00:00:00Z",
            step="80%",
            channel="team",
            spent=8 * USD,
            expected=USD // 2,
            limit=10 * USD,
            does=("downgrade to cheapest", "block"),
            acts=True,
        )
    ]


@pytest.mark.parametrize(
    ("mode", "budget", "acts"),
    [
        ("enforce", "", True),
        ("observe", "", False),
        ("observe", 'mode = "enforce"', True),
        ("enforce", 'mode = "observe"', False),
    ],
)
def test_whether_it_acts(mode: str, budget: str, acts: bool) -> None:
    """The budget's own mode goes before the policy's."""
    found = reached(policy('"50%" = "alert log"', mode=mode, budget=budget), [view(6 * USD)])
    assert [step.acts for step in found] == [acts]


@pytest.mark.parametrize(("spent", "permille"), [(8 * USD, 800), (8 * USD + USD // 100 - 1, 800), (10 * USD, 1000)])
def test_permille(spent: int, permille: int) -> None:
    """The share is rounded down: nothing is said to be reached before it is."""
    assert [s.permille for s in reached(policy('"50%" = "alert log"'), [view(spent)])] == [permille]


def test_payload() -> None:
    """A reached step survives the ledger's JSON, and one of a later version is read as far as it is known."""
    (step,) = reached(policy('"50%" = ["downgrade", "alert log"]'), [view(6 * USD)])
    kept = json.loads(json.dumps(to_payload(step)))
    assert from_payload(kept) == step
    assert from_payload({**kept, "later": 1}) == step


def test_a_loop_is_told_of_where_a_process_says_there_is_one() -> None:
    """By the step it names; a refusal names none, and is told by the step that refuses."""
    rules = policy('"loop 5 in 1m" = "alert log"\n"loop" = ["alert team", "block"]')
    found = {
        named: [(each.step, each.channel, each.does) for each in reached(rules, [view(0)], (), {Looping(KEY, named)})]
        for named in ("loop 5 in 1m", "loop", "", "other")
    }
    assert found == {
        "loop 5 in 1m": [("loop 5 in 1m", "log", ())],
        "loop": [("loop", "team", ("block",))],
        "": [("loop", "team", ("block",))],
        "other": [],
    }
    assert reached(rules, [view(0)], (), {Looping("another|w|", "loop")}) == []


def test_an_unusual_hour_is_told_of_with_its_figures() -> None:
    """By the steps at a loop that the agent has in force; both kinds of loop at once are two things to tell."""
    rules = policy('"loop" = ["alert team", "block"]')
    unusual = replace(view(0), in_force=("loop",), recent={"3600": 9}, usual=1, unusual=6)
    found = reached(rules, [unusual])
    assert [(each.step, each.loop, each.hour, each.usual, each.unusual, each.does) for each in found] == [
        ("loop", "unusual", 9, 1, 6, ("block",))
    ]
    both = reached(rules, [unusual], (), {Looping(KEY, "loop")})
    assert [(each.loop, each.hour) for each in both] == [("repeated", 0), ("unusual", 9)]


def test_a_budget_that_writes_no_loop_tells_of_one_all_the_same() -> None:
    """The channels of its other alerts, at a step that it does not have to write."""
    rules = policy('"50%" = "alert team"\n"100%" = "block"')
    assert [(each.step, each.channel) for each in reached(rules, [view(0)], (), {Looping(KEY, "loop")})] == [
        ("loop", "team")
    ]
