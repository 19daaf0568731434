"""Claims about burn rates: the figures of the rules to the last cent, and what is too little to be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from bursar.policies.outlook.burn import STRETCHES, burn_rate, burning
from bursar.policies.outlook.course import Course
from bursar.policies.outlook.season import Season, learn

FLAT = Season(UTC)
NOON = 1_795_392_000 + 12 * 3600
DAY = Course(limit=2400, spent=0, start=NOON - 43_200, end=NOON + 43_200, now=NOON)
"""2,400 a day: 100 an hour, 25 a quarter, and 8 1/3 in five minutes, if it is to last."""


def test_the_stretches_that_are_asked_for() -> None:
    """Five minutes, a quarter of an hour, an hour."""
    assert STRETCHES == (300, 900, 3600)


@pytest.mark.parametrize(("seconds", "spent", "rate"), [(3600, 100, 1.0), (3600, 300, 3.0), (900, 200, 8.0)])
def test_a_rate_is_a_multiple_of_the_pace_that_lasts(seconds: int, spent: int, rate: float) -> None:
    """An even pace is 1, whatever the stretch."""
    assert burn_rate(DAY, FLAT, seconds, spent) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("lately", "rule"),
    [
        ({300: 26, 900: 30, 3600: 301}, 3600),
        ({300: 26, 900: 30, 3600: 299}, None),
        ({300: 24, 900: 30, 3600: 301}, None),
        ({300: 67, 900: 201, 3600: 201}, 900),
        ({300: 66, 900: 201, 3600: 201}, None),
        ({300: 67, 900: 199, 3600: 201}, None),
        ({300: 67, 900: 201, 3600: 301}, 3600),
        ({300: 0, 900: 0, 3600: 0}, None),
    ],
)
def test_both_stretches_must_burn(lately: dict[int, int], rule: int | None) -> None:
    """More than three times over an hour and five minutes, or more than eight over a quarter and five minutes."""
    found = burning(DAY, FLAT, lately)
    assert (found and found.seconds) == rule


def test_what_is_told() -> None:
    """The rate of the long stretch, and what was spent in it."""
    found = burning(DAY, FLAT, {300: 100, 900: 300, 3600: 400})
    assert found is not None
    assert found.rate == pytest.approx(4.0)
    assert (found.threshold, found.spent) == (3.0, 400)


def test_two_percent_of_the_limit_at_least() -> None:
    """Of a month's 72,000 an hour's 1,439 are 14 times the pace, and still too little; 1,440 are two percent."""
    month = Course(limit=72_000, spent=0, start=NOON - 15 * 86_400, end=NOON + 15 * 86_400, now=NOON)
    assert burn_rate(month, FLAT, 3600, 1439) > 14
    assert burning(month, FLAT, {300: 1000, 900: 1000, 3600: 1439}) is None
    assert burning(month, FLAT, {300: 1000, 900: 1000, 3600: 1440}) is not None


def test_half_of_what_is_due_follows_the_season() -> None:
    """Where noon is all of the day, an hour of noon is due 0.5 + 0.5 / 24 of the limit: 1,250 of 2,400."""
    first = NOON // 3600 - 12
    season = replace(learn({}, first, first + 168, UTC), weights=tuple(float(place % 24 == 11) for place in range(168)))
    assert burn_rate(DAY, season, 3600, 1250) == pytest.approx(1.0)


def test_a_limit_of_nothing_burns_nothing() -> None:
    """It is used up from the start, and says so by its steps."""
    assert burning(replace(DAY, limit=0), FLAT, {300: 9, 900: 9, 3600: 9}) is None
