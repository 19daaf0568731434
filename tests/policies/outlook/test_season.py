"""Claims about seasons: an hour weighs what it usually costs, and where nothing is known all weigh the same."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from bursar.policies.outlook.season import WEEK_HOURS, Season, hour_of_week, learn, spent

HOUR = 3600
MONDAY = 1_795_392_000
"""2026-11-23, midnight in UTC."""
FIRST = MONDAY // HOUR


def week(amount: float, *, begins: int = FIRST) -> dict[int, float]:
    """One week in which every tenth hour of the day costs so much."""
    return {begins + 24 * day + 10: amount for day in range(7)}


def test_hours_of_the_week_are_those_of_the_local_clock() -> None:
    """Midnight of Monday is hour 0 in UTC, and one o'clock in Berlin, where Monday began an hour earlier."""
    berlin = ZoneInfo("Europe/Berlin")
    assert [hour_of_week(FIRST, UTC), hour_of_week(FIRST, berlin), hour_of_week(FIRST - 1, berlin)] == [0, 1, 0]


def test_without_a_whole_week_everything_is_flat() -> None:
    """One hour less than a week teaches nothing."""
    short = learn(week(7.0), FIRST, FIRST + WEEK_HOURS - 1, UTC)
    assert not short.learnt
    assert short.share(MONDAY, MONDAY + 86_400, MONDAY, MONDAY + 6 * HOUR) == pytest.approx(0.25)
    assert learn(week(7.0), FIRST, FIRST + WEEK_HOURS, UTC).learnt


def test_a_past_without_spending_is_flat() -> None:
    """Nothing times anything is no season."""
    assert not learn({}, FIRST, FIRST + WEEK_HOURS, UTC).learnt


def test_neighbours_share() -> None:
    """An hour keeps half of its mean, and gives each neighbour a quarter."""
    season = learn(week(4.0), FIRST, FIRST + WEEK_HOURS, UTC)
    assert [season.weights[place] for place in (8, 9, 10, 11, 12)] == [0.0, 1.0, 2.0, 1.0, 0.0]


def test_the_newest_week_counts_for_three_tenths() -> None:
    """Ten, then twenty: 0.7 * 10 + 0.3 * 20 is 13, of which the hour keeps half."""
    two = {**week(10.0), **week(20.0, begins=FIRST + WEEK_HOURS)}
    season = learn(two, FIRST, FIRST + 2 * WEEK_HOURS, UTC)
    assert season.weights[10] == pytest.approx(6.5)


def test_shares_follow_the_weights() -> None:
    """Half of the middle hour is a quarter of the day's spending; before its neighbour nothing is due."""
    season = learn(week(4.0), FIRST, FIRST + WEEK_HOURS, UTC)
    day = (MONDAY, MONDAY + 86_400)
    assert season.share(*day, MONDAY, MONDAY + 9 * HOUR) == 0.0
    assert season.share(*day, MONDAY, MONDAY + 10 * HOUR) == pytest.approx(0.25)
    assert season.share(*day, MONDAY + 10 * HOUR, MONDAY + 10 * HOUR + 1800) == pytest.approx(0.25)


def test_a_window_in_which_nothing_is_ever_spent_is_flat() -> None:
    """The night alone, of a balance that only lives by day."""
    season = learn(week(4.0), FIRST, FIRST + WEEK_HOURS, UTC)
    assert season.share(MONDAY, MONDAY + 4 * HOUR, MONDAY, MONDAY + HOUR) == pytest.approx(0.25)


def test_a_stretch_may_begin_before_its_window() -> None:
    """Two hours of a flat day are a twelfth of it, also where one of them is yesterday's."""
    assert Season(UTC).share(MONDAY, MONDAY + 86_400, MONDAY - HOUR, MONDAY + HOUR) == pytest.approx(1 / 12)


def test_spending_of_a_part_of_an_hour() -> None:
    """As if it were spent evenly."""
    hours = {FIRST: 4.0, FIRST + 1: 8.0}
    assert spent(hours, MONDAY + 1800, MONDAY + HOUR + 900) == pytest.approx(2.0 + 2.0)
