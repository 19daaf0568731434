"""Fitting: what a plan asks for, and the largest answer that what was lent bounds."""

from __future__ import annotations

from typing import Any

import pytest
from tests.instrumentation.pricing import BODY, BOOK, EXPECTED, LEAST, NOON, WORST

from bursar.instrumentation.candidates import Candidates, weigh
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.estimates import Estimates
from bursar.instrumentation.fitting import fitted, need_of, unjudged
from bursar.instrumentation.rules import Rules
from bursar.policies.balancekey import Amounts
from bursar.policies.decision import Decision
from bursar.policies.engine import decide
from bursar.policies.protocol import Need

BIG = WORST["big"]


def weighed(**changes: Any) -> Candidates:
    return weigh(Errand("h-1", "desk", {}, {**BODY, **changes}, NOON), Rules(BOOK), Estimates())


def planned() -> Decision:
    return decide(weighed().facts, ())


def test_a_need_is_of_money_tokens_and_what_is_expected() -> None:
    """All of it, and the least that the route can do with."""
    need = need_of("h-1", planned())
    assert need == Need("h-1", (), BIG, LEAST["big"], EXPECTED["big"], 11_000, 2_024, 1_463)


@pytest.mark.parametrize(
    ("lent", "max_tokens"),
    [
        (Amounts(BIG, 11_000), 10_000),
        (Amounts(104_000_000, 11_000), 5_000),  # 4,000,000 for the input, 20,000 a token
        (Amounts(BIG, 3_000), 2_000),  # 1,000 for the input
        (Amounts(104_000_000, 3_000), 2_000),
        (Amounts(64_000_000, 9_000), 3_000),
    ],
)
def test_the_scarcer_of_money_and_tokens_fits_the_answer(lent: Amounts, max_tokens: int) -> None:
    """Never above what was asked for."""
    assert fitted(planned(), weighed(), lent) == max_tokens


def test_without_a_policy_only_bounds_are_kept() -> None:
    """For what a crash may leave; of what nothing bounds there are none, and a false one would be booked."""
    assert unjudged(weighed()) == Admission(
        bound_nano=BIG, expected_nano=EXPECTED["big"], bound_tokens=11_000, expected_tokens=1_463, text_bytes=936
    )
    free = unjudged(weighed(tools=[{"type": "web_search_20260209", "name": "web_search"}]))
    assert (free.bound_nano, free.bound_tokens) == (None, None)
    assert unjudged(weighed(), None).text_bytes == 0  # the API holds the rest of its prompt
