"""Claims about creep: days are compared with their own weekday, and small excesses add up."""

from __future__ import annotations

import math

import pytest

from bursar.policies.outlook.creep import creeping

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


def test_pennies_are_no_news() -> None:
    """A day of less than the least is not told, whatever it is compared with."""
    days = [1] * 14 + [3]
    assert creeping(days, 3.0) is not None
    assert creeping(days, 3.5) is None


def test_a_beginning_is_no_creep() -> None:
    """Where nothing is usual nothing is compared."""
    assert creeping([0] * 14 + [500]) is None
