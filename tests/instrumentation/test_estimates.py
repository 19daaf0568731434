"""Estimates: what a route has answered so far says what it will, and where too little is known the route above it."""

from __future__ import annotations

import threading

import pytest

from bursar.instrumentation import estimates
from bursar.instrumentation.estimates import Durations, Estimates
from bursar.policies.estimate import Density

ENOUGH = 59


def taught(route: str, times: int = ENOUGH, *, output: int = 100, prompt: int = 0, text: int = 0) -> Estimates:
    made = Estimates()
    for _ in range(times):
        made.learn(route, "m", output, prompt_tokens=prompt, text_bytes=text)
    return made


def test_a_route_is_known_after_fifty_nine_answers() -> None:
    """Rounded up to the edge of a bucket: 2^(54/8) is 107."""
    assert taught("desk", ENOUGH - 1).outputs("desk", "m") == (None, None)
    assert taught("desk").outputs("desk", "m") == (107, 107)


@pytest.mark.parametrize(
    ("route", "known"),
    [("support.triage", True), ("support.triage.fast", True), ("support.other", True), ("support", True)],
)
def test_a_route_of_which_little_is_known_borrows(route: str, known: bool) -> None:
    """From the one above it, by its dots, and at last from all that the model answered; never from another model."""
    made = taught("support.triage")
    assert (made.outputs(route, "m") == (107, 107)) is known
    assert made.outputs("elsewhere", "m") == (107, 107)
    assert made.outputs(route, "other") == (None, None)


def test_its_own_word_goes_before_the_one_above() -> None:
    """Once there is enough of it."""
    made = taught("support.triage", output=1_000)
    for _ in range(ENOUGH):
        made.learn("support.other", "m", 10, prompt_tokens=0, text_bytes=0)
    assert made.outputs("support.other", "m") == (10, 10)


@pytest.mark.parametrize(
    ("made", "density"),
    [
        (Estimates(), Density(0.40)),
        (taught("desk", ENOUGH - 1, prompt=200, text=1_000), Density(0.40)),
        (taught("desk", prompt=200, text=1_000), Density(0.215, whole=True)),
        (taught("desk", prompt=200, text=0), Density(0.40)),
    ],
)
def test_tokens_for_a_byte_are_learnt_too(made: Estimates, density: Density) -> None:
    """200 tokens for 1,000 bytes are 0.2, rounded up to 2^(62/8) thousandths; before that the tokenizer's own."""
    assert made.density("desk", "m", new_tokenizer=True) == density


def test_an_older_tokenizer_makes_fewer_tokens() -> None:
    """Before anything is learnt."""
    assert Estimates().density("desk", "m", new_tokenizer=False) == Density(0.30)


def test_how_far_conversations_come_is_known_per_route() -> None:
    """Of thirty that came to four turns each."""
    made = Estimates()
    for turns in (0, 1, 2, 3) * 30:
        made.came("desk", turns)
    assert [made.to_come("desk", 1), made.to_come("desk", 9), made.to_come("other", 1)] == [3, None, None]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest route is forgotten."""
    monkeypatch.setattr(estimates, "MEMORY", 2)
    made = Estimates()
    for route in ("a", "b", "c"):
        for _ in range(30):
            made.came(route, 0)
    assert [made.to_come(route, 0) for route in ("a", "b", "c")] == [None, 1, 1]


def test_how_long_calls_take_is_the_median_of_the_latest() -> None:
    """To the tenth of a second above; two seconds before there was any."""
    durations = Durations()
    assert durations.usual == 2.0
    for seconds in (0.41, 9.0, 0.32):
        durations.add(seconds)
    assert durations.usual == 0.5
    for _ in range(32):
        durations.add(7.0)
    assert durations.usual == 7.0


def test_a_model_is_known_under_each_of_its_names() -> None:
    """A response names the snapshot, a request the alias."""
    made = Estimates()
    for _ in range(59):
        made.learn("desk", "claude-sonnet-4-5-20250929", 128)
    for name in ("claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5@20250929"):
        assert made.outputs("desk", name)[0] == 128
    assert made.outputs("desk", "claude-sonnet-4-6")[0] is None


def test_they_may_be_learnt_and_asked_by_many_threads() -> None:
    """Nobody is told of a change in mid-reading."""
    made = Estimates()
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(300):
                made.learn("desk", "big", 1 + (turn * 37 + number) % 5_000)
                made.outputs("desk", "big")[0]
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert made.outputs("desk", "big")[0] is not None
