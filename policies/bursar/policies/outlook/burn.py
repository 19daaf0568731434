"""Is money spent so much faster than usual that somebody should look now?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bursar.policies.outlook.course import LEAST, Course
from bursar.policies.outlook.season import Season

SEASONAL = 0.5
"""How much of what is due in a stretch follows the season; the rest is spread evenly, so that no night is empty."""


class Rule(NamedTuple):
    """More than `rate` over the long stretch, and over the short one, which says that it is still going on."""

    rate: float
    seconds: int
    confirm_seconds: int


RULES = (Rule(3.0, 3600, 300), Rule(8.0, 900, 300))
STRETCHES = tuple(sorted({seconds for rule in RULES for seconds in rule[1:]}))
"""The stretches up to now whose spending the rules ask for, in seconds."""


@dataclass(frozen=True, slots=True)
class Burn:
    """A rule that is met."""

    rate: float
    """How many times faster than a pace that uses up the limit at the window's end, over the rule's long stretch."""
    threshold: float
    seconds: int
    spent: int
    """Within these seconds."""


def burning(course: Course, season: Season, lately: Mapping[int, int]) -> Burn | None:
    """
    The first rule that is met; `lately` has what was spent in each of `STRETCHES` up to now.

    A stretch may reach back before the window: a rate does not begin anew at midnight.
    """
    for rule in RULES:
        amount = lately[rule.seconds]
        if course.limit <= 0 or amount < LEAST * course.limit:
            continue
        rate = burn_rate(course, season, rule.seconds, amount)
        if rate > rule.rate and burn_rate(course, season, rule.confirm_seconds, lately[rule.confirm_seconds]) > (
            rule.rate
        ):
            return Burn(rate, rule.rate, rule.seconds, amount)
    return None


def burn_rate(course: Course, season: Season, seconds: int, spent: int) -> float:
    """What was spent in the last so many seconds, as a multiple of the part of the limit that is due in them."""
    seasonal = season.share(course.start, course.end, course.now - seconds, course.now)
    return spent / (course.limit * (SEASONAL * seasonal + (1 - SEASONAL) * seconds / course.length))
