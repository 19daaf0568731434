"""Claims about history: spending is found by scope, by hour and by minute, in the limit's unit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.flowing import spend

from bursar.agent.ledger.history import HOUR, Purse, first_hour, hourly, lately, minutely

NOON = 1_795_262_400
SLOT = NOON // HOUR
PURSE = Purse("day", "tenant=acme")


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        spend(memory, "day", "tenant=acme", {NOON: 5, NOON + 59: 7, NOON + 60: 11, NOON - 3600: 13}, tokens=2)
        spend(memory, "day", "tenant=zeta", {NOON: 1000})
        spend(memory, "other", "tenant=acme", {NOON: 1000, NOON - 9 * 3600: 1})
        yield memory


def test_hours(db: Database) -> None:
    """From one up to, and without, another; empty ones are left out."""
    assert hourly(db, PURSE, SLOT - 5, SLOT + 1) == {SLOT - 1: 13, SLOT: 23}
    assert hourly(db, PURSE, SLOT - 5, SLOT) == {SLOT - 1: 13}


@pytest.mark.parametrize(
    ("purse", "spent"),
    [
        (PURSE, 23),
        (Purse("day", "tenant=acme", "tokens"), 6),
        (Purse("day", "tenant=acme", "calls"), 3),
        (Purse("day", "tenant=zeta"), 1000),
        (Purse("day", ""), 0),
    ],
)
def test_each_scope_in_its_unit(db: Database, purse: Purse, spent: int) -> None:
    """Nobody pays for another, and tokens are no money."""
    assert hourly(db, purse, SLOT, SLOT + 1).get(SLOT, 0) == spent


def test_minutes(db: Database) -> None:
    """Likewise."""
    assert minutely(db, PURSE, NOON // 60 - 60, NOON // 60 + 1) == {NOON // 60 - 60: 13, NOON // 60: 12}


def test_stretches_up_to_now(db: Database) -> None:
    """The minute that is under way is in none of them; the one before is in all."""
    found = lately(db, PURSE, NOON + 120, (60, 120, 3600))
    assert found == {60: 11, 120: 23, 3600: 23}
    assert lately(db, PURSE, NOON + 60, (60, 3660)) == {60: 12, 3660: 25}


def test_the_first_hour(db: Database) -> None:
    """Of this scope alone; none where nothing was ever spent."""
    assert first_hour(db, PURSE) == SLOT - 1
    assert first_hour(db, Purse("day", "tenant=new")) is None
