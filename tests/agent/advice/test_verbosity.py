"""Verbosity: limits against answers, in figures that can be counted."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from tests.agent.advice.past import NOON, SECOND, past

from bursar.agent.advice.recommendation import Recommendation, Saving
from bursar.agent.advice.verbosity import Verbosity
from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.policies.prices import shipped_book
from bursar.policies.usage import Usage


def answer(output: int, *, limit: int | None = 4_096, thinking: int = 0, **changes: Any) -> PastAttempt:
    """1,000 tokens in, bounded at 5,000, on Sonnet 5.5: 2 and 10 USD a million."""
    held = None if limit is None else 5_000 * 2_000 + limit * 10_000
    one = past(
        usage=Usage(input=1_000, output=output, thinking=thinking),
        cost_nano=1_000 * 2_000 + output * 10_000,
        bound_nano=held,
        bound_tokens=None if limit is None else 5_000 + limit,
    )
    return one._replace(**changes)


def told(answers: Iterable[PastAttempt]) -> dict[str, Recommendation]:
    verbosity = Verbosity(shipped_book())
    for one in answers:
        verbosity.add(one)
    return {one.place: one for one in verbosity.recommendations(NOON * SECOND, Fraction(1))}


def test_a_limit_far_above_all_answers_is_lowered() -> None:
    """
    999 answers of 100 tokens and one of 1,000: a quarter more than 100, rounded up, is 130, which cuts that one, and
    frees 3,966 tokens at 10 USD a million.
    """
    found = told([*[answer(100)] * 999, answer(1_000)])["limit"]
    assert found.snippet == "max_tokens=130"
    assert found.evidence["calls_it_would_cut"] == 1
    assert found.evidence["hold_freed_each_nano_usd"] == 3_966 * 10_000
    assert found.evidence["output_tokens"] == {"p50": 100, "p95": 100, "p99": 100, "p99.9": 100, "max": 1_000}
    assert "would have cut 1 (0.1%)" in found.text


def test_that_saves_no_money_and_is_said_so() -> None:
    """Tokens that nobody writes cost nothing."""
    found = told([answer(100)] * 100)["limit"]
    assert found.saving == Saving(0, 0, 0)
    assert "saves no money by itself" in found.text


def test_a_limit_near_the_answers_is_left_alone() -> None:
    """250 for answers of 100; and where it is not known nothing is said either."""
    assert told([answer(100, limit=250)] * 100) == {}
    assert told([answer(100, limit=None)] * 100) == {}


def test_what_the_guard_trimmed_is_not_the_users_limit() -> None:
    """Nor does an answer of that length say anything."""
    assert told([answer(100, limit=100, fitted=True)] * 100) == {}


def test_answers_of_exactly_the_limit_were_cut_off() -> None:
    """Two of a hundred, at 0.002 + 0.04096 USD each; then nothing is said of lowering it."""
    found = told([*[answer(100)] * 98, *[answer(4_096)] * 2])
    assert list(found) == ["truncated"]
    assert found["truncated"].saving == Saving(0, None, 2 * (2_000_000 + 40_960_000))
    assert found["truncated"].evidence["truncated_calls"] == 2


def test_half_the_thinking_is_an_upper_figure() -> None:
    """80 of 100 tokens at 10 USD a million: 0.0008 of 0.003 USD; half of that a hundred times."""
    found = told([answer(100, limit=None, thinking=80)] * 100)["thinking"]
    assert found.saving == Saving(0, None, 40_000_000)
    assert found.evidence["thinking_share"] == 80 / 300
    assert found.evidence["output_share"] == 1 / 3
    assert "27% of the cost" in found.text


def test_in_a_batch_thinking_costs_half() -> None:
    """And so does what half of it saves."""
    calls = [answer(100, limit=None, thinking=80, modifiers=("batch",), cost_nano=1_500_000)] * 100
    assert told(calls)["thinking"].saving == Saving(0, None, 20_000_000)


def test_the_share_of_calls_whose_effort_was_lowered_is_told() -> None:
    """By a step of a budget."""
    calls = [*[answer(100)] * 75, *[answer(100, action="effort")] * 25]
    assert told(calls)["limit"].evidence["effort_lowered_share"] == 0.25


def test_the_share_of_each_effort_is_told() -> None:
    """Of the cost; a call that asks for none has the model's own."""
    calls = [*[answer(100, limit=None, thinking=80, effort="high")] * 75, *[answer(100, limit=None, thinking=80)] * 25]
    found = told(calls)["thinking"]
    assert found.evidence["effort_share"] == {"high": 0.75, "unset": 0.25}
    assert "75% of the cost is of calls that ask for high effort, 25% of the cost of others." in found.text


def test_few_answers_say_nothing() -> None:
    """Ninety-nine are too few; so are bounds of any number, and unknown costs."""
    assert told([answer(100)] * 99) == {}
    assert told([answer(100, basis="estimate")] * 200) == {}
    assert told([answer(100, cost_nano=None)] * 200) == {}
