"""Does spending rise day by day, too little each day for anybody to see?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bursar.policies.outlook.course import LEAST, Course

SLACK = 0.10
"""What a day may exceed its usual by, as a logarithm, without adding to the sum: k."""
ALARM = 0.50
"""The sum from which on it is told: h."""
SETTLED = 14
"""Days before any is judged: from the third week on."""
WEEKS = 8
"""How far back the same weekdays are compared with."""
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Creep:
    """The last day, at which the sum of excesses has come to the alarm. Amounts in the limit's unit."""

    total: float
    day: int
    usual: int
    """The median of the same weekdays before it."""
    days: int
    """Over how many days the sum has built up."""


def creeping(days: Sequence[int]) -> Creep | None:
    """
    Whether the last of these days brings the sum to the alarm; all days whole, one after the other, oldest first.

    Each day adds the logarithm of what it is to the median of its weekday, less 0.10, and the sum never falls below
    nothing. After an alarm it begins anew.
    """
    total, since = 0.0, 0
    found: Creep | None = None
    for place in range(SETTLED, len(days)):
        usual = _usual(days, place)
        total = max(0.0, total + _excess(days[place], usual))
        since = since + 1 if total > 0 else 0
        found = None
        if total > ALARM:
            found = Creep(total, days[place], round(usual), since)
            total, since = 0.0, 0
    return found


def matters(found: Creep, course: Course) -> bool:
    """Whether the day came to enough of the limit's part for a day: pennies are no news, whatever they rise by."""
    return found.day >= LEAST * course.limit * _DAY / course.length


def _usual(days: Sequence[int], place: int) -> float:
    return median(days[place - 7 * back] for back in range(1, min(place // 7, WEEKS) + 1))


def _excess(day: int, usual: float) -> float:
    if usual <= 0:
        return 0.0  # nothing to compare with: a beginning is not a creep
    return math.log(day / usual) - SLACK if day > 0 else -math.inf
