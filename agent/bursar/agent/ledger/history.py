"""What did a budget's scope spend, hour by hour and minute by minute?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlite_utils import Database

from bursar.policies.amounts import Unit

MINUTE, HOUR = 60, 3600
"""Lengths of the slots that `flows` keeps, in seconds."""
_COLUMNS: dict[Unit, str] = {"usd": "nano", "tokens": "tokens", "calls": "calls"}


class Purse(NamedTuple):
    """A budget for one scope value, across its windows."""

    budget: str
    scope: str
    unit: Unit = "usd"


def hourly(db: Database, purse: Purse, first: int, until: int) -> dict[int, int]:
    """What was spent in each hour since the epoch, from one up to, and without, another; empty hours are left out."""
    return _slots(db, purse, HOUR, first, until)


def minutely(db: Database, purse: Purse, first: int, until: int) -> dict[int, int]:
    """The same by minute; minutes are kept for as long as `flows.MINUTES_SECONDS` at least."""
    return _slots(db, purse, MINUTE, first, until)


def lately(db: Database, purse: Purse, until: int, stretches: Iterable[int]) -> dict[int, int]:
    """What was spent in each of these stretches up to an instant, all in whole minutes; seconds since the epoch."""
    wanted = tuple(stretches)
    end = until // MINUTE
    minutes = _slots(db, purse, MINUTE, end - max(wanted) // MINUTE, end)
    return {
        seconds: sum(amount for slot, amount in minutes.items() if slot >= end - seconds // MINUTE)
        for seconds in wanted
    }


def first_hour(db: Database, purse: Purse) -> int | None:
    """The hour since the epoch in which it first spent anything."""
    found: int | None = db.conn.execute(
        "SELECT min(slot) FROM flows WHERE budget = ? AND scope = ? AND seconds = ?", [purse.budget, purse.scope, HOUR]
    ).fetchone()[0]
    return found


def _slots(db: Database, purse: Purse, seconds: int, first: int, until: int) -> dict[int, int]:
    rows = db.conn.execute(
        f"SELECT slot, {_COLUMNS[purse.unit]} FROM flows "
        "WHERE budget = ? AND scope = ? AND seconds = ? AND slot >= ? AND slot < ?",
        [purse.budget, purse.scope, seconds, first, until],
    )
    return dict(rows.fetchall())
