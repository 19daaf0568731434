"""How does a balance come out, judged by what its budget's scope has spent before?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from sqlite_utils import Database

from bursar.agent.ledger import history
from bursar.agent.ledger.history import HOUR, Purse
from bursar.policies.outlook.course import Course
from bursar.policies.outlook.creep import Creep, creeping
from bursar.policies.outlook.forecast import WIDE, Band, Forecast, Past, band_of, forecast
from bursar.policies.outlook.season import Season, learn, spent

WEEKS = 12
"""How far back is looked: older weeks would count for less than two percent of a season."""
LONG_WINDOWS = ("day", "week", "month")
"""What has a trend: shorter windows are over before one shows, and others have no calendar."""
_PAST = {"day": (timedelta(days=1), 28), "week": (timedelta(weeks=1), 8)}
"""How long windows of the past are, and how many are compared; a month has too few of them for a band."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a scope's past says, up to the midnight before."""

    zone: tzinfo
    first: int
    """The hour since the epoch in which anything is known of first."""
    until: int
    """The hour at which today begins."""
    hours: dict[int, int]
    season: Season
    days: tuple[int, ...]
    """What each day cost, oldest first; without the first, of which only a part may be known."""
    creep: Creep | None
    """What yesterday brought about."""

    def band(self, every: str, course: Course) -> Band:
        """How far off a forecast at the same point of the windows before would have been."""
        return band_of(self._past(every, course))

    def _past(self, every: str, course: Course) -> Iterator[Past]:
        length, most = _PAST.get(every, (timedelta(), 0))
        begins = datetime.fromtimestamp(course.start, self.zone)
        for back in range(1, most + 1):
            start = int((begins - back * length).astimezone(UTC).timestamp())
            end = int((begins - (back - 1) * length).astimezone(UTC).timestamp())
            if start < self.first * HOUR:
                return
            at = min(start + course.now - course.start, end)
            due = self.season.share(start, end, start, at)
            yield Past(spent(self.hours, start, at), due, spent(self.hours, start, end))


def remember(db: Database, purse: Purse, now: int, zone: tzinfo) -> Memory:
    """What the ledger knows of a scope before today; `now` in seconds since the epoch."""
    until = _midnight(now, zone) // HOUR
    began = history.first_hour(db, purse)
    first = until if began is None else min(max(began, until - WEEKS * 168), until)
    hours = history.hourly(db, purse, first, until)
    days = _days(hours, first, until, zone)
    return Memory(zone, first, until, hours, learn(hours, first, until, zone), days, creeping(days))


class Memories:
    """
    What is known of scopes' pasts: kept until the next midnight, and their bands until the next minute.

    At most of so many scopes at a time, where `most` says how many.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._kept: dict[Purse, Memory] = {}
        self._bands: dict[tuple[Purse, str], tuple[Course, Band]] = {}
        self._day: date | None = None

    def of(self, db: Database, purse: Purse, now: int, zone: tzinfo) -> Memory:
        """The memory of a scope; `now` in seconds since the epoch."""
        today = datetime.fromtimestamp(now, zone).date()
        if today != self._day or (self._most is not None and len(self._kept) > self._most):
            self._kept, self._bands, self._day = {}, {}, today
        memory = self._kept.get(purse)
        if memory is None or memory.zone != zone:
            memory = self._kept[purse] = remember(db, purse, now, zone)
        return memory

    def forecast(self, memory: Memory, purse: Purse, every: str, course: Course) -> Forecast | None:
        """As `forecast_of`, with the band of this minute worked out once."""
        if every not in LONG_WINDOWS:
            return None
        at, band = self._bands.get((purse, every), (None, WIDE))
        if at is None or (at.start, at.end, at.now) != (course.start, course.end, course.now):
            band = memory.band(every, course)
            self._bands[purse, every] = course, band
        return forecast(course, memory.season, band)


def forecast_of(memory: Memory, every: str, course: Course) -> Forecast | None:
    """The forecast of a day, week or month with the band of its past; None where it is too early for one."""
    if every not in LONG_WINDOWS:
        return None
    return forecast(course, memory.season, memory.band(every, course))


def _days(hours: dict[int, int], first: int, until: int, zone: tzinfo) -> tuple[int, ...]:
    sums: dict[date, int] = {}
    for slot in range(first, until):
        day = datetime.fromtimestamp(slot * HOUR + HOUR // 2, zone).date()
        sums[day] = sums.get(day, 0) + hours.get(slot, 0)
    return tuple(sums.values())[1:]


def _midnight(now: int, zone: tzinfo) -> int:
    local = datetime.fromtimestamp(now, zone)
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
