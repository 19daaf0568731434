"""Claims about forecasts: what is spent and three quarters of the rest, when the money is gone, and how sure it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from bursar.policies.outlook.course import Course
from bursar.policies.outlook.forecast import WIDE, Band, Past, band_of, forecast, overruns, way_there
from bursar.policies.outlook.season import Season

FLAT = Season(UTC)
MIDNIGHT = 1_795_392_000
SIX = MIDNIGHT + 6 * 3600
DAY = Course(limit=100, spent=40, start=MIDNIGHT, end=MIDNIGHT + 86_400, now=SIX)
"""40 of 100 are spent when a quarter of a flat day is over: as it began, 120 more would follow."""


def test_three_quarters_of_the_rest() -> None:
    """40 and 0.75 * 120 are 130; without a past the rest is taken to be between half and twice as it began."""
    found = forecast(DAY, FLAT)
    assert found is not None
    assert (found.amount, found.low, found.high, found.windows, found.due) == (130, 100, 280, 0, 0.25)


def test_when_the_money_is_gone() -> None:
    """90 more in 18 hours: the 60 that are left last for 12 of them."""
    found = forecast(DAY, FLAT)
    assert found is not None
    assert found.exhausted_at == SIX + 12 * 3600


def test_the_way_there() -> None:
    """Of 18 flat hours six are a third; where the money is gone two thirds of the 90 that come are spent."""
    found = forecast(DAY, FLAT)
    assert found is not None
    assert found.exhausted_at is not None
    parts = way_there(DAY, FLAT, [SIX, SIX + 6 * 3600, found.exhausted_at, DAY.end])
    assert parts == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_the_way_there_where_nothing_is_ever_spent_any_more() -> None:
    """Evenly: a season whose hours up to the window's end weigh nothing says nothing."""
    mornings = Season(UTC, tuple(1.0 if hour % 24 < 6 else 0.0 for hour in range(168)))
    assert way_there(DAY, mornings, [SIX, SIX + 9 * 3600, DAY.end]) == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(
    ("spent", "limit", "gone"), [(20, 100, None), (20, 65, None), (100, 100, SIX), (120, 100, SIX), (40, 130, None)]
)
def test_when_it_is_not(spent: int, limit: int, gone: int | None) -> None:
    """Never within the window, or already."""
    found = forecast(replace(DAY, spent=spent, limit=limit), FLAT)
    assert found is not None
    assert found.exhausted_at == gone


@pytest.mark.parametrize(("hours", "made"), [(2.4, False), (2.5, True)])
def test_not_before_a_tenth_is_due(hours: float, made: bool) -> None:
    """A tenth of a day is 2.4 hours; more than that must be due."""
    found = forecast(replace(DAY, now=MIDNIGHT + int(hours * 3600)), FLAT)
    assert (found is not None) is made


@pytest.mark.parametrize(
    ("spent", "limit", "told"),
    [(40, 129, True), (40, 130, False), (40, 131, False), (100, 100, False), (101, 100, False)],
)
def test_told_where_it_passes_the_limit(spent: int, limit: int, told: bool) -> None:
    """Beyond the limit, to the last unit; where the limit is gone already its steps have said so."""
    course = replace(DAY, spent=spent, limit=limit)
    found = forecast(course, FLAT)
    assert found is not None
    assert overruns(course, found) is told


def test_a_season_moves_it() -> None:
    """Where all that is ever spent is spent by six in the morning, nothing is to come."""
    season = Season(UTC, tuple(float(place % 24 < 6) for place in range(168)))
    found = forecast(DAY, season)
    assert found is not None
    assert (found.amount, found.exhausted_at, found.due) == (40, None, 1.0)


def past(*ratios: float) -> list[Past]:
    """Windows with 10 spent when a quarter was due, so 30 more as they began, that came to these multiples of it."""
    return [Past(10.0, 0.25, 10.0 + 30.0 * ratio) for ratio in ratios]


def test_the_band_comes_from_the_past() -> None:
    """Of eleven windows the second and the tenth are the tenth and ninetieth percentile."""
    band = band_of(past(*(number / 10 for number in range(5, 16))))
    assert [band.low, band.high] == pytest.approx([0.6, 1.4])
    assert band.windows == 11
    found = forecast(DAY, FLAT, band)
    assert found is not None
    assert (found.low, found.amount, found.high, found.windows) == (112, 130, 208, 11)


def test_few_windows_make_no_band() -> None:
    """Four are too few, and those that say nothing do not count."""
    silent = [Past(0.0, 0.25, 50.0), Past(10.0, 0.0, 50.0), Past(10.0, 1.0, 50.0)]
    assert band_of([*past(1, 1, 1, 1), *silent]) == WIDE
    assert band_of([*past(1, 1, 1, 1, 1), *silent]) == Band(1.0, 1.0, 5)


def test_the_forecast_lies_within_its_band() -> None:
    """Also where every window of the past ended higher than it."""
    found = forecast(DAY, FLAT, Band(1.0, 1.5, 9))
    assert found is not None
    assert (found.low, found.amount, found.high) == (130, 130, 220)
