"""Claims about hindsight: a decision comes out again from what the ledger keeps, and only from that."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bursar.policies.decision import Action, Candidate, Decision, Facts, Reason, Skipped
from bursar.policies.engine import decide, refused
from bursar.policies.hindsight import reproduce
from bursar.policies.plan import Misfit
from bursar.policies.policy import Mode, Unreachable
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import Standing

POLICY = parse_policy(
    """\
version = 1
mode = "enforce"
ladder = ["opus", "sonnet", "haiku"]
[[budget]]
name = "day"
limit = "1 USD"
every = "day"
[budget.at]
"80%" = "downgrade to cheapest"
"100%" = "block"
"0.5 USD in 10m" = "block"
"loop" = "block"
""",
    file="f",
)
BUDGET = POLICY.budgets[0]
USD = 10**9
CALL = Facts(
    "support",
    (
        Candidate("opus", worst=300_000_000, least=200_000_000, expected=90_000_000),
        Candidate("sonnet", worst=100_000_000, least=50_000_000, expected=30_000_000),
        Candidate("haiku", worst=10_000_000, least=5_000_000, expected=3_000_000, misfit=Misfit.CONTEXT),
    ),
)


def standing(spent: int, *, recent: int = 0, lent: int = 0, mode: Mode = Mode.ENFORCE) -> Standing:
    window = BUDGET.window(datetime(2026, 11, 22, 12, tzinfo=UTC), UTC)
    key = BUDGET.balance_key(window, "")
    return Standing(BUDGET, key, window, mode, BalanceView(key, USD, USD, spent, 0, lent, recent={"600": recent}))


def kept(decision: Decision, **more: Any) -> dict[str, Any]:
    """The figures as they come back from the ledger, with what a refusal adds."""
    figures: dict[str, Any] = json.loads(decision.figures().text)
    return {**figures, "candidates": figures.get("candidates", [vars_of(CALL.asked)]), "unbounded": (), **more}


def vars_of(candidate: Candidate) -> dict[str, Any]:
    return {
        "model": candidate.model,
        "worst": candidate.worst,
        "least": candidate.least,
        "expected": candidate.expected,
    }


@pytest.mark.parametrize(
    ("spent", "recent", "action", "model"),
    [
        (799_999_999, 0, Action.GO, "opus"),
        (800_000_000, 0, Action.DOWNGRADE, "sonnet"),
        (100, 499_999_999, Action.GO, "opus"),
        (100, 500_000_000, Action.BLOCK, "opus"),
    ],
)
def test_the_same_figures_lead_to_the_same_decision(spent: int, recent: int, action: Action, model: str) -> None:
    """To the nano-dollar on both sides of each step; haiku is skipped since the request does not fit it."""
    decision = decide(CALL, [standing(spent, recent=recent)])
    assert (decision.verdict.action, decision.verdict.model) == (action, model)
    again = reproduce(kept(decision), POLICY, action=action.value, reason=decision.verdict.reason.value, model=model)
    assert again.agrees


def test_a_step_that_was_not_left_yet_is_in_force_in_hindsight_too() -> None:
    """At 75% the downgrade of 80% still holds: the agent said so."""
    met = standing(750_000_000)
    assert met.view is not None
    decision = decide(CALL, [replace(met, view=replace(met.view, in_force=("80%",)))])
    assert decision.verdict.action is Action.DOWNGRADE
    assert reproduce(kept(decision), POLICY, action="downgrade", reason="step", model="sonnet").agrees


def test_a_loop_by_its_requests_is_explained() -> None:
    """From what is kept of the one call that was one too many."""
    decision = decide(CALL, [replace(standing(100), looping=("loop",))])
    found = reproduce(kept(decision), POLICY, action="block", reason="loop", model="opus")
    assert found.agrees
    assert found.reasoning[1:] == (
        "day: the very same request was made again and again, more often than loop.",
        "So: block (loop) on opus.",
    )


def test_an_unusual_hour_is_explained_with_its_figures() -> None:
    """What the hour cost, what is usual, and from what on it is too much."""
    met = standing(USD)
    view = BalanceView(met.key, 9 * USD, 9 * USD, USD, 0, 0, recent={"600": 0, "3600": 2 * USD})
    view = replace(view, in_force=("loop",), usual=250_000_000, unusual=1_500_000_000)
    decision = decide(CALL, [replace(met, view=view)])
    assert decision.verdict.reason is Reason.UNUSUAL
    found = reproduce(kept(decision), POLICY, action="block", reason="unusual", model="opus")
    assert found.agrees
    assert found.reasoning[1:] == (
        "day: 2.00 USD in the last hour, where 0.25 USD are usual: loop comes into force at 1.50 USD, "
        "and is left ten points below.",
        "So: block (unusual) on opus.",
    )


def test_other_figures_do_not() -> None:
    """A ledger that was tampered with, or a fault of ours, is found out."""
    decision = decide(CALL, [standing(800_000_000)])
    figures = kept(decision)
    figures["balances"][0]["spent"] = 100
    assert not reproduce(figures, POLICY, action="downgrade", reason="step", model="sonnet").agrees
    assert not reproduce(kept(decision), POLICY, action="downgrade", reason="step", model="haiku").agrees


@pytest.mark.parametrize(
    ("spent", "lent", "reason", "agrees"),
    [
        (950_000_000, 0, Reason.SPENT, True),
        (700_000_000, 200_000_000, Reason.HELD, True),
        (700_000_000, 100_000_000, Reason.HELD, False),
    ],
)
def test_a_refusal_by_who_lends_is_a_sum(spent: int, lent: int, reason: Reason, *, agrees: bool) -> None:
    """The call needs 0.20 USD at least: refused while less than that is left of 1.00, and not with exactly that."""
    decision = refused(decide(CALL, [standing(spent, lent=lent)]), reason, standing(0).key)
    decision = replace(decision, least=200_000_000)
    figures = kept(decision, model="opus")
    found = reproduce(figures, POLICY, action="block", reason=reason.value, model="opus")
    assert found.agrees is agrees
    assert "may need 0.20 USD at least" in found.reasoning[-1]


def test_the_reasoning_names_every_budget_step_and_skip() -> None:
    """A person can follow it without the code."""
    decision = decide(CALL, [standing(800_000_000)])
    told = reproduce(kept(decision), POLICY, action="downgrade", reason="step", model="sonnet").reasoning
    assert told == (
        "day (enforce): 0.80 USD spent and 0.00 USD expected of 1.00 USD, 80.00%: at 80%.",
        "Skipped: day 80% to haiku, because of context.",
        "So: downgrade (step) on sonnet.",
    )


@pytest.mark.parametrize("lost", ["balances", "candidates", "unbounded"])
def test_too_little_is_told(lost: str) -> None:
    """Figures that an earlier version kept are no ground for a verdict."""
    figures = kept(decide(CALL, [standing(0)]))
    del figures[lost]
    with pytest.raises(KeyError):
        reproduce(figures, POLICY, action="go", reason="within", model="opus")


def test_a_budget_that_the_rules_never_had() -> None:
    """Then these are not the rules of then."""
    figures = kept(decide(CALL, [standing(0)]))
    with pytest.raises(ValueError, match='have no budget "day"'):
        reproduce(figures, replace(POLICY, budgets=()), action="go", reason="within", model="opus")


def test_a_step_that_was_passed_over_is_explained_by_its_reason() -> None:
    """The call went as it was asked, and the figures still say for want of which eval."""
    unlicensed = replace(CALL.candidates[1], unlicensed=Skipped.OLD_EVAL)
    decision = decide(replace(CALL, candidates=(CALL.asked, unlicensed)), [standing(850_000_000)])
    figures = json.loads(decision.figures().text)
    found = reproduce(figures, POLICY, action="go", reason="within", model="opus")
    assert found.agrees
    assert "Skipped: day 80% to sonnet, because of old_eval." in found.reasoning


@pytest.mark.parametrize(
    ("rule", "agrees", "says"),
    [
        ("closed", True, "The agent could not be asked. The rules let no call through while the agent is away."),
        ("limited 0.10 USD", True, "The agent could not be asked. The rules let 0.10 USD through per balance"),
        ("open", False, "The agent could not be asked. The rules let every call through while the agent is away."),
    ],
)
def test_a_refusal_while_the_agent_is_away_follows_from_the_rule_for_that(rule: str, agrees: bool, says: str) -> None:
    """The budget would have let it ask for money, and nobody was there; where the rule is open that is no reason."""
    policy = replace(POLICY, on_unreachable=unreachable(rule))
    now = standing(USD // 10)
    figures = kept(decide(CALL, [now]), balance=now.key)
    again = reproduce(figures, policy, action="block", reason="unreachable", model="opus")
    assert (again.agrees, again.reasoning[-1].startswith(says)) == (agrees, True)


def unreachable(rule: str) -> Unreachable:
    text = f'version = 1\nmode = "enforce"\non_unreachable = "{rule}"\n'
    return parse_policy(text, file="f").on_unreachable
