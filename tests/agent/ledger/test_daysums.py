"""Claims about sums of about a day: to the minute, wherever the day begins, out of few rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, unexplained, used

from bursar.agent.ledger import daysums, usagebook
from bursar.agent.ledger.daysums import Piece, pieces
from bursar.policies.records import Decided
from bursar.policies.usage import Usage

HOUR = 497_280
"""So many hours after the epoch: 2026-09-24T00:00Z."""
AT = HOUR * 3_600
MINUTE = AT // 60


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def hours(first: int, until: int) -> Piece:
    return Piece(3_600, HOUR + first, HOUR + until)


def minutes(first: int, until: int) -> Piece:
    return Piece(60, MINUTE + first, MINUTE + until)


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (0, 7_200, (minutes(0, 0), hours(0, 2), minutes(120, 120))),
        (-1_800, 3_601, (minutes(-30, 0), hours(0, 1), minutes(60, 61))),
        (61, 3_599, (minutes(1, 60),)),
        (0, 0, (minutes(0, 0),)),
    ],
)
def test_a_stretch_is_hours_between_minutes(since: int, until: int, found: tuple[Piece, ...]) -> None:
    """The minutes that its ends fall into count whole; without a whole hour in it, it is minutes only."""
    assert pieces((AT + since) * SECOND, (AT + until) * SECOND) == found


def test_a_total_to_the_minute(db: Database) -> None:
    """1,000 tokens at 4 USD per million are 0.004 USD: of five calls those three that lie in it; a refusal beside."""
    for name, at in (("before", -61), ("a", -60), ("b", 0), ("c", 3_660), ("after", 3_720)):
        put(db, used(name, Usage(input=1_000), at=AT + at))
    put(db, [Decided("d", (AT + 5) * SECOND, "desk", OPUS, "block", "spent")])
    put(db, unexplained("u", None, at=AT))
    found = daysums.total(db, (AT - 60) * SECOND, (AT + 3_700) * SECOND)
    assert (found.nano, found.calls, found.refusals, found.unknown) == (12_000_000, 4, 1, 1)
    assert daysums.total(db, 0, 60 * SECOND).charges == 0


def test_groups_are_those_of_the_attempts(db: Database) -> None:
    """The same charges, tokens and costs as a count of the attempts finds, once those of several pieces are added."""
    put(db, used("a", Usage(input=1_000, output=5), at=AT - 60, model=SONNET, requested=OPUS, action="downgrade"))
    put(db, used("b", Usage(input=2_000, cache_read=10), at=AT + 10, batch=True))
    put(db, unexplained("u", None, at=AT))
    since_ns, until_ns = (AT - 120) * SECOND, (AT + 3_700) * SECOND
    found, counted = daysums.groups(db, since_ns, until_ns), usagebook.groups_of(db, since_ns, until_ns)
    assert sorted(found, key=str) == sorted(counted, key=str)
    assert [group.charges for group in found] == [1, 1]
