"""What was asked, served and paid, call by call, as the ledger remembers it?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from sqlite_utils import Database

from bursar.policies.usage import Usage


class Past(NamedTuple):
    """One attempt that counts. Its cost is in nano-dollars, and None where nobody knows it."""

    at_ns: int
    route: str
    model: str
    requested_model: str
    labels: Mapping[str, str]
    cost_nano: int | None
    usage: Usage
    modifiers: tuple[str, ...]
    basis: str = "usage"

    @property
    def counted(self) -> bool:
        """Whether somebody saw what it used, rather than a bound being taken for it."""
        return self.basis in ("usage", "span")


_HOUR_NS = 3_600 * 10**9
_USAGE = tuple(Usage.__dataclass_fields__)
_WHERE = "state IN ('settled', 'orphaned') AND duplicate_of IS NULL AND at_ns >= ? AND at_ns < ?"
_COLUMNS = ", ".join(f"coalesce({name}, 0)" for name in _USAGE)


def count(db: Database, since_ns: int, until_ns: int) -> int:
    """How many there are from one instant to (not including) another; those rolled up are not among them."""
    found: int = db.conn.execute(f"SELECT count(*) FROM attempts WHERE {_WHERE}", [since_ns, until_ns]).fetchone()[0]
    return found


def rolled_up(db: Database, since_ns: int, until_ns: int) -> int:
    """How many calls of that time are kept as sums by the hour alone, and so are not among them; to the hour."""
    hours = since_ns // _HOUR_NS, -(-until_ns // _HOUR_NS)
    sql = "SELECT coalesce(sum(calls), 0) FROM rollups WHERE slot >= ? AND slot < ?"
    found: int = db.conn.execute(sql, hours).fetchone()[0]
    return found


def past_calls(db: Database, since_ns: int, until_ns: int) -> Iterator[Past]:
    """Each of them in order of time, one after the other: never all in memory."""
    rows = db.conn.execute(
        f"SELECT at_ns, route, model, requested_model, labels, cost_nano, modifiers, basis, {_COLUMNS} FROM attempts "
        f"WHERE {_WHERE} ORDER BY at_ns, attempt_id",
        [since_ns, until_ns],
    )
    for at_ns, route, model, requested_model, labels, cost_nano, modifiers, basis, *counts in rows:
        yield Past(
            at_ns,
            route,
            model,
            requested_model or model,
            _labels(labels),
            cost_nano,
            Usage(*counts),
            modifiers_of(modifiers or "[]"),
            basis or "unknown",
        )


@lru_cache(maxsize=4_096)
def _labels(text: str) -> Mapping[str, str]:
    found: dict[str, str] = json.loads(text)
    return found


@lru_cache(maxsize=256)
def modifiers_of(text: str) -> tuple[str, ...]:
    """Those of a charge, from the JSON of its column."""
    return tuple(json.loads(text))
