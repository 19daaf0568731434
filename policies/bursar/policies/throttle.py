"""At what pace may a budget be spent once its calls are to be spread?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from fractions import Fraction

from bursar.policies.amounts import Unit, parse_duration
from bursar.policies.outlook.usual import HOUR
from bursar.policies.policy import Step
from bursar.policies.standing import Standing
from bursar.policies.values import value
from bursar.policies.windows import ROLLING

MOST_SECONDS = 10.0
"""What it costs a call at most."""


@value
class Pace:
    """So much a second of what a balance counts, for this process."""

    balance: str
    unit: Unit
    per_second: Fraction


def paces(standings: Iterable[Standing], now: datetime) -> tuple[Pace, ...]:
    """
    The pace of each balance whose calls are to be spread, as of an instant.

    What is left of the limit over what is left of the window, a rolling one's whole length; of a step at a velocity,
    that velocity; of one at a loop, what is no loop yet: so many calls, or so much an hour. Shared evenly by the
    processes that meet its calls. A conversation or run has no clock, and no pace.
    """
    return tuple(pace for standing in standings for pace in _of(standing, now))


def interval(pace: Pace, amount: int) -> float:
    """How many seconds after a call that is expected to use so much the next one may leave."""
    if pace.per_second <= 0:
        return MOST_SECONDS
    return min(float(amount / pace.per_second), MOST_SECONDS)


def _of(standing: Standing, now: datetime) -> Iterator[Pace]:
    for step in standing.due():
        whole = _whole(standing, step, now) if step.does("throttle") else None
        if whole is not None and standing.view is not None:
            yield Pace(standing.key, _unit(standing, step), whole / max(standing.view.processes, 1))


def _unit(standing: Standing, step: Step) -> Unit:
    if step.loop is not None and step.label in standing.looping:
        return "calls"
    return standing.budget.limit.unit if step.share is not None else "usd"


def _whole(standing: Standing, step: Step, now: datetime) -> Fraction | None:
    if step.velocity is not None:
        return Fraction(step.velocity.amount_nano) / Fraction(step.velocity.seconds)
    if step.loop is not None:
        if step.label in standing.looping:
            return Fraction(step.loop.times) / Fraction(step.loop.seconds)
        return Fraction(standing.view.unusual, HOUR) if standing.view and standing.view.unusual is not None else None
    seconds = _seconds_left(standing, now)
    if seconds is None or standing.view is None:
        return None
    return Fraction(max(standing.view.ceiling - standing.view.spent - standing.view.expected, 0)) / seconds


def _seconds_left(standing: Standing, now: datetime) -> Fraction | None:
    every, end = standing.budget.every, standing.window.end
    if every.startswith(ROLLING):
        return Fraction(parse_duration(every.removeprefix(ROLLING)))
    return None if end is None else Fraction(max((end - now).total_seconds(), 1.0))
