"""What does an hour like this one usually cost, and from what on is it so much that there must be a loop?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from bursar.policies.amounts import NANO, parse_duration
from bursar.policies.outlook.season import WEEK_HOURS
from bursar.policies.policy import Budget
from bursar.policies.windows import ROLLING

MULTIPLE = 6
"""So many times the usual is far above it."""
LEAST_NANO = NANO
"""Nobody is woken for less than a dollar in an hour, whatever is usual."""
DAYS, WEEKS = 28, 8
"""How many days, and how many of the same weekday, an hour is compared with at most."""
LOOKED_BACK = WEEKS * WEEK_HOURS + 1
"""How many hours before the present one matter."""
HOUR = 3_600
_SECONDS = {"hour": HOUR, "day": 86_400, "week": 604_800, "month": 2_629_746}
"""How long windows of the calendar are; a month the twelfth part of a year."""


def usual_hour(hours: Mapping[int, int], first: int, slot: int) -> int | None:
    """
    What the `slot`-th hour since the epoch usually costs, by what each since `first` did cost; None in the first week.

    The median of the same hour on the days before, or of the same weekday in the weeks before, whichever is more: so
    neither Saturdays nor a job of each Sunday are out of the ordinary. Of each the dearest of three hours around it:
    what begins a little sooner or later, and what a changed clock moves, is usual too.
    """
    if slot - first < WEEK_HOURS:
        return None
    return round(max(median(_around(hours, first, slot, *past)) for past in ((24, DAYS), (WEEK_HOURS, WEEKS))))


def far_above(usual: int, budget: Budget, limit: int) -> int:
    """
    The nano-dollars in an hour from which on a budget of this limit is in a loop.

    Never below a dollar, nor below a pace that only just uses up a limit in money: that is what the limit is for.
    """
    even = 0
    if budget.limit.unit == "usd":
        seconds = _length(budget.every)
        even = int(limit * HOUR / seconds) if seconds else 0
    return max(MULTIPLE * usual, LEAST_NANO, even)


def _around(hours: Mapping[int, int], first: int, slot: int, apart: int, most: int) -> Iterator[int]:
    """What the same hour came to, so many hours apart, back to the first one."""
    for back in range(1, most + 1):
        then = slot - back * apart
        if then < first:
            return
        yield max(hours.get(then + beside, 0) for beside in (-1, 0, 1))


def _length(every: str) -> float | None:
    """How many seconds a window holds; None for a conversation or run, which no clock ends."""
    if every.startswith(ROLLING):
        return parse_duration(every.removeprefix(ROLLING))
    return _SECONDS.get(every)
