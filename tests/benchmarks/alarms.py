"""
How often do the rules of the outlook raise a false alarm, and how soon a true one: over simulated months.

Also the step at a loop, by an hour far above the usual. Run as `python -m tests.benchmarks.alarms`; docs/alerts.md has
its tables. Everything is seeded.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import accumulate
from statistics import mean

from rich import box
from rich.console import Console
from rich.table import Table

from bursar.policies.amounts import NANO, Limit
from bursar.policies.outlook.burn import STRETCHES, burning
from bursar.policies.outlook.course import Course
from bursar.policies.outlook.creep import creeping, matters
from bursar.policies.outlook.forecast import forecast, overruns
from bursar.policies.outlook.season import Season, learn
from bursar.policies.outlook.usual import far_above, usual_hour
from bursar.policies.policy import Budget

MICRO = 10**6
STEP = 300
"""Seconds between two looks; the agent looks every minute."""
STEPS_A_DAY = 86_400 // STEP
MONDAY = 1_795_392_000
"""2026-11-23, midnight in UTC."""
LEARNING, WATCHED = 42, 28
"""Days before the rules are judged, and days in which they are."""
DAILY = 100.0
"""What a working day costs, in USD, on average; a weekend's day costs half."""
CALL = 0.05
LOOP_USD_AN_HOUR = 18.0
RUNS = 12
USES = (90, 80, 50)

Slots = list[int]
"""What was spent in each five minutes since `MONDAY`, in millionths of a dollar."""
Change = Callable[[int, float], float]
"""What a trouble makes of the mean of a slot."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm of one name on one day, at the end of a slot."""

    name: str
    slot: int

    @property
    def day(self) -> int:
        return self.slot // STEPS_A_DAY


def shape(hour: int) -> float:
    """What an hour of the day costs beside others: an office that wakes at seven and goes home at seven."""
    return 0.25 + 1.75 * math.exp(-(((hour - 13) / 4.0) ** 2))


_WHOLE = sum(map(shape, range(24)))


def traffic(seed: int, days: int, change: Change = lambda slot, usd: usd) -> Slots:
    """Days of an office: seasonal, each day and hour better or worse than its mean, in calls of some five cents."""
    chance = random.Random(seed)
    slots: Slots = []
    for day in range(days):
        level = DAILY * (0.5 if day % 7 > 4 else 1.0) * chance.lognormvariate(0.0, 0.10)
        for hour in range(24):
            usd = level * shape(hour) / _WHOLE * chance.lognormvariate(0.0, 0.15) / 12
            for _ in range(12):
                expected = change(len(slots), usd)
                slots.append(round(MICRO * chance.gammavariate(expected / CALL, CALL)))
    return slots


def alarms(slots: Slots, limit: int, first_day: int) -> Iterator[Alarm]:
    """What the rules say from a day on, every five minutes, each name once a day."""
    sums = [0, *accumulate(slots)]
    hours = {MONDAY // 3600 + place // 12: float(sum(slots[place : place + 12])) for place in range(0, len(slots), 12)}
    for day in range(first_day, len(slots) // STEPS_A_DAY):
        start = day * STEPS_A_DAY
        days = [sums[at + STEPS_A_DAY] - sums[at] for at in range(0, start, STEPS_A_DAY)]
        crept = creeping(days)
        if crept is not None and matters(crept, Course(limit, 0, start * STEP, (start + STEPS_A_DAY) * STEP, start)):
            yield Alarm("creep", start)
        season = learn(hours, MONDAY // 3600, (MONDAY + start * STEP) // 3600, UTC)
        yield from _of_day(sums, start, limit, season)


def _of_day(sums: Sequence[int], start: int, limit: int, season: Season) -> Iterator[Alarm]:
    begins = MONDAY + start * STEP
    told: set[str] = set()
    for slot in range(start + 1, start + STEPS_A_DAY + 1):
        course = Course(limit, sums[slot] - sums[start], begins, begins + 86_400, MONDAY + slot * STEP)
        lately = {seconds: sums[slot] - sums[slot - seconds // STEP] for seconds in STRETCHES}
        found = forecast(course, season)
        for name, raised in (
            ("burn rate", burning(course, season, lately) is not None),
            ("forecast", found is not None and overruns(course, found)),
        ):
            if raised and name not in told:
                told.add(name)
                yield Alarm(name, slot)


def limit_at(use: int) -> int:
    """The budget of which a working day takes so many percent, in millionths of a dollar."""
    return round(DAILY * MICRO * 100 / use)


@dataclass(frozen=True, slots=True)
class Quiet:
    """What was raised in months without trouble, as sums over the runs."""

    false: int = 0
    """Alarms of all names, but for forecasts of days that did end above the limit."""
    false_forecasts: int = 0
    true_forecasts: int = 0

    def __add__(self, other: Quiet) -> Quiet:
        return Quiet(
            self.false + other.false,
            self.false_forecasts + other.false_forecasts,
            self.true_forecasts + other.true_forecasts,
        )


def quiet_month(seed: int, use: int) -> Quiet:
    """Four weeks after six of learning, with nothing wrong."""
    limit = limit_at(use)
    slots = traffic(seed, LEARNING + WATCHED)
    raised = list(alarms(slots, limit, LEARNING))
    over = {
        day
        for day in range(LEARNING, LEARNING + WATCHED)
        if sum(slots[day * STEPS_A_DAY : (day + 1) * STEPS_A_DAY]) > limit
    }
    forecasts = [alarm for alarm in raised if alarm.name == "forecast"]
    wrong = sum(alarm.day not in over for alarm in forecasts)
    return Quiet(len(raised) - len(forecasts) + wrong, wrong, len(forecasts) - wrong)


def spike(seed: int, use: int) -> int | None:
    """Minutes until eight times the traffic for half an hour is found; None where it is not within two hours."""
    begins = _working_slot(seed)
    return _found(seed, use, begins, 120, lambda slot, usd: usd * 8 if begins <= slot < begins + 6 else usd)


def loop(seed: int, use: int) -> int | None:
    """Minutes until a loop that costs 18 USD an hour is found; None where it is not within eight hours."""
    begins, each = _working_slot(seed), LOOP_USD_AN_HOUR * STEP / 3600
    return _found(seed, use, begins, 480, lambda slot, usd: usd + each if slot >= begins else usd)


def creep(seed: int, use: int) -> float | None:
    """Days until spending that grows by a tenth every day is found; None where it is not within two weeks."""
    begins = LEARNING * STEPS_A_DAY

    def grown(slot: int, usd: float) -> float:
        return usd * 1.1 ** ((slot - begins) // STEPS_A_DAY + 1) if slot >= begins else usd

    raised = alarms(traffic(seed, LEARNING + 14, grown), limit_at(use), LEARNING)
    first = next(raised, None)
    return None if first is None else (first.slot - begins) / STEPS_A_DAY


def unusual(slots: Slots, limit: int, first_day: int) -> Iterator[int]:
    """The slots from a day on at whose end the last hour is far above the usual."""
    sums = [0, *accumulate(slots)]
    hours = {place // 12: sum(slots[place : place + 12]) * NANO // MICRO for place in range(0, len(slots), 12)}
    budget = Budget("day", Limit("usd", limit * NANO // MICRO), "day")
    for slot in range(first_day * STEPS_A_DAY, len(slots)):
        usual = usual_hour(hours, 0, slot // 12)
        spent = (sums[slot + 1] - sums[slot - 11]) * NANO // MICRO
        if usual is not None and spent >= far_above(usual, budget, budget.limit.amount):
            yield slot


def unusual_days(seed: int, use: int) -> int:
    """On how many days of four weeks without trouble an hour was taken for a loop."""
    slots = traffic(seed, LEARNING + WATCHED)
    return len({slot // STEPS_A_DAY for slot in unusual(slots, limit_at(use), LEARNING)})


def night_loop(seed: int, use: int, usd_an_hour: float = LOOP_USD_AN_HOUR) -> int | None:
    """Minutes until a loop that begins at three in the morning is taken for one; None where not within eight hours."""
    begins, each = (LEARNING + seed % 7) * STEPS_A_DAY + 3 * 12, usd_an_hour * STEP / 3600
    slots = traffic(seed, LEARNING + 7, lambda slot, usd: usd + each if slot >= begins else usd)
    first = next((slot for slot in unusual(slots, limit_at(use), LEARNING) if slot >= begins), None)
    minutes = None if first is None else 5 * (first + 1 - begins)
    return minutes if minutes is not None and minutes <= 480 else None


def _working_slot(seed: int) -> int:
    """A moment between nine and three of a working day."""
    chance = random.Random(seed + 10_000)
    return (LEARNING + chance.randrange(5)) * STEPS_A_DAY + chance.randrange(9 * 12, 15 * 12)


def _found(seed: int, use: int, begins: int, patience: int, change: Change) -> int | None:
    day = begins // STEPS_A_DAY
    raised = alarms(traffic(seed, day + 1, change), limit_at(use), day)
    after = (5 * (alarm.slot - begins) for alarm in raised if alarm.slot > begins)
    return next((minutes for minutes in after if minutes <= patience), None)


def main(runs: int = RUNS) -> None:
    """Print the table."""
    table = Table(title=f"Alarms over {runs} simulated months of each kind", title_justify="left", box=box.MARKDOWN)
    for head in ("use of the daily budget", "false a month", "forecast, day ended above / not", "spike x8 for 30 min"):
        table.add_column(head, justify="left")
    table.add_column("loop +18 USD/h")
    table.add_column("creep +10% a day")
    for use in USES:
        quiet = sum((quiet_month(seed, use) for seed in range(runs)), Quiet())
        table.add_row(
            f"{use}%",
            f"{quiet.false / runs:.2f}",
            f"{quiet.true_forecasts / runs:.2f} / {quiet.false_forecasts / runs:.2f}",
            _minutes([spike(seed, use) for seed in range(runs)]),
            _minutes([loop(seed, use) for seed in range(runs)]),
            _days([creep(seed, use) for seed in range(runs)]),
        )
    Console(width=160).print(table)
    table = Table(title="An hour far above the usual, over the same months", title_justify="left", box=box.MARKDOWN)
    for head in ("use of the daily budget", "days a month without trouble", "loop at 3:00, +18 USD/h", "+6 USD/h"):
        table.add_column(head)
    for use in USES:
        table.add_row(
            f"{use}%",
            f"{sum(unusual_days(seed, use) for seed in range(runs)) / runs:.2f}",
            _minutes([night_loop(seed, use) for seed in range(runs)]),
            _minutes([night_loop(seed, use, 6.0) for seed in range(runs)]),
        )
    Console(width=160).print(table)


def _minutes(found: Sequence[int | None]) -> str:
    known = [minutes for minutes in found if minutes is not None]
    if not known:
        return f"0/{len(found)}"
    return f"{mean(known):.0f} min (max {max(known)}) {len(known)}/{len(found)}"


def _days(found: Sequence[float | None]) -> str:
    known = [days for days in found if days is not None]
    return f"{mean(known):.1f} days {len(known)}/{len(found)}" if known else f"0/{len(found)}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
