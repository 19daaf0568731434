"""Whole conversations are taken or left, by their hashes, and none of which a call may be missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.instrumentation.sampling import GAP_SECONDS, LEAST, MEMORY, RAISE_SECONDS, Sampling, opening

LOW, MIDDLE, HIGH = "1" * 16, "5" * 16, "d" * 16
"""At 0.07, 0.33 and 0.87 of all hashes."""


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sampling(clock: Clock) -> Sampling:
    return Sampling(clock)


def halved(sampling: Sampling, clock: Clock, times: int) -> None:
    for _ in range(times):
        clock.now += 60
        sampling.halve()


@pytest.mark.parametrize(
    ("times", "taken"),
    [(0, [True, True, True]), (1, [True, True, False]), (2, [True, False, False]), (4, [False, False, False])],
)
def test_a_smaller_sample_lies_within_a_larger(sampling: Sampling, clock: Clock, times: int, taken: list[bool]) -> None:
    """The hash alone decides: every process takes the same ones."""
    halved(sampling, clock, times)
    assert [sampling.takes(one) for one in (LOW, MIDDLE, HIGH)] == taken


def test_the_share_has_a_floor_and_is_halved_once_in_a_while(sampling: Sampling, clock: Clock) -> None:
    """One in 1,024; and what a halving brings has to show before the next."""
    sampling.halve()
    sampling.halve()
    assert sampling.share == 0.5
    halved(sampling, clock, 20)
    assert sampling.share == LEAST


def look(sampling: Sampling, clock: Clock, spent: float, seconds: float = RAISE_SECONDS) -> float:
    clock.now += seconds
    sampling.look(spent)
    return sampling.share


def test_the_share_is_raised_where_twice_the_work_would_do(sampling: Sampling, clock: Clock) -> None:
    """A hundredth of 300 s is 3 s: 1.5 s spent are just little enough, 1.6 s are not."""
    halved(sampling, clock, 2)
    assert look(sampling, clock, 10.0, 0) == 0.25
    assert look(sampling, clock, 11.6) == 0.25
    assert look(sampling, clock, 13.1) == 0.5
    assert look(sampling, clock, 13.1, RAISE_SECONDS - 1) == 0.5
    assert look(sampling, clock, 13.1, 1) == 1.0
    assert look(sampling, clock, 13.1) == 1.0


def test_a_loss_puts_a_raise_off(sampling: Sampling, clock: Clock) -> None:
    """As a halving does: it must have gone well for so long."""
    halved(sampling, clock, 1)
    look(sampling, clock, 0.0, 0)
    clock.now += RAISE_SECONDS - 1
    sampling.lost(clock.now)
    assert look(sampling, clock, 0.0, 1) == 0.5
    assert look(sampling, clock, 0.0) == 1.0


def test_after_a_loss_only_what_began_since_is_whole(sampling: Sampling, clock: Clock) -> None:
    """Until the entries of the others in the cache are over."""
    at = clock.now
    assert sampling.whole(LOW, at, begins=True)
    assert sampling.whole(MIDDLE, at, begins=False)
    sampling.lost(at + 10)
    assert not sampling.whole(LOW, at + 20, begins=False)
    assert not sampling.whole(MIDDLE, at + 20, begins=False)
    assert not sampling.whole("2" * 16, at + 20, begins=False)
    assert sampling.whole(HIGH, at + 20, begins=True)
    assert sampling.whole(HIGH, at + 30, begins=False)
    assert sampling.whole(LOW, at + 10 + GAP_SECONDS, begins=False)


def test_what_was_sent_before_a_loss_need_not_be_looked_at(sampling: Sampling, clock: Clock) -> None:
    """It cannot be whole, whatever its conversation."""
    assert not sampling.gone(clock.now)
    sampling.lost(clock.now)
    assert sampling.gone(clock.now)
    assert not sampling.whole(LOW, clock.now, begins=True)
    assert not sampling.gone(clock.now + 1)


def test_while_calls_are_lost_the_share_is_halved_at_once(sampling: Sampling) -> None:
    """Each time."""
    for _ in range(3):
        sampling.halve(at_once=True)
    assert sampling.share == 0.125


def test_a_conversation_that_lost_a_call_is_out_alone(sampling: Sampling, clock: Clock) -> None:
    """For an hour from then."""
    at = clock.now
    sampling.lost_of(LOW, at)
    assert not sampling.whole(LOW, at + GAP_SECONDS - 1, begins=True)
    assert sampling.whole(LOW, at + GAP_SECONDS, begins=True)
    assert sampling.whole(MIDDLE, at, begins=True)


def test_a_raise_takes_in_new_conversations_only(sampling: Sampling, clock: Clock) -> None:
    """Of those under way the beginning was not looked at; those that were in the sample stay in it."""
    halved(sampling, clock, 1)
    look(sampling, clock, 0.0, 0)
    assert sampling.whole(LOW, clock.now, begins=True)
    assert look(sampling, clock, 0.0) == 1.0
    at = clock.now + 1
    assert sampling.whole(LOW, at, begins=False)
    assert not sampling.whole(HIGH, at, begins=False)
    assert sampling.whole("e" * 16, at, begins=True)
    assert sampling.whole("f" * 16, at + GAP_SECONDS, begins=False)


def test_calls_out_of_order_are_no_gap(sampling: Sampling, clock: Clock) -> None:
    """A long call is answered after a later one."""
    assert sampling.whole(LOW, clock.now, begins=False)
    assert sampling.whole(LOW, clock.now - 60, begins=True)


def test_memory_is_bounded(sampling: Sampling, clock: Clock) -> None:
    """A conversation that is forgotten counts as met in its middle."""
    sampling.whole(LOW, clock.now + 1, begins=True)
    sampling.lost(clock.now)
    for number in range(MEMORY):
        sampling.whole(f"{number:016x}", clock.now + 1, begins=True)
    assert not sampling.whole(LOW, clock.now + 2, begins=False)


def told(*messages: Any, **more: Any) -> bytes:
    return json.dumps({"max_tokens": 1, "messages": messages, **more}).encode()


ASKS = {"role": "user", "content": "What is a wombat? \u00e9"}
SAYS = {"role": "assistant", "content": "A marsupial."}
MARKED = {
    "role": "user",
    "content": [{"type": "text", "text": ASKS["content"], "cache_control": {"type": "ephemeral"}}],
}


@pytest.mark.parametrize(
    "same",
    [
        told(ASKS, SAYS, {"role": "user", "content": "And a quokka?"}),
        told(MARKED),
        told(ASKS, system='He said "messages": [{"role": "user", "content": "x"}]', tools=[{"name": "t"}]),
        json.dumps({"system": '"messages":[{"role":"user"}]', "messages": [ASKS]}, ensure_ascii=False).encode(),
    ],
)
def test_all_calls_of_a_conversation_have_the_same_opening(same: bytes) -> None:
    """Later turns, marks, system and tools, and how the JSON is written do not matter."""
    assert opening(same) == opening(told(ASKS))


@pytest.mark.parametrize("other", [told(SAYS), told({**ASKS, "content": "What is a quokka?"}), b"{}", b"", b"\xff"])
def test_another_first_message_is_another_opening(other: bytes) -> None:
    """By role and text."""
    assert opening(other) != opening(told(ASKS))


def test_of_a_vast_first_message_its_beginning_is_enough() -> None:
    """Longer than what is looked at: the same beginning is the same opening, whatever follows."""
    vast = {"role": "user", "content": "x" * 200_000}
    assert opening(told(vast)) == opening(told(vast, SAYS)) != opening(told(ASKS))
