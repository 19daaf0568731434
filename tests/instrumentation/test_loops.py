"""Loops: the very same request again and again is told of, or refused; another that only looks like it is not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.instrumentation.guarding import DAY, Stage, budget
from tests.instrumentation.pricing import BODY

from bursar.instrumentation.loops import EDGE, MEMORY, Loops
from bursar.policies.errors import RefusalReason
from bursar.policies.records import Decided

LOOP = '"loop 3 in 10m" = ["alert log", "block"]\n"100%" = "block"'


def staged(at: str, *lines: str) -> tuple[Stage, list[Decided]]:
    told: list[Decided] = []
    stage = Stage(budget(*lines, at=at), on_loop=told.append)
    return stage, told


def test_the_fourth_of_three_is_refused() -> None:
    """With the budget and why; another request goes on, and so does this one once ten minutes have passed."""
    stage, _ = staged(LOOP)
    for number in range(3):
        stage.admit(f"h-{number}")
    refusal = stage.refused("h-3")
    assert (refusal.reason, refusal.budget, refusal.balance) == (RefusalReason.LOOP, "day", DAY)
    assert "the very same request" in str(refusal)
    stage.admit("h-4", messages=[{"role": "user", "content": "another"}])
    stage.now += 601
    stage.admit("h-5")


@pytest.mark.parametrize(("at", "lines"), [('"loop 3 in 10m" = "alert log"', ()), (LOOP, ('mode = "observe"',))])
def test_a_loop_that_is_not_refused_is_told_once_in_its_time(at: str, lines: tuple[str, ...]) -> None:
    """By a step that alerts, and by one that would block under a policy that acts; then again after ten minutes."""
    stage, told = staged(at, *lines)
    for number in range(6):
        stage.admit(f"h-{number}")
    assert [(each.call_id, each.action, each.reason) for each in told] == [("h-3", "go", "loop")]
    assert told[0].decision == {"budget": "day", "balance": DAY, "step": "loop 3 in 10m"}
    stage.now += 601
    for number in range(4):
        stage.admit(f"i-{number}")
    assert [each.call_id for each in told] == ["h-3", "i-3"]


def test_a_budget_that_writes_no_loop_tells_its_channels_of_more_than_twenty() -> None:
    """And refuses nothing; one that alerts nobody has nobody to tell."""
    for at, expected in (('"80%" = "alert log"', ["h-20"]), ('"100%" = "block"', [])):
        stage, told = staged(at)
        for number in range(25):
            stage.admit(f"h-{number}")
        assert [each.call_id for each in told] == expected


def test_the_same_request_may_be_made_to_wait() -> None:
    """Three in ten minutes go at once; from the fourth on each has its turn, ten seconds after the one before."""
    stage, _ = staged('"loop 3 in 10m" = "throttle"')
    for number in range(5):
        stage.admit(f"h-{number}")
    assert stage.slept == [pytest.approx(10.0)]
    stage.admit("i-0", messages=[{"role": "user", "content": "another"}])
    assert len(stage.slept) == 1


def test_a_loop_that_is_refused_can_be_reproduced() -> None:
    """Its figures say which step took it for one."""
    stage, _ = staged(LOOP)
    for number in range(3):
        stage.admit(f"h-{number}")
    figures = stage.refused("h-3").figures
    assert figures is not None
    assert figures["balances"][0]["looping"] == ["loop 3 in 10m"]


def test_an_unusual_hour_refuses_and_says_so() -> None:
    """Whatever the request: the agent says that the step is in force, and no longer."""
    stage, _ = staged('"loop" = "block"\n"100%" = "block"')
    stage.script = [stage.grants(in_force=("loop",), recent={"3600": 9}, usual=1, unusual=6)]
    refusal = stage.refused("h-0")
    assert (refusal.reason, refusal.balance) == (RefusalReason.UNUSUAL, DAY)
    assert stage.leases.granted() != {}
    stage.script = [stage.grants()]
    stage.now += 2
    stage.see()
    stage.admit("h-1", messages=[{"role": "user", "content": "another"}])


def test_a_retry_is_no_repetition() -> None:
    """The SDK sends the same again because it was told to."""
    stage, told = staged('"loop 3 in 10m" = "alert log"')
    for number in range(9):
        stage.admit(f"h-{number}", settled="big")
    assert told == []


def made(body: dict[str, Any], other: dict[str, Any], route: str = "desk") -> bool:
    """Whether a request is taken for the same as another."""
    loops = Loops()
    loops.made("desk", body, 0.0)
    return len(loops.made(route, other, 1.0)) == 2


LONG = "x" * 100_000
TURNS = [{"role": "user", "content": f"turn {number}"} for number in range(40)]


@pytest.mark.parametrize(
    "other",
    [
        {"model": "small"},
        {"system": "Be brief."},
        {"tools": [{"name": "look"}]},
        {"messages": [{"role": "user", "content": "x" * 892}]},
        {"messages": [{"role": "user", "content": "x" * 892 + "y"}]},
        {"messages": [*BODY["messages"], {"role": "assistant", "content": "Yes"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 893}]}]},
        {"messages": [*BODY["messages"], None]},
        {"messages": []},
        {"messages": None},
    ],
)
def test_a_request_that_differs_is_another(other: dict[str, Any]) -> None:
    """In the model, the system prompt, the tools, or anything that is said."""
    assert made(BODY, dict(BODY))
    assert not made(BODY, {**BODY, **other})


ALIKE: list[tuple[Any, Any]] = [(-1, -2), (1, True), (1, 1.0), (0, None), ("1", 1), ([], [[]]), ({}, [])]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_values_of_one_hash_are_told_apart(one: Any, other: Any) -> None:
    """Python hashes -1 as -2, and 1 as True: what a tool is asked with differs all the same."""
    first, second = ({"messages": [{"role": "user", "content": [{"input": {"n": n}}]}]} for n in (one, other))
    assert made(first, dict(first))
    assert not made(first, second)


def test_sampling_and_length_do_not_make_it_another() -> None:
    """A loop that varies its temperature is a loop; on another route it is other work."""
    assert made(BODY, {**BODY, "temperature": 0.3, "max_tokens": 7})
    assert not made(BODY, dict(BODY), route="other")


@pytest.mark.parametrize(
    ("text", "same"),
    [(LONG, True), ("y" + LONG[1:], False), (LONG[:-1] + "y", False), (LONG[:-1], False)],
)
def test_of_a_long_text_the_edges_and_the_length_decide(text: str, same: bool) -> None:
    """And samples in between; two that agree in all of these are taken for one."""
    message: dict[str, Any] = {"role": "user", "content": LONG}
    assert made({"messages": [message]}, {"messages": [{**message, "content": text}]}) is same
    assert len(LONG) > 2 * EDGE


def test_a_long_conversation_is_told_by_its_beginning_and_its_end() -> None:
    """And by how many turns it has: each turn of a conversation is another request."""
    assert not made({"messages": TURNS}, {"messages": TURNS[:-1]})
    assert not made({"messages": TURNS}, {"messages": [*TURNS[:-1], {"role": "user", "content": "turn x"}]})
    assert made({"messages": TURNS}, {"messages": list(TURNS)})


def test_what_is_remembered_is_bounded() -> None:
    """The request that was made longest ago is forgotten."""
    loops = Loops()
    for number in range(MEMORY + 1):
        loops.made("desk", {"messages": [{"content": str(number)}]}, 0.0)
    assert len(loops.made("desk", {"messages": [{"content": "1"}]}, 1.0)) == 2
    assert len(loops.made("desk", {"messages": [{"content": "0"}]}, 1.0)) == 1
