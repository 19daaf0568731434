"""Where does a window end if it goes on like this, how sure is that, and when is the money gone?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bursar.policies.outlook.course import Course
from bursar.policies.outlook.season import HOUR, Season

EARLIEST = 0.10
"""Which share of the spending must be due before anything is forecast: a few early calls say nothing yet."""
DAMPING = 0.75
"""How much of the rest, taken to go on as it began, is believed: a beginning out of the ordinary fades."""
EDGES = (0.1, 0.9)
FEWEST = 5
"""Windows of the past that a band is learnt from, at least."""


class Band(NamedTuple):
    """Between which multiples of the rest, taken to go on as it began, windows have ended."""

    low: float = 0.5
    high: float = 2.0
    windows: int = 0
    """How many it was learnt from; none: the stated wide one."""


WIDE = Band()


class Past(NamedTuple):
    """One window that is over: what was spent by the same point of it, which share was due then, and in the end."""

    spent: float
    due: float
    end: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the window will have cost at its end, in the limit's unit."""

    amount: int
    low: int
    high: int
    """Four of five windows of the past ended between these two."""
    windows: int
    """How many windows of the past that is about; none: the band is a stated, wide one."""
    due: float
    """Which share of the spending was due when it was made."""
    exhausted_at: int | None
    """When the limit is reached, in seconds since the epoch; None: not within the window."""


def band_of(past: Iterable[Past]) -> Band:
    """What the past says about how far off forecasts are; the wide band where it has fewer than five windows."""
    ratios = sorted(
        (one.end - one.spent) / _straight(one.spent, one.due) for one in past if 0 < one.due < 1 and one.spent > 0
    )
    if len(ratios) < FEWEST:
        return WIDE
    return Band(_quantile(ratios, EDGES[0]), _quantile(ratios, EDGES[1]), len(ratios))


def forecast(course: Course, season: Season, band: Band = WIDE) -> Forecast | None:
    """The forecast of a window: what is spent, and 0.75 of the rest as it began. None before a tenth of it is due."""
    due = course.due(season)
    if due <= EARLIEST:
        return None
    rest = _straight(course.spent, due)
    amount = _whole(course.spent + DAMPING * rest)
    return Forecast(
        amount=amount,
        low=_whole(course.spent + min(band.low, DAMPING) * rest),
        high=_whole(course.spent + max(band.high, DAMPING) * rest),
        windows=band.windows,
        due=due,
        exhausted_at=_exhausted_at(course, season, amount),
    )


def overruns(course: Course, found: Forecast) -> bool:
    """Whether somebody should hear of it: the limit will be passed, and is not yet."""
    return course.spent < course.limit < found.amount


def way_there(course: Course, season: Season, instants: Iterable[int]) -> list[float]:
    """
    Which part of what is still to come is spent by each of these instants, which rise from now to the window's end.

    At `exhausted_at` the forecast that goes this way has come to the limit.
    """
    whole = season.mass(course.now, course.end)
    done, before, parts = 0.0, course.now, list[float]()
    for at in instants:
        done += season.mass(before, at)
        before = at
        parts.append(min(done / whole, 1.0) if whole > 0 else (at - course.now) / max(course.end - course.now, 1))
    return parts


def _straight(spent: float, due: float) -> float:
    """What is still to come if the rest of the window goes on exactly as it began."""
    return max(spent / due - spent, 0.0)


def _exhausted_at(course: Course, season: Season, amount: int) -> int | None:
    """The first whole second at which the forecast has come to the limit; within an hour it is spent evenly."""
    if course.spent >= course.limit:
        return course.now
    if amount <= course.limit:
        return None
    left = season.mass(course.now, course.end)
    if left <= 0:
        return course.end
    wanted = left * (course.limit - course.spent) / (amount - course.spent)
    at = course.now
    while at < course.end:
        following = min((at // HOUR + 1) * HOUR, course.end)
        weight = season.mass(at, following)
        if weight >= wanted and weight > 0:
            return min(math.ceil(at + (following - at) * wanted / weight), course.end)
        wanted -= weight
        at = following
    return course.end


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _whole(amount: float) -> int:
    return round(amount)
