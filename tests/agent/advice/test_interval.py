"""Claims about intervals: by the days that differ, for days to come, and none where there are too few."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import sqrt

import pytest

from bursar.agent.advice.interval import per_day, student
from bursar.agent.advice.recommendation import Saving


@pytest.mark.parametrize(
    ("by_day", "days", "expected"),
    [
        ({0: 600}, Fraction(1), Saving(0, 600, 1_200)),
        ({0: 600, 1: 0}, Fraction(5, 2), Saving(0, 240, 480)),
        ({0: -600}, Fraction(1), Saving(-1_200, -600, 0)),
        ({}, Fraction(1), Saving(0, 0, 0)),
        ({0: 500, 1: 500, 2: 500}, Fraction(3), Saving(500, 500, 500)),
        ({0: 500, 1: 500, 2: 500, 3: 250}, Fraction(7, 2), Saving(500, 500, 500)),
    ],
)
def test_what_a_day_saves(by_day: Mapping[int, int], days: Fraction, expected: Saving) -> None:
    """Fewer than three whole days say nothing of others; a broken day counts for what it is; equal days are sure."""
    assert per_day(by_day, days, unit=1) == expected


def test_days_to_come_differ_too() -> None:
    """Of 0, 300 and 600 the deviation is 300; by Student's 2.920, over the root of 3, times the root of 2."""
    half = round(2.920 * 300 / sqrt(3) * sqrt(2))
    assert half == 715
    assert per_day({0: 0, 1: 300, 2: 600}, Fraction(3), unit=1) == Saving(300 - half, 300, 300 + half)


def test_money_has_a_unit() -> None:
    """In thousandths of pico-dollars a million are a nano-dollar, rounded once."""
    assert per_day({0: 2_500_001}, Fraction(1), unit=10**6) == Saving(0, 3, 6)


@pytest.mark.parametrize(
    ("freedom", "value"), [(1, 6.314), (2, 2.920), (10, 1.812), (11, 1.812), (13, 1.782), (29, 1.725), (400, 1.671)]
)
def test_students_t_errs_on_the_wide_side(freedom: int, value: float) -> None:
    """Between two rows of the table that with fewer degrees of freedom."""
    assert student(freedom) == value
