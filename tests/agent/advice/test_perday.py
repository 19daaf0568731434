"""Days to come: a mean with an interval that can be done by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bursar.agent.advice.perday import ASSUMES, DAY_NS, assumes, saving, slot_of, t_quantile
from bursar.agent.advice.recommendation import Saving


@pytest.mark.parametrize(
    ("freedom", "table"), [(1, 6.314), (2, 2.920), (3, 2.353), (6, 1.943), (13, 1.771), (29, 1.699)]
)
def test_the_quantile_is_that_of_the_tables(freedom: int, table: float) -> None:
    """Any textbook's, for 95% on one side."""
    assert t_quantile(freedom) == pytest.approx(table, rel=0.003)


def test_days_alike_leave_no_doubt() -> None:
    """Seven times a thousand."""
    assert saving(dict.fromkeys(range(7), 1_000), Fraction(7)) == Saving(1_000, 1_000, 1_000)


def test_two_days_that_differ_leave_much() -> None:
    """900 and 1,100: s = 141.4, times t = 6.314, times sqrt(2/2): 893 either way."""
    assert saving({0: 900, 1: 1_100}, Fraction(2)) == Saving(107, 1_000, 1_893)


def test_where_each_day_saved_none_is_taken_to_lose() -> None:
    """0 and 200: 893 below 100 would be a loss that no day had."""
    assert saving({1: 200}, Fraction(2)) == Saving(0, 100, 993)


def test_one_day_says_nothing_of_others() -> None:
    """The lower end is nothing, and why is said."""
    assert saving({0: 500, 1: 100}, Fraction(3, 2)) == Saving(0, 400, 400)
    assert [assumes(Fraction(days)) for days in (1, 2)] == [ASSUMES[1], ASSUMES[0]]


def test_stretches_are_counted_back_from_the_end() -> None:
    """The end itself is in none."""
    assert [slot_of(at, DAY_NS) for at in (DAY_NS - 1, 0, -1)] == [0, 0, 1]
