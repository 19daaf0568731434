"""Claims about the usual hour: weekends and Sunday's job are usual, a loop at night is not, the young are spared."""

from __future__ import annotations

import pytest

from bursar.policies.amounts import Limit
from bursar.policies.outlook.usual import far_above, usual_hour
from bursar.policies.policy import Budget

USD = 10**9
WEEK, DAY = 168, 24
NOW = 100 * WEEK
"""Any hour; the hours before it are counted back from here."""


def past(*back: int, cost: int = 5 * USD) -> dict[int, int]:
    """Hours before now in which so much was spent each."""
    return {NOW - hours: cost for hours in back}


def test_nobody_knows_in_the_first_week() -> None:
    """Then there is one hour to compare with at least, of each kind."""
    assert usual_hour({}, NOW - WEEK + 1, NOW) is None
    assert usual_hour({}, NOW - WEEK, NOW) == 0


@pytest.mark.parametrize(
    ("hours", "usual"),
    [
        ({}, 0),
        (past(*range(DAY, 29 * DAY, DAY)), 5),  # every day
        (past(*(DAY * day for day in range(1, 29) if day % 7 not in (2, 3))), 5),  # but on two days of a week
        (past(*range(WEEK, 9 * WEEK, WEEK)), 5),  # on one day of the week
        (past(*(WEEK * week + 1 for week in range(1, 9))), 5),  # an hour sooner
        (past(*(WEEK * week - 1 for week in range(1, 9))), 5),  # an hour later
        (past(*(WEEK * week - 2 for week in range(1, 9))), 0),
        (past(WEEK), 0),  # one night of eight weeks
        (past(DAY, 2 * DAY, 3 * DAY), 0),  # three nights of four weeks
        (past(1, 2, 3), 0),  # today's own hours
    ],
)
def test_what_is_usual_at_an_hour(hours: dict[int, int], usual: int) -> None:
    """After nine weeks, in dollars: the same hour of most days, or of the same weekday, and an hour to either side."""
    assert usual_hour(hours, NOW - 9 * WEEK, NOW) == usual * USD


@pytest.mark.parametrize(
    ("usual", "limit", "every", "mark"),
    [
        (2 * USD, Limit("usd", 24 * USD), "day", 12 * USD),
        (0, Limit("usd", 240 * USD), "day", 10 * USD),  # what lasts the day, hour by hour
        (0, Limit("usd", 2 * USD), "day", USD),  # a dollar in any case
        (0, Limit("usd", 168 * 3 * USD), "week", 3 * USD),
        (0, Limit("usd", 12 * USD), "rolling 6h", 2 * USD),
        (0, Limit("usd", 12 * USD), "hour", 12 * USD),
        (0, Limit("usd", 900 * USD), "conversation", USD),
        (0, Limit("tokens", 10**15), "day", USD),
    ],
)
def test_far_above_it(usual: int, limit: Limit, every: str, mark: int) -> None:
    """Six times; never less than a dollar, nor than what the limit lasts for."""
    assert far_above(usual, Budget("b", limit, every), limit.amount) == mark
