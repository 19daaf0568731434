"""The engine: one verdict over all budgets, with its reason and its numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Literal

import pytest

from bursar.policies.amounts import Limit, Loop, Velocity
from bursar.policies.changes import Change, Why
from bursar.policies.decision import Action, Candidate, Decision, Facts, Reason, Skipped, Verdict
from bursar.policies.engine import decide, refused
from bursar.policies.plan import Misfit, Plan
from bursar.policies.policy import Budget, Mode, Step, StepAction, Unbounded
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import Standing, Survey
from bursar.policies.windows import window_at

WINDOW = window_at("day", datetime(2026, 11, 22, 12, tzinfo=UTC), UTC)
OPUS = Candidate("opus", worst=1_000, least=300, expected=100)
SONNET = Candidate("sonnet", worst=500, least=150, expected=50)
HAIKU = Candidate("haiku", worst=100, least=30, expected=10)
CALL = Facts("support", (OPUS, SONNET, HAIKU))


def step(share: int, *kinds: Literal["alert", "downgrade", "cheapest", "batch", "block"]) -> Step:
    actions = tuple(
        StepAction("downgrade", target="cheapest" if kind == "cheapest" else "rung")
        if kind in ("downgrade", "cheapest")
        else StepAction("alert" if kind == "alert" else "batch" if kind == "batch" else "block")
        for kind in kinds
    )
    return Step(f"{share}%", Fraction(share, 100), None, actions)


def standing(
    *steps: Step,
    name: str = "b",
    spent: int | None = 0,
    expected: int = 0,
    limit: int = 10_000,
    mode: Mode = Mode.ENFORCE,
    **budget: Any,
) -> Standing:
    """A budget of 10,000 nano-dollars, of which so much is spent and expected; `spent=None`: never seen."""
    rule = Budget(name, Limit("usd", limit), "day", steps=steps, **budget)
    key = f"{name}|w|"
    view = None if spent is None else BalanceView(key, limit, rule.ceiling_of(""), spent, expected, lent=7)
    return Standing(rule, key, WINDOW, mode, view)


def short(decision: Decision) -> tuple[str, str, str, str, str]:
    verdict = decision.verdict
    return verdict.action.value, verdict.reason.value, verdict.model, verdict.budget, verdict.step


GO = ("go", "within", "opus", "", "")
DOWN = step(80, "downgrade")
FLOOR = step(90, "cheapest")
BLOCK = step(100, "block")


@pytest.mark.parametrize(
    ("standings", "expected"),
    [
        ([], ("go", "no_budget", "opus", "", "")),
        ([standing(DOWN, spent=None)], GO),
        ([standing(DOWN, spent=7_999)], GO),
        ([standing(DOWN, spent=8_000)], ("downgrade", "step", "sonnet", "b", "80%")),
        ([standing(DOWN, spent=7_000, expected=999)], GO),
        ([standing(DOWN, spent=7_000, expected=1_000)], ("downgrade", "step", "sonnet", "b", "80%")),
        ([standing(DOWN, FLOOR, spent=8_999)], ("downgrade", "step", "sonnet", "b", "80%")),
        ([standing(DOWN, FLOOR, spent=9_000)], ("downgrade", "step", "haiku", "b", "90%")),
        ([standing(FLOOR, DOWN, spent=9_000)], ("downgrade", "step", "haiku", "b", "90%")),
        ([standing(step(50, "alert"), spent=9_999)], GO),
        ([standing(step(50, "batch"), spent=9_999)], GO),
        ([standing(step(50, "alert", "downgrade"), spent=5_000)], ("downgrade", "step", "sonnet", "b", "50%")),
        ([standing(BLOCK, spent=10_000)], GO),
        ([standing(DOWN, limit=0)], ("downgrade", "step", "sonnet", "b", "80%")),
        ([standing(DOWN, spent=20_000)], ("downgrade", "step", "sonnet", "b", "80%")),
        (
            [standing(DOWN, name="mild", spent=8_000), standing(FLOOR, name="strict", spent=9_000)],
            ("downgrade", "step", "haiku", "strict", "90%"),
        ),
        (
            [standing(FLOOR, name="strict", spent=9_000), standing(DOWN, name="mild", spent=8_000)],
            ("downgrade", "step", "haiku", "strict", "90%"),
        ),
        (
            [standing(DOWN, name="first", spent=8_000), standing(DOWN, name="second", spent=9_999)],
            ("downgrade", "step", "sonnet", "first", "80%"),
        ),
    ],
)
def test_the_strictest_step_that_is_reached_wins_and_is_named(
    standings: list[Standing], expected: tuple[str, ...]
) -> None:
    """A step is reached at its very share, by what is spent and expected; money for the call is the leases' matter."""
    assert short(decide(CALL, standings)) == expected


@pytest.mark.parametrize(
    ("sonnet", "haiku", "due", "expected", "skipped"),
    [
        (Skipped.NO_EVAL, None, DOWN, GO, (("b 80% to sonnet", "no_eval"),)),
        (None, Skipped.NO_EVAL, DOWN, ("downgrade", "step", "sonnet", "b", "80%"), ()),
        (
            None,
            Skipped.OLD_EVAL,
            FLOOR,
            ("downgrade", "step", "sonnet", "b", "90%"),
            (("b 90% to haiku", "old_eval"),),
        ),
        (
            Skipped.FAILED_EVAL,
            Skipped.NO_EVAL,
            FLOOR,
            GO,
            (("b 90% to haiku", "no_eval"), ("b 90% to sonnet", "failed_eval")),
        ),
    ],
)
def test_a_call_is_moved_only_to_a_model_that_is_vouched_for(
    sonnet: Skipped | None,
    haiku: Skipped | None,
    due: Step,
    expected: tuple[str, ...],
    skipped: tuple[tuple[str, str], ...],
) -> None:
    """Where its rules ask for an eval: else the step is passed over, and says which model lacks it and how."""
    below = (replace(SONNET, unlicensed=sonnet), replace(HAIKU, unlicensed=haiku))
    decision = decide(Facts("support", (OPUS, *below)), [standing(due, spent=9_000)])
    assert short(decision) == expected
    assert decision.skipped == skipped


def test_a_request_that_does_not_fit_says_that_first() -> None:
    """An eval would not help it."""
    sonnet = replace(SONNET, misfit=Misfit.IMAGES, unlicensed=Skipped.NO_EVAL)
    assert decide(Facts("support", (OPUS, sonnet)), [standing(DOWN, spent=9_000)]).skipped == (
        ("b 80% to sonnet", "images"),
    )


BATCHED = Candidate("opus", worst=500, least=500, expected=50)
MAY_WAIT = replace(CALL, batched=BATCHED)
BATCH = step(90, "batch")


@pytest.mark.parametrize(
    ("standings", "expected"),
    [
        ([standing(BATCH, spent=8_999)], GO),
        ([standing(BATCH, spent=9_000)], ("batch", "step", "opus", "b", "90%")),
        ([standing(DOWN, BATCH, spent=9_000)], ("batch", "step", "opus", "b", "90%")),
        (
            [standing(BATCH, name="waits", spent=9_000), standing(FLOOR, name="moves", spent=9_999)],
            ("batch", "step", "opus", "waits", "90%"),
        ),
    ],
)
def test_to_be_put_off_is_stricter_than_any_model(standings: list[Standing], expected: tuple[str, ...]) -> None:
    """It is done with the model asked for, at batch prices; money is held for that price."""
    decision = decide(MAY_WAIT, standings)
    assert short(decision) == expected
    assert decision.candidate == (BATCHED if expected[0] == "batch" else OPUS)


def test_what_cannot_be_put_off_takes_the_next_step_and_says_why() -> None:
    """The reason stands beside the step that was skipped."""
    decision = decide(replace(CALL, unbatched="stream"), [standing(DOWN, BATCH, spent=9_000)])
    assert short(decision) == ("downgrade", "step", "sonnet", "b", "80%")
    assert decision.skipped == (("b 90% batch", "stream"),)


def test_an_application_may_ask_that_a_call_is_put_off() -> None:
    """Whatever is due but a refusal; where it cannot be, the call goes its usual way and says why."""
    asked = replace(MAY_WAIT, to_be_batched=True)
    assert short(decide(asked, [])) == ("batch", "asked", "opus", "", "")
    assert short(decide(asked, [standing(DOWN, spent=8_000)])) == ("batch", "asked", "opus", "b", "80%")
    cannot = decide(replace(CALL, to_be_batched=True, unbatched="cloud"), [standing(DOWN, spent=8_000)])
    assert short(cannot) == ("downgrade", "step", "sonnet", "b", "80%")
    assert cannot.skipped == (("asked: batch", "cloud"),)


def at_velocity(*kinds: Literal["downgrade", "block", "alert"]) -> Step:
    """At 500 nano-dollars within a minute."""
    actions = tuple(StepAction(kind, target="rung" if kind == "downgrade" else None) for kind in kinds)
    return Step("fast", None, Velocity(500, 60.0), actions)


def spending(found: Standing, recent: int, span: str = "60") -> Standing:
    """The same budget, of which so much was spent within a span of late."""
    assert found.view is not None
    return replace(found, view=replace(found.view, recent={span: recent}))


FAST_BLOCK = ("block", "velocity", "opus", "b", "fast")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (standing(at_velocity("downgrade"), spent=10_000), GO),  # a share is no velocity
        (spending(standing(at_velocity("downgrade")), 499), GO),
        (spending(standing(at_velocity("downgrade")), 500), ("downgrade", "step", "sonnet", "b", "fast")),
        (spending(standing(at_velocity("downgrade")), 500, span="600"), GO),
        (spending(standing(at_velocity("block")), 499), GO),
        (spending(standing(at_velocity("block")), 500), FAST_BLOCK),
        (spending(standing(at_velocity("alert", "block"), limit=10**9), 500), FAST_BLOCK),
        (spending(standing(at_velocity("alert")), 500), GO),
        (spending(standing(DOWN, at_velocity("block"), spent=8_000), 500), FAST_BLOCK),
        (standing(at_velocity("block"), spent=None), GO),
    ],
)
def test_a_velocity_is_reached_by_what_was_spent_within_its_span(found: Standing, expected: tuple[str, ...]) -> None:
    """At its very amount, whatever the share; a block by it needs no money to be asked for, and goes before all."""
    decision = decide(CALL, [found])
    assert short(decision) == expected
    assert decision.hard == ()


def at_loop(*kinds: Literal["downgrade", "block", "alert"]) -> Step:
    """At the same request more than twenty times in ten minutes, or at an unusual hour."""
    actions = tuple(StepAction(kind, target="rung" if kind == "downgrade" else None) for kind in kinds)
    return Step("loop", None, None, actions, Loop(20, 600.0))


def unusual(found: Standing, *in_force: str) -> Standing:
    """The same budget, of which the agent says that its hour is out of the ordinary."""
    assert found.view is not None
    return replace(found, view=replace(found.view, in_force=in_force))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (standing(at_loop("block")), GO),
        (unusual(standing(at_loop("block")), "loop"), ("block", "unusual", "opus", "b", "loop")),
        (unusual(standing(at_loop("block")), "80%"), GO),
        (unusual(standing(at_loop("alert")), "loop"), GO),
        (unusual(standing(at_loop("downgrade")), "loop"), ("downgrade", "step", "sonnet", "b", "loop")),
        (replace(standing(at_loop("block")), looping=("loop",)), ("block", "loop", "opus", "b", "loop")),
        (replace(standing(at_loop("downgrade")), looping=("loop",)), ("downgrade", "step", "sonnet", "b", "loop")),
        (
            replace(unusual(standing(at_loop("block")), "loop"), looping=("loop",)),
            ("block", "loop", "opus", "b", "loop"),
        ),
        (replace(standing(at_loop("block"), spent=None), looping=("loop",)), ("block", "loop", "opus", "b", "loop")),
    ],
)
def test_a_loop_is_reached_by_the_call_itself_or_by_what_the_agent_says(
    found: Standing, expected: tuple[str, ...]
) -> None:
    """It acts like any other step; what refuses says which of the two it was."""
    assert short(decide(CALL, [found])) == expected


def test_a_velocity_that_only_observes_is_told() -> None:
    """And refuses nobody."""
    watching = replace(spending(standing(at_velocity("block")), 500), mode=Mode.OBSERVE)
    decision = decide(CALL, [watching])
    assert short(decision) == ("go", "observed", "opus", "", "")
    assert decision.observed is not None
    assert decision.observed.reason is Reason.VELOCITY


@pytest.mark.parametrize(
    ("found", "purses"),
    [
        (standing(BLOCK), ("b|w|",)),
        (standing(BLOCK, overdraft_nano=70), ("b|w|", "b|w||expected")),
        (standing(DOWN, overdraft_nano=70), ()),
    ],
)
def test_an_overdraft_makes_a_second_currency(found: Standing, purses: tuple[str, ...]) -> None:
    """Of a hard budget: the worst case is lent up to the overdraft, and the expectation up to the limit."""
    decision = decide(CALL, [found])
    assert (decision.hard, decision.balances) == (purses, ("b|w|",))
    assert decision.whole.expected == OPUS.expected


UNITS = Candidate("opus", 1_000, 300, 100, worst_tokens=900, least_tokens=400, expected_tokens=120)


@pytest.mark.parametrize(
    ("unit", "spent", "blocked"),
    [
        ("usd", 9_900, False),
        ("usd", 9_901, True),
        ("tokens", 9_880, False),
        ("tokens", 9_881, True),
        ("calls", 9_999, False),
        ("calls", 10_000, True),
    ],
)
def test_a_budget_that_observes_counts_in_its_unit(unit: Any, spent: int, blocked: bool) -> None:
    """100 nano-dollars, 120 tokens or one call are expected of it."""
    found = standing(BLOCK, spent=spent, mode=Mode.OBSERVE)
    found = replace(found, budget=replace(found.budget, limit=Limit(unit, 10_000)))
    assert (decide(Facts("r", (UNITS,)), [found]).observed is not None) is blocked


@pytest.mark.parametrize("unit", ["tokens", "calls"])
def test_what_is_reserved_is_money(unit: Any) -> None:
    """A budget of tokens or calls sets none aside, and knows no unknown price."""
    found = standing(BLOCK)
    found = replace(found, key=f"b|w||{unit}", budget=replace(found.budget, limit=Limit(unit, 10_000)))
    searching = Facts("r", (UNITS,), unbounded=("web_search_20260209",))
    assert decide(searching, [found]).most == 1_000
    unpriced = Facts("r", (replace(UNITS, worst=None),))
    assert short(decide(unpriced, [found], refuse_unknown_price=True)) == GO


def test_what_a_call_holds_of_each_kind() -> None:
    """Bound, tokens, one call, and its expectation, never above the bound."""
    assert decide(Facts("r", (UNITS,)), [standing(BLOCK)]).whole == (1_000, 900, 1, 100)
    assert decide(Facts("r", (replace(UNITS, expected=2_000),)), [standing(BLOCK)]).whole.expected == 1_000


@pytest.mark.parametrize(
    ("kind", "candidates", "model", "skipped"),
    [
        ("downgrade", (OPUS,), "opus", (("b 80%", "no_rung"),)),
        ("downgrade", (OPUS, replace(SONNET, misfit=Misfit.CONTEXT), HAIKU), "opus", (("b 80% to sonnet", "context"),)),
        ("downgrade", (OPUS, replace(SONNET, expected=100)), "opus", (("b 80% to sonnet", "dearer"),)),
        ("downgrade", (OPUS, replace(SONNET, expected=99)), "sonnet", ()),
        ("cheapest", (OPUS, SONNET, HAIKU), "haiku", ()),
        ("cheapest", (OPUS, SONNET, replace(HAIKU, misfit=Misfit.BETA)), "sonnet", (("b 80% to haiku", "beta"),)),
        (
            "cheapest",
            (OPUS, replace(SONNET, expected=101), replace(HAIKU, misfit=Misfit.RETIRED)),
            "opus",
            (("b 80% to haiku", "retired"), ("b 80% to sonnet", "dearer")),
        ),
    ],
)
def test_a_rung_that_does_not_fit_or_save_is_skipped_and_said(
    kind: Any, candidates: tuple[Candidate, ...], model: str, skipped: tuple[tuple[str, str], ...]
) -> None:
    """One rung down means the next one or none; to the cheapest means the lowest that fits and costs less."""
    decision = decide(Facts("r", candidates), [standing(step(80, kind), spent=8_000)])
    assert decision.verdict.model == decision.candidate.model == model
    assert decision.skipped == skipped


def test_a_misfit_is_named_before_a_price() -> None:
    """Of two reasons against a rung the one that would break the call is told."""
    rung = replace(SONNET, misfit=Misfit.MAX_TOKENS, expected=1_000)
    decision = decide(Facts("r", (OPUS, rung)), [standing(DOWN, spent=8_000)])
    assert decision.skipped == (("b 80% to sonnet", "max_tokens"),)


EFFORT = Step("70%", Fraction(7, 10), None, (StepAction("effort"),))
LESS = Plan(
    {"output_config": {"effort": "low"}}, notes=(Change("output_config.effort", None, "low", Why.STEP, lossy=True),)
)
MILDER = replace(CALL, milder=replace(OPUS, expected=80, plan=LESS))


@pytest.mark.parametrize(
    ("facts", "standings", "expected", "skipped"),
    [
        (MILDER, [standing(EFFORT, spent=6_999)], GO, ()),
        (MILDER, [standing(EFFORT, spent=7_000)], ("effort", "step", "opus", "b", "70%"), ()),
        (CALL, [standing(EFFORT, spent=7_000)], GO, ()),
        (MILDER, [standing(EFFORT, DOWN, spent=8_000)], ("downgrade", "step", "sonnet", "b", "80%"), ()),
        (
            replace(MILDER, candidates=(OPUS, replace(SONNET, misfit=Misfit.CONTEXT))),
            [standing(EFFORT, DOWN, spent=8_000)],
            ("effort", "step", "opus", "b", "70%"),
            (("b 80% to sonnet", "context"),),
        ),
        (
            replace(MILDER, milder=replace(OPUS, misfit=Misfit.LOSSY)),
            [standing(EFFORT, spent=7_000)],
            GO,
            (("b 70% effort", "lossy"),),
        ),
        (
            replace(MILDER, milder=replace(OPUS, expected=100, plan=LESS)),
            [standing(EFFORT, spent=7_000)],
            GO,
            (("b 70% effort", "dearer"),),
        ),
    ],
)
def test_less_effort_is_milder_than_another_model(
    facts: Facts, standings: list[Standing], expected: tuple[str, ...], skipped: tuple[tuple[str, str], ...]
) -> None:
    """On the same model; where it does not fit or saves nothing the call goes as it is, with the reason."""
    decision = decide(facts, standings)
    assert short(decision) == expected
    assert decision.skipped == skipped
    assert (decision.candidate.plan is LESS) is (expected[0] == "effort")


def test_every_change_stands_in_the_figures() -> None:
    """Those of the plan, and how the money lent trimmed the output; where nothing changes nothing is said."""
    lower = Change("max_tokens", 9_000, 8_000, Why.CEILING)
    moved = replace(SONNET, plan=Plan({"max_tokens": 8_000}, notes=(lower,)))
    decision = decide(Facts("r", (OPUS, moved)), [standing(DOWN, spent=8_000)])
    assert decision.changes == (lower,)
    trimmed = replace(decision, fit=Change("max_tokens", 9_000, 5_000, Why.FIT))
    assert json.loads(trimmed.figures().text)["changes"] == [
        {"parameter": "max_tokens", "from": 9_000, "to": 5_000, "why": "fit", "lossy": False}
    ]
    assert "changes" not in json.loads(decide(CALL, []).figures().text)


def test_a_step_that_lowers_effort_disturbs_the_calm() -> None:
    """Like one that changes the model; an alert does not."""
    assert not Survey([standing(EFFORT, spent=7_000)]).calm
    assert Survey([standing(EFFORT, spent=6_999)]).calm
    assert Survey([standing(step(50, "alert"), spent=7_000)]).calm


@pytest.mark.parametrize(
    ("standings", "observed"),
    [
        ([standing(DOWN, spent=7_999)], None),
        ([standing(DOWN, spent=8_000)], ("downgrade", "step", "sonnet", "b", "80%")),
        ([standing(BLOCK, spent=9_900)], None),
        ([standing(BLOCK, spent=9_901)], ("block", "spent", "opus", "b", "100%")),
        ([standing(BLOCK, spent=9_000, expected=901)], ("block", "spent", "opus", "b", "100%")),
        # An overdraft is for what costs more than was expected: by what is expected the limit holds.
        ([standing(BLOCK, spent=9_900, overdraft_nano=1)], None),
        ([standing(BLOCK, spent=9_901, overdraft_nano=1)], ("block", "spent", "opus", "b", "100%")),
        ([standing(BLOCK, spent=None, limit=99)], ("block", "spent", "opus", "b", "100%")),
        ([standing(DOWN, BLOCK, spent=9_901)], ("block", "spent", "opus", "b", "100%")),
    ],
)
def test_observing_changes_nothing_and_says_what_it_would_have_done(
    standings: list[Standing], observed: tuple[str, ...] | None
) -> None:
    """No other model, no money asked, and no skipped step; only the word of what would have been."""
    watching = [replace(each, mode=Mode.OBSERVE) for each in standings]
    decision = decide(CALL, watching)
    assert short(decision) == ("go", "observed", "opus", "", "")
    assert decision.hard == ()
    assert decision.balances == tuple(each.key for each in standings)
    seen = decision.observed
    assert (None if seen is None else (seen.action, seen.reason, seen.model, seen.budget, seen.step)) == observed


def test_an_observing_budget_beside_an_enforcing_one() -> None:
    """Each does what it is there for."""
    watching = standing(FLOOR, name="watching", spent=9_000, mode=Mode.OBSERVE)
    decision = decide(CALL, [watching, standing(DOWN, name="acting", spent=8_000)])
    assert short(decision) == ("downgrade", "step", "sonnet", "acting", "80%")
    assert decision.observed == Verdict(
        Action.DOWNGRADE, Reason.STEP, "haiku", "watching", "watching|w|", "90%", Fraction(9, 10)
    )


@pytest.mark.parametrize(
    ("standings", "hard", "most", "least"),
    [
        ([standing(DOWN)], (), 1_000, 300),
        ([standing(BLOCK)], ("b|w|",), 1_000, 300),
        ([standing(BLOCK, fit="asked")], ("b|w|",), 1_000, 1_000),
        ([standing(BLOCK, mode=Mode.OBSERVE)], (), 1_000, 300),
        ([standing(DOWN, BLOCK, spent=8_000)], ("b|w|",), 500, 150),
        ([standing(BLOCK, name="x"), standing(BLOCK, name="y", fit="asked")], ("x|w|", "y|w|"), 1_000, 1_000),
        ([standing(BLOCK, name="x"), standing(DOWN, name="y", fit="asked")], ("x|w|",), 1_000, 300),
    ],
)
def test_every_hard_budget_that_enforces_is_asked_for_money(
    standings: list[Standing], hard: tuple[str, ...], most: int, least: int
) -> None:
    """For the bound of the model that is taken; a soft budget lends none, and only a hard one forbids trimming."""
    decision = decide(CALL, standings)
    assert (decision.hard, decision.most, decision.least) == (hard, most, least)
    assert decision.balances == tuple(each.key for each in standings)


def test_a_least_above_the_bound_is_the_bound() -> None:
    """A request with a small `max_tokens` needs no more than it asks for."""
    small = Facts("r", (replace(OPUS, worst=200, least=300),))
    assert decide(small, [standing(BLOCK)]).least == 200


@pytest.mark.parametrize(
    ("steps", "refuse", "expected"),
    [
        ((BLOCK,), True, ("block", "unknown_price", "opus", "b", "100%")),
        ((BLOCK,), False, GO),
        ((DOWN,), True, GO),
    ],
)
def test_a_call_without_a_price_is_refused_where_the_policy_says_so(
    steps: tuple[Step, ...], refuse: bool, expected: tuple[str, ...]
) -> None:
    """By hard budgets only."""
    unpriced = Facts("r", (Candidate("opus", worst=None, least=0, expected=0),))
    decision = decide(unpriced, [standing(*steps)], refuse_unknown_price=refuse)
    assert short(decision) == expected
    assert (decision.most, decision.least) == (0, 0)


def test_an_unknown_price_is_refused_before_any_step_is_taken() -> None:
    """No cheaper rung makes up for it, since nobody knows what it saves."""
    unpriced = Facts("r", (Candidate("opus", worst=None, least=0, expected=0), SONNET))
    decision = decide(unpriced, [standing(DOWN, BLOCK, spent=9_000)], refuse_unknown_price=True)
    assert decision.verdict.reason is Reason.UNKNOWN_PRICE


@pytest.mark.parametrize(
    ("unbounded", "expected", "most"),
    [
        (Unbounded("refuse"), ("block", "unbounded", "opus", "b", "100%"), 1_000),
        (Unbounded("reserve", 400), GO, 1_400),
        (Unbounded("overdraft"), GO, 1_000),
    ],
)
def test_what_the_request_does_not_bound_is_refused_or_reserved_for(
    unbounded: Unbounded, expected: tuple[str, ...], most: int
) -> None:
    """As each hard budget says; the reserve is held on top of the bound."""
    searching = replace(CALL, unbounded=("web_search_20260209",))
    decision = decide(searching, [standing(BLOCK, unbounded=unbounded)])
    assert short(decision) == expected
    assert decision.most == most
    assert decision.least == most - 700


@pytest.mark.parametrize("unbounded", [Unbounded("refuse"), Unbounded("reserve", 400)])
def test_a_bounded_call_reserves_nothing(unbounded: Unbounded) -> None:
    """Neither refused nor held more for."""
    decision = decide(CALL, [standing(BLOCK, unbounded=unbounded)])
    assert (short(decision), decision.most) == (GO, 1_000)


def test_the_largest_reserve_of_all_budgets_is_held() -> None:
    """One hold is made in all of them."""
    searching = replace(CALL, unbounded=("mcp_servers",))
    budgets = [standing(BLOCK, name=f"b{amount}", unbounded=Unbounded("reserve", amount)) for amount in (400, 900, 100)]
    assert decide(searching, budgets).most == 1_900


def test_an_expectation_above_the_bound_is_held_on_overdraft() -> None:
    """Nothing else is known of such a call."""
    searching = Facts("r", (replace(OPUS, expected=1_250),), unbounded=("container",))
    assert decide(searching, [standing(BLOCK, unbounded=Unbounded("overdraft"))]).most == 1_250


def test_a_soft_budget_refuses_nothing() -> None:
    """Not even what it would call unbounded."""
    searching = replace(CALL, unbounded=("container",))
    assert short(decide(searching, [standing(DOWN, unbounded=Unbounded("refuse"))])) == GO


@pytest.mark.parametrize("reason", [Reason.SPENT, Reason.HELD, Reason.LENT, Reason.UNREACHABLE])
def test_a_balance_that_lends_nothing_refuses_in_its_budget_s_name(reason: Reason) -> None:
    """With the figures of the decision it ends, and nothing left to ask for."""
    before = decide(CALL, [standing(DOWN, BLOCK, name="x", spent=8_000), standing(BLOCK, name="y", spent=10_000)])
    after = refused(before, reason, "y|w|")
    assert after.verdict == Verdict(Action.BLOCK, reason, "sonnet", "y", "y|w|", "100%", Fraction(1))
    assert after == replace(before, verdict=after.verdict, hard=())


def test_a_balance_of_nobody_refuses_without_a_name() -> None:
    """An agent may know budgets that this process does not."""
    after = refused(decide(CALL, [standing(BLOCK)]), Reason.SPENT, "other|w|")
    assert after.verdict == Verdict(Action.BLOCK, Reason.SPENT, "opus", "", "other|w|")


def kept(model: str, worst: int, least: int, expected: int) -> dict[str, Any]:
    """What the ledger keeps of a candidate."""
    tokens = {"worst_tokens": 0, "least_tokens": 0, "expected_tokens": 0}
    return {"model": model, "worst": worst, "least": least, "expected": expected, **tokens}


def test_the_numbers_are_ready_for_json() -> None:
    """Amounts whole, shares as percent with two decimals, every budget and every skipped step in them."""
    decision = decide(
        Facts("r", (OPUS, replace(SONNET, misfit=Misfit.BETA), HAIKU)),
        [
            standing(DOWN, FLOOR, BLOCK, name="x", spent=8_900, expected=1_000),
            standing(DOWN, name="y", spent=None, mode=Mode.OBSERVE),
            standing(FLOOR, name="z", spent=9_000, mode=Mode.OBSERVE),
        ],
    )
    assert json.loads(decision.figures().text) == {
        "budget": "x",
        "balance": "x|w|",
        "step": "90%",
        "most": 100,
        "least": 30,
        "expected": 10,
        "skipped": ["x 80% to sonnet: beta"],
        "observed": {"action": "downgrade", "reason": "step", "budget": "z", "step": "90%"},
        "rules": "",
        "model": "haiku",
        "unbounded": [],
        "candidates": [
            {**kept("opus", 1_000, 300, 100), "misfit": None},
            {**kept("sonnet", 500, 150, 50), "misfit": "beta"},
            {**kept("haiku", 100, 30, 10), "misfit": None},
        ],
        "milder": None,
        "balances": [
            {
                "balance": "x|w|",
                "mode": "enforce",
                "unit": "usd",
                "share": "99.00%",
                "limit": 10_000,
                "spent": 8_900,
                "expected": 1_000,
                "lent": 7,
                "ceiling": 10_000,
                "recent": {},
            },
            {
                "balance": "y|w|",
                "mode": "observe",
                "unit": "usd",
                "share": "0.00%",
                "limit": 10_000,
                "spent": None,
                "expected": None,
                "lent": None,
                "ceiling": 10_000,
                "recent": {},
            },
            {
                "balance": "z|w|",
                "mode": "observe",
                "unit": "usd",
                "share": "90.00%",
                "limit": 10_000,
                "spent": 9_000,
                "expected": 0,
                "lent": 7,
                "ceiling": 10_000,
                "recent": {},
            },
        ],
    }


def test_without_budgets_there_are_no_numbers_but_the_call_s_own() -> None:
    """Nobody would have done anything."""
    numbers = json.loads(decide(CALL, []).figures().text)
    assert (numbers["observed"], numbers["balances"], numbers["most"], numbers["budget"]) == (None, [], 1_000, "")
