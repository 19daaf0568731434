"""Which calendar window does an instant fall into, in a named time zone?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

CALENDAR_WINDOWS = ("hour", "day", "week", "month")
"""What `window_at` can cut; other values of `every` have no calendar."""

_HOUR = 3600
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """
    A stretch of time that a balance belongs to: from `start` up to, and without, `end`.

    Both are in UTC, since two local times of one zone compare and subtract as if its clock never changed.
    """

    every: str
    start: datetime
    end: datetime | None
    """None: the window has no end of its own."""

    @property
    def window_id(self) -> str:
        """The start in UTC, as in `2026-11-21T23:00:00Z`: what names this window in every balance and record."""
        return f"{self.start.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def window_at(every: str, at: datetime, tz: tzinfo) -> Window:
    """
    The hour, day, week (from Monday) or month of `tz` that holds the instant `at`.

    The windows of one kind follow each other without gap or overlap. A day lasts from local midnight to the next, so
    23 or 25 hours where the clock changes. Raises ValueError for another `every`, and for an `at` without a zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"a window needs an instant with a time zone, got {at.isoformat()}: pass an aware datetime")
    instant = at.astimezone(UTC)
    if every == "hour":
        start, end = _hour(instant, tz)
    elif every in _FIRST_DAY:
        start, end = _days(instant, tz, _FIRST_DAY[every], _NEXT_FIRST_DAY[every])
    else:
        raise ValueError(f"no calendar window {every!r}: use one of {', '.join(CALENDAR_WINDOWS)}")
    return Window(every, start, end)


def _hour(instant: datetime, tz: tzinfo) -> tuple[datetime, datetime]:
    """
    The elapsed hour that begins when the local clock shows a whole one.

    A change that moves the minutes as well (Lord Howe's half hour) cuts the hour it falls into in two.
    """
    lead = _lead(instant, tz)
    whole = instant.replace(microsecond=0)
    start = whole - timedelta(seconds=(whole.minute * 60 + whole.second + lead) % _HOUR)
    end = start + timedelta(seconds=_HOUR)
    if _lead(start, tz) != lead:
        start = _clock_change(start, whole, tz)
    if _lead(end, tz) != lead:
        end = _clock_change(whole, end, tz)
    return start, end


def _days(
    instant: datetime, tz: tzinfo, first: Callable[[date], date], next_first: Callable[[date], date]
) -> tuple[datetime, datetime]:
    """
    The stretch between two first days around an instant.

    A clock set back across midnight shows yesterday's date for a while; that while belongs to the new day already.
    """
    opening = first(instant.astimezone(tz).date())
    closing = next_first(opening)
    if _midnight(closing, tz) <= instant:
        opening, closing = closing, next_first(closing)
    return _midnight(opening, tz), _midnight(closing, tz)


def _midnight(day: date, tz: tzinfo) -> datetime:
    """The first instant of a local day; where its midnight is skipped, the instant the clock jumps over it."""
    wall = datetime.combine(day, time.min, tz)
    instant = wall.astimezone(UTC)
    if instant.astimezone(tz).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    # In a gap, fold 0 reads the wall clock with the offset before the jump (too late), fold 1 with the one after.
    return _clock_change(wall.replace(fold=1).astimezone(UTC), instant, tz)


def _clock_change(before: datetime, after: datetime, tz: tzinfo) -> datetime:
    """The first second at which the offset of `after` holds, given that it does not yet hold at `before`."""
    offset = after.astimezone(tz).utcoffset()
    low, high = 0, int((after - before) / _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if (before + middle * _SECOND).astimezone(tz).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return before + high * _SECOND


def _lead(instant: datetime, tz: tzinfo) -> int:
    """By how many seconds, under an hour, the local clock is ahead of the hours of UTC."""
    offset = instant.astimezone(tz).utcoffset() or timedelta()
    return int(offset.total_seconds()) % _HOUR


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


_FIRST_DAY: dict[str, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": _monday,
    "month": _first_of_month,
}
_NEXT_FIRST_DAY: dict[str, Callable[[date], date]] = {
    "day": lambda first: first + timedelta(days=1),
    "week": lambda first: first + timedelta(days=7),
    "month": lambda first: _first_of_month(first + timedelta(days=31)),
}
