"""Claims about kept advice: the latest is told as it was kept, and of older ones few are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.test_printbook import settled

from bursar.agent.ledger.advicebook import MOST_KEPT, Kept, asked_since, keep, latest

ONE = Kept(9, 1, 7, [{"id": "a1", "saving_nano_usd_per_day": {"from": 2**60 + 1}, "text": "Schön"}])


@pytest.fixture
def db() -> Database:
    return fresh.ledger()


def test_the_latest_is_told_as_it_was_kept(db: Database) -> None:
    """To the nano-dollar, also beyond what a float can hold; what was kept later counts, whatever the clock said."""
    assert latest(db) is None
    keep(db, ONE)
    assert latest(db) == ONE
    keep(db, replace(ONE, at_ns=3, recommendations=[]))
    assert latest(db) == replace(ONE, at_ns=3, recommendations=[])


def test_of_older_ones_the_newest_few_are_kept(db: Database) -> None:
    for number in range(10):
        keep(db, replace(ONE, at_ns=number))
    assert db.conn.execute("SELECT at_ns FROM advice ORDER BY at_ns").fetchall() == [(6,), (7,), (8,), (9,)]
    assert MOST_KEPT == 4


def test_calls_are_new_from_an_instant_on(db: Database) -> None:
    settled(db, "a1", 1_000)
    assert (asked_since(db, 1_000), asked_since(db, 1_001)) == (True, False)
