"""Which window does a call fall into: of the calendar of a time zone, rolling, or its own conversation or run?"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from bursar.policies.balancekey import encoded

CALENDAR_WINDOWS = ("hour", "day", "week", "month")
"""What `window_at` can cut; other values of `every` have no calendar."""
OWN_WINDOWS = ("conversation", "run")
"""Windows that begin and end with what a call belongs to."""
ROLLING = "rolling "

_HOUR = 3600
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


class Anchor(NamedTuple):
    """Where calendar windows begin."""

    weekday: int = 0
    """Of a week; Monday is 0."""
    day: int = 1
    """Of a month, from 1 to 31; a shorter month begins on its last."""
    minute: int = 0
    """Of the local day, from 0 to 1439."""


MIDNIGHT = Anchor()
"""Weeks from Monday, months from the first, days from midnight."""


@dataclass(frozen=True, slots=True)
class Window:
    """
    A stretch of time that a balance belongs to: from `start` up to, and without, `end`.

    Both are in UTC, since two local times of one zone compare and subtract as if its clock never changed.
    """

    every: str
    start: datetime | None
    """None: no instant is its first, and `name` names it."""
    end: datetime | None
    """None: the window has no end of its own."""
    name: str = ""

    @property
    def window_id(self) -> str:
        """
        What names this window in every balance and record.

        The start in UTC, as in `2026-11-21T23:00:00Z`; else `rolling 24h`, or `conversation` or `run` and its id.
        """
        if self.start is None:
            return self.name
        return f"{self.start.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def rolling_window(every: str) -> Window:
    """The one window of `rolling 24h` and its like: what counts in it is what was sent within that long."""
    return Window(every, None, None, every)


def own_window(every: str, whose: str) -> Window:
    """The window of one conversation or run. What has a meaning in keys is percent-encoded."""
    return Window(every, None, None, f"{every} {encoded(whose)}")


def window_at(every: str, at: datetime, tz: tzinfo, anchor: Anchor = MIDNIGHT) -> Window:
    """
    The hour, day, week or month of `tz` that holds the instant `at`.

    The windows of one kind follow each other without gap or overlap. A day lasts from its local beginning to the next,
    so 23 or 25 hours where the clock changes. Raises ValueError for another `every`, and for an `at` without a zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"a window needs an instant with a time zone, got {at.isoformat()}: pass an aware datetime")
    instant = at.astimezone(UTC)
    if every == "hour":
        start, end = _hour(instant, tz)
    elif every in _FIRST_DAY:
        start, end = _days(instant, tz, every, anchor)
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


def _days(instant: datetime, tz: tzinfo, every: str, anchor: Anchor) -> tuple[datetime, datetime]:
    """
    The stretch between two first days around an instant.

    A clock set back across the turn shows yesterday's date for a while; that while belongs to the new day already.
    """
    wall = instant.astimezone(tz).replace(tzinfo=None) - timedelta(minutes=anchor.minute)
    opening = _FIRST_DAY[every](wall.date(), anchor)
    if _turn(opening, tz, anchor) > instant:
        opening = _FIRST_DAY[every](opening - _DAY, anchor)
    closing = _NEXT_FIRST_DAY[every](opening, anchor)
    if _turn(closing, tz, anchor) <= instant:
        opening, closing = closing, _NEXT_FIRST_DAY[every](closing, anchor)
    return _turn(opening, tz, anchor), _turn(closing, tz, anchor)


def _turn(day: date, tz: tzinfo, anchor: Anchor) -> datetime:
    """When a day begins; where its first minute is skipped, the instant the clock jumps over it."""
    wall = datetime.combine(day, time(*divmod(anchor.minute, 60)), tz)
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


def _first_of_week(day: date, anchor: Anchor) -> date:
    return day - timedelta(days=(day.weekday() - anchor.weekday) % 7)


def _in_month(day: date, anchor: Anchor) -> date:
    """The anchor's day in the month of `day`, or that month's last."""
    return day.replace(day=min(anchor.day, monthrange(day.year, day.month)[1]))


def _first_of_month(day: date, anchor: Anchor) -> date:
    here = _in_month(day, anchor)
    return here if here <= day else _in_month(day.replace(day=1) - _DAY, anchor)


def _next_first_of_month(first: date, anchor: Anchor) -> date:
    return _in_month(first.replace(day=1) + timedelta(days=31), anchor)


_FIRST_DAY: dict[str, Callable[[date, Anchor], date]] = {
    "day": lambda day, _: day,
    "week": _first_of_week,
    "month": _first_of_month,
}
_NEXT_FIRST_DAY: dict[str, Callable[[date, Anchor], date]] = {
    "day": lambda first, _: first + _DAY,
    "week": lambda first, _: first + timedelta(days=7),
    "month": _next_first_of_month,
}
