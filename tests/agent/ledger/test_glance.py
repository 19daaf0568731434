"""Claims about what is read of the ledger every second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger.booked import put, unexplained

from bursar.agent.ledger import glance, schema
from bursar.agent.ledger.glance import Flying, Spent
from bursar.policies.records import Sent

SECOND = 10**9
NOON = 1_795_262_400
OPUS, HAIKU = "claude-opus-5-5", "claude-haiku-5-5"


@pytest.fixture
def db() -> Iterator[Database]:
    """Three charges of a minute, one of the next, one of unknown cost, and a call in flight."""
    with Database(memory=True) as memory:
        schema.upgrade(memory)
        put(
            memory,
            unexplained("a1", 5, at=NOON, route="desk", model=OPUS),
            unexplained("a2", 6, at=NOON + 59, route="desk", model=OPUS),
            unexplained("a3", 7, at=NOON + 60, route="desk", model=HAIKU),
            unexplained("a4", None, at=NOON + 61, route="mail", model=OPUS),
            [Sent("a5", "a5", (NOON + 62) * SECOND, "mail", OPUS, OPUS, expected_nano=9)],
        )
        yield memory


def test_spent_by_route_and_model(db: Database) -> None:
    """From one instant up to, and without, another; an unknown cost is counted beside, and what is in flight is not."""
    found = glance.spent(db, NOON * SECOND, (NOON + 100) * SECOND)
    assert found == [
        Spent("desk", HAIKU, 1, 7, 0, 0, 0),
        Spent("desk", OPUS, 2, 11, 0, 0, 0),
        Spent("mail", OPUS, 1, 0, 1, 0, 0),
    ]
    assert [one.calls for one in glance.spent(db, NOON * SECOND, (NOON + 59) * SECOND)] == [1]


def test_by_the_minute(db: Database) -> None:
    """Minutes since the epoch in which something was spent."""
    first = NOON // 60
    assert glance.minutes(db, NOON * SECOND, (NOON + 100) * SECOND) == {"desk": {first: 11, first + 1: 7}}


def test_what_is_in_flight(db: Database) -> None:
    """One call that is expected to cost 9 nano-dollars."""
    assert glance.flying(db) == Flying(1, 9, 0, 0)


def test_routes_that_are_known(db: Database) -> None:
    """Those of which there is a charge."""
    assert glance.known_routes(db) == ["desk", "mail"]


@pytest.mark.parametrize("sql", ["_SPENT", "_MINUTES"])
def test_only_the_stretch_that_is_asked_for_is_read(db: Database, sql: str) -> None:
    """By the index over when attempts were sent: a long history costs nothing."""
    plan = db.conn.execute(f"EXPLAIN QUERY PLAN {getattr(glance, sql)}", [0, 1]).fetchall()
    assert plan[0][3] == "SEARCH attempts USING INDEX attempts_at (at_ns>? AND at_ns<?)"
