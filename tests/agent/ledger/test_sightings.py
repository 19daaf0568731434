"""Claims about sightings: who was told of when, and how far a running total has come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import sightings
from bursar.agent.ledger.sightings import SLACK_NS

START = 10**12


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (START, START, True),
        (START - SLACK_NS - 10, START - SLACK_NS - 1, False),
        (START - SLACK_NS - 10, START - SLACK_NS, True),
        (START + SLACK_NS + 5, START + SLACK_NS + 9, True),
        (START + SLACK_NS + 6, START + SLACK_NS + 9, False),
    ],
)
def test_stretches_overlap_within_a_minute(db: Database, since: int, until: int, found: bool) -> None:
    """The one that is kept lasts five nanoseconds."""
    sightings.keep(db, "s", "a", START, START + 5, summed=True)
    assert sightings.overlapping(db, "s", since, until, summed=True) == (["a"] if found else [])


def test_sessions_and_ways_are_apart(db: Database) -> None:
    """Another session, or the same told the other way, is not found; twice kept is once there."""
    for _ in range(2):
        sightings.keep(db, "s", "a", START, START, summed=False)
    assert sightings.overlapping(db, "s", START, START, summed=False) == ["a"]
    assert sightings.overlapping(db, "s", START, START, summed=True) == []
    assert sightings.overlapping(db, "t", START, START, summed=False) == []


def test_a_total_grows_from_where_it_was(db: Database) -> None:
    """The first value counts from its start, the next from the one before; what is older or no more is no news."""
    assert sightings.increase(db, "c", 1, 10, 5.0) == (5.0, 1)
    assert sightings.increase(db, "c", 1, 20, 8.0) == (3.0, 10)
    assert sightings.increase(db, "c", 1, 20, 9.0) is None
    assert sightings.increase(db, "c", 1, 30, 8.0) is None
    assert sightings.increase(db, "c", 25, 40, 2.0) == (2.0, 25)
    assert sightings.increase(db, "c", 1, 50, 99.0) is None


def test_what_is_old_is_forgotten(db: Database) -> None:
    """By when the last of it was."""
    for number, name in enumerate(("old", "new")):
        sightings.keep(db, name, "a", 0, START + number, summed=False)
        sightings.increase(db, name, 0, START + number, 1.0)
    sightings.prune(db, START + 1)
    assert db.conn.execute("SELECT session FROM sightings").fetchall() == [("new",)]
    assert db.conn.execute("SELECT stream FROM counters").fetchall() == [("new",)]
