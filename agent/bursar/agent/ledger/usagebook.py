"""What was used at which terms, in a stretch of time or in a balance, summed up by what sets its price?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from bursar.policies.usage import Usage


@dataclass(frozen=True, slots=True)
class Group:
    """Charges of one model, day, price row and set of modifiers. Money in nano-dollars."""

    model: str
    requested_model: str
    action: str
    day: int
    """In UTC, since the epoch."""
    price_id: str
    modifiers: tuple[str, ...]
    charges: int
    cost: int
    usage: Usage

    @property
    def prompt(self) -> int:
        """The mean prompt in tokens; the price row is the same for all, so its length tier is too."""
        return self.usage.prompt // self.charges


_CLASSES = tuple(Usage.__dataclass_fields__)
_GROUP = f"""
    SELECT model, requested_model, action, attempts.at_ns / 86400000000000 AS day, coalesce(price_id, '') AS price_id,
        coalesce(modifiers, '[]') AS modifiers, count(*), sum(cost_nano),
        {", ".join(f"coalesce(sum({name}), 0)" for name in _CLASSES)}
"""
_KNOWN = "state IN ('settled', 'orphaned') AND duplicate_of IS NULL AND cost_nano IS NOT NULL"
_BY = "GROUP BY model, requested_model, action, day, price_id, modifiers"


def groups_of(db: Database, since_ns: int, until_ns: int) -> list[Group]:
    """All charges of a stretch of time whose cost is known."""
    return _groups(
        db,
        f"{_GROUP} FROM attempts WHERE {_KNOWN} AND attempts.at_ns >= ? AND attempts.at_ns < ? {_BY}",
        [since_ns, until_ns],
    )


def downgraded_of(db: Database, key: str) -> list[Group]:
    """The charges of a balance that were served by a smaller model than was asked for, because a budget said so."""
    return _groups(
        db,
        f"{_GROUP} FROM postings JOIN attempts USING (attempt_id) "
        f"WHERE balance = ? AND {_KNOWN} AND action = 'downgrade' {_BY}",
        [key],
    )


def _groups(db: Database, sql: str, values: Sequence[Any]) -> list[Group]:
    return [group(*row) for row in db.conn.execute(sql, values).fetchall()]


def group(
    model: str,
    requested: str,
    action: str,
    day: int,
    price_id: str,
    modifiers: str,
    charges: int,
    cost: int,
    *counts: int,
) -> Group:
    """One, from a row that ends with its usage, class by class."""
    usage = Usage(*counts)
    return Group(model, requested, action, day, price_id, tuple(json.loads(modifiers)), charges, cost, usage)
