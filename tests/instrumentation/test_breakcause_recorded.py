"""Breakers planted in prompts of the recorded traffic are recognised, and nothing is where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import pytest
from tests.instrumentation.breaking import Body, Case, clean, planted
from tests.instrumentation.traffic import ABSENT, TRAFFIC, requests

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.tokens import blocks
from bursar.instrumentation.fingerprint import Hashing
from bursar.instrumentation.lastprompts import LastPrompts
from bursar.instrumentation.promptblocks import prompt_in
from bursar.policies.fingerprint import Cause

SEED = 20_261_129
ROUNDS = 4
"""Of each format and kind of change."""
CLEAN_ROUNDS = 45
"""Of each of five kinds of pairs."""
LEAST = 0.95
LEAST_OF_CLASS = 0.85

pytestmark = pytest.mark.skipif(not TRAFFIC.exists(), reason=ABSENT)


def _is_prompt(body: Body) -> bool:
    try:
        return bool(blocks(body))
    except ApiError:
        return False


@cache
def bodies() -> tuple[Body, ...]:
    """Recorded prompts, without the two settings by which pairs of strangers would differ."""
    kept = (
        {name: told for name, told in body.items() if name not in ("tool_choice", "thinking")} for body in requests()
    )
    return tuple(body for body in kept if _is_prompt(body))


def found(case: Case) -> Cause | None:
    """What a process that saw both says of the second."""
    prompts, hashing, cause = LastPrompts(), Hashing("5a" * 16), None
    for body in (case.old, case.new):
        prompt = prompt_in(body)
        model = str(body.get("model")) if case.cause is Cause.MODEL else "claude-sonnet-5-5"
        told = prompts.compare("route", model, prompt, hashing.blocks(prompt))
        cause = told.cause if told is not None else None
    return cause


def judged(cases: Iterable[Case]) -> list[tuple[Case, Cause | None]]:
    """Each case, and what was found."""
    return [(case, found(case)) for case in cases]


def recall(told: list[tuple[Case, Cause | None]]) -> float:
    """The share of what was planted that was found and named rightly."""
    return sum(cause is case.cause for case, cause in told) / len(told)


def precision(told: list[tuple[Case, Cause | None]]) -> float:
    """The share of what was said that is right; what was said of clean pairs is wrong."""
    said = [(case, cause) for case, cause in told if cause is not None]
    return sum(cause is case.cause for case, cause in said) / len(said)


@cache
def all_planted() -> list[tuple[Case, Cause | None]]:
    """Every breaker, with what was found."""
    return judged(planted(bodies(), SEED, ROUNDS))


@cache
def all_clean() -> list[tuple[Case, Cause | None]]:
    """Every clean pair, with what was found."""
    return judged(clean(bodies(), SEED, CLEAN_ROUNDS))


def test_there_is_no_false_alarm() -> None:
    """A conversation that goes on, another last message, the same again, another conversation, marks that moved."""
    assert len(all_clean()) >= 200
    assert [(case.name, cause) for case, cause in all_clean() if cause is not None] == []


def test_breakers_are_found_and_named() -> None:
    """Of all classes, in all places."""
    assert len(all_planted()) >= 200
    assert {case.cause for case, _ in all_planted()} == {*Cause}
    assert recall(all_planted()) >= LEAST
    assert precision(all_planted() + all_clean()) >= LEAST


def test_formats_that_the_recogniser_was_not_written_for_are_found_too() -> None:
    """Written after it, and nothing was changed to meet them."""
    held_out = [(case, cause) for case, cause in all_planted() if case.held_out]
    assert len(held_out) >= 100
    assert recall(held_out) >= LEAST
    assert precision(held_out) >= LEAST


def test_the_figures_by_class() -> None:
    """Printed with `-s`, for docs/figures.md; of no class are more than 15 in 100 missed."""
    told = all_planted() + all_clean()
    lines: list[str] = []
    for cause in Cause:
        own = [(case, said) for case, said in all_planted() if case.cause is cause]
        named = [case for case, said in told if said is cause]
        right = sum(case.cause is cause for case in named) / len(named)
        lines.append(f"{cause:12} {len(own):4} planted, recall {recall(own):.3f}, precision {right:.3f}")
        assert recall(own) >= LEAST_OF_CLASS
    held_out = [(case, said) for case, said in all_planted() if case.held_out]
    for name, some in (("all", all_planted()), ("held out", held_out)):
        figures = f"recall {recall(some):.3f}, precision {precision(some + all_clean()):.3f}"
        lines.append(f"{name:12} {len(some):4} planted, {figures}")
    lines.append(
        f"{'clean':12} {len(all_clean()):4} pairs, {sum(said is not None for _, said in all_clean())} false alarms"
    )
    print("\n" + "\n".join(lines))  # noqa: T201 - for docs/figures.md
