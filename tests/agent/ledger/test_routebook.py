"""Claims about a route's own rows: the newest calls of exactly that name, and whether there was ever one."""

from __future__ import annotations

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import put, used

from bursar.agent.ledger.routebook import known, last_calls
from bursar.policies.usage import Usage

NOON = 1_795_262_400
SECOND = 10**9


@pytest.fixture
def db() -> Database:
    return fresh.ledger()


def test_the_newest_calls_come_first(db: Database) -> None:
    """Of that route and that time, so many; prompt tokens are of every class; duplicates are left out."""
    for number in range(4):
        put(db, used(f"a{number}", Usage(input=10, cache_read=30, cache_write_5m=2, output=5), at=NOON + number))
    put(db, used("other", Usage(input=1), at=NOON, route="desk.b"))
    db.conn.execute("UPDATE attempts SET duplicate_of = 'a1' WHERE attempt_id = 'a2'")
    db.conn.execute("UPDATE attempts SET duration_ns = 7, failure = 'x' WHERE attempt_id = 'a1'")
    found = last_calls(db, "desk", NOON * SECOND, (NOON + 3) * SECOND, limit=5)
    assert [one.attempt_id for one in found] == ["a1", "a0"]
    assert (found[0].prompt, found[0].cache_read, found[0].output, found[0].duration_ns) == (42, 30, 5, 7)
    assert (found[0].state, found[0].action, found[0].failure) == ("settled", "go", "x")
    assert [one.attempt_id for one in last_calls(db, "desk", 0, 2**62, limit=1)] == ["a3"]


def test_a_route_is_known_by_its_calls_or_by_its_sums(db: Database) -> None:
    """Also long after the calls themselves are rolled up; not by a name that begins like it."""
    put(db, used("a1", Usage(input=10), at=NOON))
    assert (known(db, "desk", 0), known(db, "des", 0), known(db, "desk*", 0)) == (True, False, False)
    db.conn.execute("DELETE FROM attempts")
    assert known(db, "desk", NOON * SECOND)
    assert not known(db, "desk", (NOON + 86_400) * SECOND)
