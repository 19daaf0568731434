"""When in the week is money usually spent, and so which share of a window's spending is due by now?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache

HOUR = 3600
WEEK_HOURS = 168
NEWEST = 0.3
"""What the newest week counts for in an hour's mean; the weeks before share the rest, the older the less."""

FLAT_WEIGHTS = (1.0,) * WEEK_HOURS


@dataclass(frozen=True, slots=True)
class Season:
    """What each hour of the week weighs, from Monday midnight of `zone` on; only proportions matter."""

    zone: tzinfo
    weights: Sequence[float] = FLAT_WEIGHTS

    @property
    def learnt(self) -> bool:
        """Whether it says more than that every hour is like every other."""
        return self.weights is not FLAT_WEIGHTS

    def mass(self, since: float, until: float) -> float:
        """The weight of a stretch of time; instants in seconds since the epoch."""
        return sum(self.weights[hour_of_week(slot, self.zone)] * part for slot, part in _hours(since, until))

    def share(self, start: float, end: float, since: float, until: float) -> float:
        """
        Which part of what is spent from `start` to `end` is due from `since` to `until`.

        The latter may begin before the former. Flat where nothing is ever spent between `start` and `end`.
        """
        whole = self.mass(start, end)
        return self.mass(since, until) / whole if whole > 0 else (until - since) / (end - start)


@lru_cache(maxsize=1 << 16)
def hour_of_week(slot: int, zone: tzinfo) -> int:
    """The hour of the week, from 0, in which the middle of the `slot`-th hour since the epoch lies."""
    local = datetime.fromtimestamp(slot * HOUR + HOUR // 2, zone)
    return local.weekday() * 24 + local.hour


def learn(hours: Mapping[int, float], first: int, until: int, zone: tzinfo) -> Season:
    """
    The season of a balance's past: what was spent by hour since the epoch, from `first` up to, and without, `until`.

    Hours that are not in `hours` cost nothing. Each hour of the week is a mean in which the newest week counts for
    0.3, smoothed 1-2-1 over its neighbours. Flat until a whole week is known, and where nothing was spent.
    """
    if until - first < WEEK_HOURS:
        return Season(zone)
    means: list[float | None] = [None] * WEEK_HOURS
    for slot in range(first, until):
        place, amount = hour_of_week(slot, zone), hours.get(slot, 0.0)
        mean = means[place]
        means[place] = amount if mean is None else (1 - NEWEST) * mean + NEWEST * amount
    known = [mean or 0.0 for mean in means]
    weights = tuple(
        (known[place - 1] + 2 * known[place] + known[(place + 1) % WEEK_HOURS]) / 4 for place in range(WEEK_HOURS)
    )
    return Season(zone, weights) if any(weights) else Season(zone)


def spent(hours: Mapping[int, float], since: float, until: float) -> float:
    """What was spent in a stretch of time, by hour; of an hour in part as if it were spent evenly."""
    return sum(hours.get(slot, 0.0) * part for slot, part in _hours(since, until))


def _hours(since: float, until: float) -> Iterator[tuple[int, float]]:
    """The hours since the epoch that a stretch of time touches, and which part of each it takes."""
    slot = int(since // HOUR)
    while slot * HOUR < until:
        part = min(until, (slot + 1) * HOUR) - max(since, slot * HOUR)
        if part > 0:
            yield slot, part / HOUR
        slot += 1
