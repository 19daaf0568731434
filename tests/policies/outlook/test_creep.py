"""Claims about creep: days are compared with their own weekday, and small excesses add up."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bursar.policies.outlook.course import Course
from bursar.policies.outlook.creep import Creep, creeping, matters

USUAL = [100, 100, 100, 100, 100, 50, 50]
TWO_WEEKS = USUAL * 2


def test_nothing_in_the_first_two_weeks() -> None:
    """Whatever is spent: there is nothing yet to compare with."""
    assert creeping([100] * 13 + [1000]) is None
    assert creeping([*TWO_WEEKS, 1000]) is not None


def test_a_weekend_is_compared_with_weekends() -> None:
    """Monday after Sunday is twice as much, and nothing new."""
    assert creeping(USUAL * 6) is None
    assert creeping(USUAL * 6 + [100]) is None


def test_a_tenth_more_each_day_is_found_on_the_fifth() -> None:
    """
    110, 121, 133, 146, 161: their logarithms less 0.10 are -0.005, 0.091, 0.185, 0.278.

    The sum is 0 after the first, 0.554 after the fourth, which is above 0.50.
    """
    rising = [110, 121, 133, 146]
    flat_weeks = [100] * 14
    assert creeping(flat_weeks + rising[:3]) is None
    found = creeping(flat_weeks + rising)
    assert found is not None
    total = sum(math.log(day / 100) - 0.10 for day in rising[1:])
    assert found.total == pytest.approx(total)
    assert (found.day, found.usual, found.days) == (146, 100, 3)


@pytest.mark.parametrize(("day", "told"), [(182, False), (183, True)])
def test_one_day_alone(day: int, told: bool) -> None:
    """e to the 0.6 is 1.822: a day above that is told by itself."""
    assert (creeping([100] * 14 + [day]) is not None) is told


def test_it_begins_anew_after_an_alarm() -> None:
    """The day after is told again only when the sum has built up again."""
    assert creeping([100] * 14 + [200, 130]) is None
    assert creeping([100] * 14 + [200, 200]) is not None


def test_a_cheap_day_takes_it_back() -> None:
    """0.3 + 0.3 would be above 0.5; with a day at half its usual in between it is not."""
    high = 150  # ln 1.5 is 0.405
    assert creeping([100] * 14 + [high, high]) is not None
    assert creeping([100] * 14 + [high, 50, high]) is None
    assert creeping([100] * 14 + [high, 0, high]) is None


@pytest.mark.parametrize(("every", "least"), [(1, 2), (7, 14), (30, 60)])
def test_pennies_are_no_news(every: int, least: int) -> None:
    """Two percent of the limit's part for a day: of 100 a day that is 2, of a limit of 700 a week 2 as well."""
    course = Course(limit=100 * every, spent=0, start=0, end=every * 86_400, now=0)
    assert [matters(Creep(1.0, day, 1, 1), course) for day in (1, 2)] == [False, True]
    assert [matters(Creep(1.0, day, 1, 1), replace(course, end=86_400)) for day in (least - 1, least)] == [False, True]


def test_a_beginning_is_no_creep() -> None:
    """Where nothing is usual nothing is compared."""
    assert creeping([0] * 14 + [500]) is None
