"""Steps: every action and mark of [budget.at], in the order in which they are met."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bursar.policies.amounts import Limit, Loop, Velocity
from bursar.policies.policy import Budget, Step, StepAction
from bursar.policies.policyfile.mistakes import Mistakes, PolicyError
from bursar.policies.policyfile.steps import Surroundings, read_steps

AROUND = Surroundings(channels=frozenset(("log", "slack")), has_ladder=True, budget_keys=("name",))


def steps(at: dict[str, object]) -> tuple[Step, ...]:
    mistakes = Mistakes("", "bursar.toml", {})
    found = read_steps(at, (), mistakes, AROUND)
    mistakes.raise_any()
    return found


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("alert log", StepAction("alert", channel="log")),
        (" alert  slack ", StepAction("alert", channel="slack")),
        ("downgrade", StepAction("downgrade", target="rung")),
        ("downgrade to cheapest", StepAction("downgrade", target="cheapest")),
        ("batch", StepAction("batch")),
        ("effort", StepAction("effort")),
        ("throttle", StepAction("throttle")),
        ("loop", StepAction("loop")),
        ("block", StepAction("block")),
    ],
)
def test_every_action_is_read(text: str, action: StepAction) -> None:
    """Alone or in a list."""
    assert steps({"50%": text}) == steps({"50%": [text]}) == (Step("50%", Fraction(1, 2), None, (action,)),)


def test_steps_come_by_rising_share_and_velocities_last() -> None:
    """Whatever the order of the file; numbers count, not letters."""
    at: dict[str, object] = {
        "5 USD in 1h": "alert log",
        "100%": "block",
        "9.5%": "alert log",
        "1 USD in 1m": "alert log",
        "80%": "downgrade",
    }
    found = steps(at)
    assert [step.label for step in found] == ["9.5%", "80%", "100%", "5 USD in 1h", "1 USD in 1m"]
    assert found[0].share == Fraction(19, 200)
    assert found[3].velocity == Velocity(5_000_000_000, 3600.0)


@pytest.mark.parametrize(
    "at",
    [
        {"100%": ["alert log", "block"]},
        {"0%": "block"},
        {"1000%": "alert log"},
        {"100%": "block", "120%": "alert log"},
        {"120%": "downgrade"},
        {"100%": "block", "1 USD in 1m": "throttle"},
        {"50%": "alert log", "60%": "alert log"},
        {"1 USD in 1m": "alert log", "2 USD in 1m": "alert log"},
    ],
)
def test_what_can_happen_is_allowed(at: dict[str, object]) -> None:
    """Bounds included; an alert above the block tells of what was overrun."""
    assert len(steps(at)) == len(at)


def test_a_loop_does_what_any_other_step_does() -> None:
    """It moves calls, or spreads them."""
    step = steps({"loop": ["downgrade", "throttle"]})[0]
    assert [action.kind for action in step.actions] == ["downgrade", "throttle"]


@pytest.mark.parametrize(
    ("key", "loop"),
    [("loop", Loop(20, 600.0)), ("loop 5 in 1h", Loop(5, 3600.0)), ("loop 1000 in 10s", Loop(1000, 10.0))],
)
def test_a_loop_is_a_step_of_its_own(key: str, loop: Loop) -> None:
    """More than twenty times in ten minutes, where it names no numbers."""
    alert, block = StepAction("alert", channel="slack"), StepAction("block")
    assert steps({key: ["alert slack", "block"]}) == (Step(key, None, None, (alert, block), loop),)


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        ({"loop often": "block"}, "is no loop"),
        ({"loop 0 in 10m": "block"}, "can never be told"),
        ({"loop 1001 in 10m": "block"}, "can never be told"),
        ({"loop 20 in 0s": "block"}, "can never be told"),
        ({"loop 20 in soon": "block"}, "is no span of time"),
        ({"loop": "block", "loop 20 in 10m": "alert log"}, "this share is written twice"),
    ],
)
def test_a_loop_that_makes_no_sense_is_a_mistake(at: dict[str, object], problem: str) -> None:
    """With what to write instead."""
    with pytest.raises(PolicyError) as caught:
        steps(at)
    assert problem in str(caught.value)


def test_a_budget_without_a_loop_tells_those_that_its_alerts_tell() -> None:
    """Of more than twenty in ten minutes, each channel once; one that alerts nobody tells nobody."""
    at = steps({"50%": "alert log", "80%": ["alert slack", "alert log"], "100%": "block"})
    told = (StepAction("alert", channel="log"), StepAction("alert", channel="slack"))
    assert Budget("b", Limit("usd", 1), "day", steps=at).loops == (Step("loop", None, None, told, Loop(20, 600.0)),)
    assert Budget("b", Limit("usd", 1), "day", steps=at[2:]).loops == ()
    written = steps({"50%": "alert log", "loop 5 in 1m": "block"})
    assert Budget("b", Limit("usd", 1), "day", steps=written).loops == written[1:]
