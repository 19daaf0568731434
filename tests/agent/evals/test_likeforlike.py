"""Like for like: both models at the ordinary price of one day, and as warm as each other."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from tests.agent.evals.stage import HAIKU, OPUS

from bursar.agent.evals.likeforlike import cached_alike, sides
from bursar.policies.pricefile import shipped_book
from bursar.policies.usage import Usage

DAY = date(2026, 11, 21)
BOOK = shipped_book()


def test_mean_calls_stand_side_by_side() -> None:
    """Opus 5.5 at 4 and 20 USD a million, Haiku 5.5 at 0.10 and 0.50."""
    found = sides(
        [
            (Usage(input=100, output=10), OPUS, Usage(input=120, output=30), HAIKU),
            (Usage(input=300, output=20), OPUS, Usage(input=320, output=10), HAIKU),
        ],
        BOOK,
        DAY,
    )
    assert found is not None
    reference, candidate = found
    assert (reference.calls, candidate.calls) == (2, 2)
    assert reference.nano == Fraction(400 * 4_000 + 30 * 20_000, 2)
    assert candidate.nano == Fraction(440 * 100 + 40 * 500, 2)
    assert reference.usage["input"] == 200
    assert candidate.usage["output"] == 20


def test_a_call_without_a_price_on_one_side_is_on_neither() -> None:
    """Nor is there a comparison of nothing."""
    known, unknown = (Usage(input=100), OPUS), (Usage(input=100), "claude-nobody-1")
    assert sides([(*known, *unknown), (*unknown, *known)], BOOK, DAY) is None
    found = sides([(*known, *unknown), (*known, Usage(input=100), HAIKU)], BOOK, DAY)
    assert found is not None
    assert found[0].calls == 1


@pytest.mark.parametrize(
    ("usage", "like", "caches", "expected"),
    [
        (Usage(input=1_000, output=5), Usage(input=500), True, Usage(input=1_000, output=5)),
        (
            Usage(input=1_000, output=5),
            Usage(input=100, cache_read=300, cache_write_5m=100),
            True,
            Usage(input=200, cache_read=600, cache_write_5m=200, output=5),
        ),
        # Of 7 tokens a third each: two and two, and what is left is input.
        (
            Usage(cache_write_5m=7),
            Usage(input=1, cache_read=1, cache_write_1h=1),
            True,
            Usage(input=3, cache_read=2, cache_write_1h=2),
        ),
        (Usage(input=10, cache_write_5m=20), Usage(cache_read=30), False, Usage(input=30)),
        (Usage(input=10), Usage(), True, Usage(input=10)),
    ],
)
def test_the_candidate_is_taken_to_be_as_warm_as_the_reference_was(
    usage: Usage, like: Usage, caches: bool, expected: Usage
) -> None:
    """Its own tokens, in the shares that were read and written; none where its model caches no prompt so short."""
    found = cached_alike(usage, like, caches=caches)
    assert found == expected
    assert found.prompt == usage.prompt
