"""Unenforced: what is only recorded is said, once each and in plain words."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from bursar.policies.amounts import Limit, Velocity
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction, Unreachable
from bursar.policies.policyfile.unenforced import unenforced, unpriced
from bursar.policies.route import Route

RECORDED = "is recorded but not acted on in this release"


def policy_with(*budgets: Budget, routes: tuple[Route, ...] = ()) -> Policy:
    return Policy(1, Mode.ENFORCE, budgets=budgets, routes=routes)


def budget(*steps: Step, **changes: Any) -> Budget:
    return replace(Budget("x", Limit("usd", 5), "day", steps=steps), **changes)


def at_90(*actions: StepAction) -> Step:
    return Step("90%", Fraction(9, 10), None, actions)


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("loop", 'write it as a step of its own: "loop" = "block"'),
    ],
)
def test_a_step_that_is_not_taken_is_told(kind: Any, instead: str) -> None:
    """With what happens instead; its alert is none of them."""
    step = at_90(StepAction(kind), StepAction("alert", channel="log"))
    assert unenforced(policy_with(budget(step))) == (f'budget "x": step "90%" = "{kind}" {RECORDED}; {instead}',)


def test_an_effort_step_needs_a_route_that_may_lose_something() -> None:
    """Without one it lowers nothing, and says what to write where; with one there is nothing to tell."""
    budgets = budget(at_90(StepAction("effort")))
    (told,) = unenforced(policy_with(budgets, routes=(Route("r"),)))
    assert told.startswith('budget "x": step "90%" = "effort" lowers nothing, since no route has lossy = true; write')
    assert unenforced(policy_with(budgets, routes=(Route("r"), Route("s", lossy=True)))) == ()


def test_a_batch_step_needs_a_route_that_may_wait() -> None:
    """Without one, or with one that may wait for no time at all, it puts nothing off, and says what to write where."""
    budgets = budget(at_90(StepAction("batch")))
    (told,) = unenforced(policy_with(budgets, routes=(Route("r", may_wait_seconds=0.0),)))
    assert told.startswith('budget "x": step "90%" = "batch" puts nothing off, since no route has may_wait; write')
    assert unenforced(policy_with(budgets, routes=(Route("r"), Route("s", may_wait_seconds=60.0)))) == ()


def test_what_is_enforced_is_not_told() -> None:
    """Alert, downgrade and block, and a route with a ladder."""
    steps = [at_90(StepAction("alert", channel="log"), StepAction("downgrade", target="rung"), StepAction("block"))]
    assert unenforced(policy_with(budget(*steps), routes=(Route("r", ladder=("a", "b")),))) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"every": "rolling 24h"},
        {"every": "conversation"},
        {"every": "run"},
        {"limit": Limit("tokens", 5)},
        {"limit": Limit("calls", 5)},
    ],
)
def test_every_window_and_unit_is_enforced(changes: dict[str, Any]) -> None:
    """There is nothing to tell of them."""
    assert unenforced(policy_with(budget(at_90(StepAction("block")), **changes))) == ()


LIMITED = Unreachable("limited", 1_500_000_000)
BLOCK = Step("100%", Fraction(1), None, (StepAction("block"),))


def test_an_allowance_of_a_limit_that_is_no_money_is_told() -> None:
    """It cannot be set aside out of it; a limit in money has one, and a budget that refuses nothing needs none."""
    tokens = budget(BLOCK, limit=Limit("tokens", 5))
    told = (f'budget "x": on_unreachable = limited, of a limit in tokens, {RECORDED}; it acts as closed',)
    assert unenforced(replace(policy_with(tokens), on_unreachable=LIMITED)) == told
    assert unenforced(policy_with(replace(tokens, on_unreachable=LIMITED))) == told
    for fine in (budget(BLOCK), replace(tokens, steps=()), replace(tokens, on_unreachable=Unreachable("open"))):
        assert unenforced(replace(policy_with(fine), on_unreachable=LIMITED)) == ()


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (StepAction("alert", channel="log"), ()),
        (StepAction("block"), ()),
        (StepAction("throttle"), ()),
    ],
)
def test_of_a_velocity_only_what_is_not_done_is_told(action: StepAction, told: tuple[str, ...]) -> None:
    """How fast money is spent is watched."""
    step = Step("1 USD in 1m", None, Velocity(10**9, 60.0), (action,))
    assert unenforced(policy_with(budget(step))) == told


@pytest.mark.parametrize(
    "route",
    [Route("r", may_wait_seconds=60.0), *(Route("r", cache=word) for word in ("auto", "advise", "off"))],
)
def test_all_that_a_route_says_is_acted_on(route: Route) -> None:
    """Waiting and caching."""
    assert unenforced(policy_with(routes=(route,))) == ()


def test_a_model_without_a_price_is_told_where_it_stands() -> None:
    """In the policy's ladder and in a route's."""
    policy = Policy(1, Mode.ENFORCE, ladder=("known", "zzz"), routes=(Route("r", ladder=("knwon",)), Route("s")))
    assert unpriced(policy, ("known",)) == (
        'ladder: "zzz" is not in the price book; its cost will be unknown',
        'route "r": ladder: "knwon" is not in the price book; did you mean "known"? its cost will be unknown',
    )
