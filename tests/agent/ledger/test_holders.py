"""Claims about processes and their leases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import holders
from bursar.agent.ledger.holders import HolderState
from bursar.policies.protocol import Holder

HOLDER = Holder("h1", 42, "host", 100, "/state/h1.jsonl", "desk")


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def lease(db: Database, key: str = "k") -> tuple[int, int, int]:
    row: tuple[int, int, int] = db.conn.execute(
        "SELECT granted, returned, charged FROM leases WHERE holder = 'h1' AND balance = ?", [key]
    ).fetchone()
    return row


def test_a_process_is_known_from_its_first_message(db: Database) -> None:
    """As it named itself, active, with its newest number and time; a journal once named is not forgotten."""
    assert holders.register(db, HOLDER, seq=3, now_ns=500)
    assert not holders.register(db, replace(HOLDER, journal=None), seq=2, now_ns=400)
    found = holders.find(db, "h1")
    assert found is not None
    assert (found.holder, found.state, found.last_seq, found.last_seen_ns) == (HOLDER, HolderState.ACTIVE, 3, 500)
    assert holders.find(db, "h2") is None


@pytest.mark.parametrize(
    ("state", "seq", "may_ask"),
    [
        (HolderState.ACTIVE, 4, True),
        (HolderState.ACTIVE, 3, False),
        (HolderState.CLOSED, 4, False),
        (HolderState.RECOVERED, 4, False),
    ],
)
def test_who_may_ask_for_money(db: Database, state: HolderState, seq: int, may_ask: bool) -> None:
    """An active incarnation, by a message newer than all before."""
    holders.register(db, HOLDER, seq=3, now_ns=500)
    holders.move(db, "h1", state)
    assert holders.register(db, HOLDER, seq=seq, now_ns=600) is may_ask


def test_what_is_settled_of_some_balances(db: Database) -> None:
    """Of this process alone, and of those it asks for."""
    for holder in ("h1", "h2"):
        for key in ("a", "b"):
            holders.grant(db, holder, key, 10)
    db.conn.execute("UPDATE leases SET charged = 4 WHERE holder = 'h1'")
    holders.take_back(db, "h1", {"a": 6})
    assert holders.settled(db, "h1", ["a", "c"]) == {"a": (6, 4)}


def test_a_recovered_process_stays_recovered(db: Database) -> None:
    """And is no longer among those that may hold money."""
    holders.register(db, HOLDER, seq=1, now_ns=500)
    holders.register(db, replace(HOLDER, id="h2"), seq=1, now_ns=300)
    holders.move(db, "h1", HolderState.CLOSED)
    assert [known.holder.id for known in holders.unfinished(db)] == ["h2", "h1"]
    holders.move(db, "h1", HolderState.RECOVERED)
    holders.move(db, "h1", HolderState.CLOSED)
    assert [known.holder.id for known in holders.unfinished(db)] == ["h2"]


def test_counters_only_grow(db: Database) -> None:
    """Grants add up; what was seen and what came back are merged by maximum."""
    holders.grant(db, "h1", "k", 100)
    holders.grant(db, "h1", "k", 20)
    holders.mend(db, "h1", {"k": 110, "new": 5, "none": 0})
    holders.take_back(db, "h1", {"k": 30, "unheard of": 9})
    holders.take_back(db, "h1", {"k": 10})
    assert lease(db) == (120, 30, 0)
    assert holders.granted(db, "h1") == {"k": 120, "new": 5}
    holders.mend(db, "h1", {"k": 150})
    assert lease(db) == (150, 30, 0)


def test_no_more_comes_back_than_is_out(db: Database) -> None:
    """What was charged is not there to be returned."""
    holders.grant(db, "h1", "k", 100)
    db.conn.execute("UPDATE leases SET charged = 30")
    holders.take_back(db, "h1", {"k": 90})
    assert lease(db) == (100, 70, 30)


@pytest.mark.parametrize(
    ("lent", "after", "touched"),
    [
        (0, (100, 70, 30), {"k"}),
        (25, (100, 45, 30), {"k"}),
        (60, (100, 10, 30), set[str]()),
        (75, (115, 10, 30), {"k"}),
    ],
)
def test_a_gone_process_is_squared_with_what_it_left_in_flight(
    db: Database, lent: int, after: tuple[int, int, int], touched: set[str]
) -> None:
    """What is out afterwards is exactly what its attempts may still cost, also where that is more than before."""
    db.conn.execute(
        "INSERT INTO leases (balance, holder, granted, returned, charged) "
        "VALUES ('k', 'h1', 100, 10, 30), ('k', 'h2', 50, 0, 0)"
    )
    db.conn.execute("INSERT INTO holds VALUES ('k', 'a1', 'h1', 0, ?), ('k', 'b1', 'h2', 0, 7)", [lent])
    assert holders.square(db, "h1") == touched
    assert lease(db) == after


def test_skipped_records_are_counted(db: Database) -> None:
    """Over all messages of a process."""
    holders.register(db, HOLDER, seq=1, now_ns=500)
    holders.count_skipped(db, "h1", 2)
    holders.count_skipped(db, "h1", 1)
    found = holders.find(db, "h1")
    assert found is not None
    assert found.skipped == 3


def test_squaring_some_balances(db: Database) -> None:
    """Of those that are named nothing is left out without a hold; the others stay as they are."""
    holders.register(db, HOLDER, seq=1, now_ns=500)
    for key in ("k", "other"):
        holders.grant(db, "h1", key, 10)
    assert holders.square(db, "h1", ["k", "none"]) == {"k"}
    assert (lease(db), lease(db, "other")) == ((10, 10, 0), (10, 0, 0))
