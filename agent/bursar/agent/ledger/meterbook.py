"""What do the sums that are kept for frequent readers stand at?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger import balances, identity
from bursar.policies.amounts import Unit
from bursar.policies.balancekey import parse_balance_key

MOST_SERIES = 200
"""Routes and models that are told one by one: the first ones that the ledger met, so that none changes its place."""
MOST_BALANCES = 100
OTHER = "other"
_LOOKED_AT = 10
"""Of rolling balances so many times as are told: how full each is takes a look of its own."""
_DAY_NS = 86_400 * 10**9
CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


@dataclass(frozen=True, slots=True)
class Spend:
    """What a route spent on a model since the ledger began. Money in nano-dollars."""

    route: str
    model: str
    up: int
    down: int
    """What corrections took back; spent is the difference."""
    charges: int
    estimated: int
    unknown: int
    tokens: tuple[int, ...]
    """In the order of `CLASSES`."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A balance of now, in its unit."""

    budget: str
    scope: str
    unit: Unit
    limit: int
    spent: int
    held: int
    lent: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything, as last committed."""

    spend: tuple[Spend, ...]
    decisions: tuple[tuple[str, str, int], ...]
    """Action, reason, and how often."""
    standings: tuple[Standing, ...]
    holds: int
    held_nano: int
    alerts: int
    oldest_alert_ns: int | None
    processes: int
    commits: int


def read(db: Database, now_ns: int) -> Reading:
    """All of it, in a time that does not depend on how many charges there are."""
    holds, held = db.conn.execute(
        "SELECT count(*), coalesce(sum(expected_nano), 0) FROM attempts "
        "WHERE state IN ('held', 'sent', 'provisional') AND duplicate_of IS NULL"
    ).fetchone()
    alerts, oldest = db.conn.execute("SELECT count(*), min(created_ns) FROM alerts WHERE state = 'pending'").fetchone()
    (processes,) = db.conn.execute("SELECT count(*) FROM holders WHERE state = 'active'").fetchone()
    return Reading(
        spend=_spend(db),
        decisions=tuple(db.conn.execute("SELECT action, reason, count FROM decision_meters").fetchall()),
        standings=standings(db, now_ns),
        holds=holds,
        held_nano=held,
        alerts=alerts,
        oldest_alert_ns=oldest,
        processes=processes,
        commits=identity.read(db)[1],
    )


def _spend(db: Database) -> tuple[Spend, ...]:
    """A row for each of the first, and one for all the others together."""
    first = f"id IN (SELECT id FROM meters ORDER BY id LIMIT {MOST_SERIES})"
    sums = ", ".join(
        f"sum({name})" for name in ("nano_up", "nano_down", "charges", "estimated_nano", "unknown", *CLASSES)
    )
    rows = db.conn.execute(f"SELECT route, model, {sums} FROM meters WHERE {first} GROUP BY id ORDER BY id").fetchall()
    others = db.conn.execute(f"SELECT {sums} FROM meters WHERE NOT ({first})").fetchone()
    if others[0] is not None:
        rows.append((OTHER, OTHER, *others))
    return tuple(_of_row(row) for row in rows)


def _of_row(row: Sequence[Any]) -> Spend:
    route, model, up, down, charges, estimated, unknown, *tokens = row
    return Spend(route, model, up, down, charges, estimated, unknown, tuple(tokens))


def fullest(db: Database, now_ns: int, *, most: int = MOST_BALANCES) -> list[str]:
    """
    Keys of the fullest balances of calendar windows, then of the rolling ones that lately moved, the latest first.

    Those of conversations and runs come and go with each, and are left to `bursar budgets`.
    """
    spent = "CASE unit WHEN 'tokens' THEN spent_tokens WHEN 'calls' THEN calls ELSE spent_nano END"
    current = db.conn.execute(
        f"""
        SELECT key FROM balances WHERE window_end > ? AND window_start <= ? AND limit_amount IS NOT NULL
        ORDER BY CAST({spent} AS REAL) / max(limit_amount, 1) DESC, key LIMIT ?
        """,
        [now_ns, now_ns, most],
    ).fetchall()
    endless = db.conn.execute(
        "SELECT key FROM balances WHERE window_end IS NULL AND moved_ns >= ? AND limit_amount IS NOT NULL "
        "ORDER BY moved_ns DESC LIMIT ?",
        [now_ns - _DAY_NS, _LOOKED_AT * most],
    ).fetchall()
    rolling = [key for (key,) in endless if balances.rolls(key) is not None]
    return [*(key for (key,) in current), *rolling]


def standings(db: Database, now_ns: int, *, most: int = MOST_BALANCES) -> tuple[Standing, ...]:
    """The fullest balances, each budget's scope once, the fullest first."""
    found: dict[tuple[str, str], Standing] = {}
    for key in fullest(db, now_ns, most=most):
        standing = _standing(db, key, now_ns)
        if standing is not None:
            found.setdefault((standing.budget, standing.scope), standing)
    return tuple(sorted(found.values(), key=_fullness, reverse=True)[:most])


def _standing(db: Database, key: str, now_ns: int) -> Standing | None:
    balance = balances.read(db, key, now_ns)
    if balance is None or balance.limit is None:
        return None
    parsed = parse_balance_key(key)
    held = balances.expected(db, key)
    return Standing(parsed.budget, parsed.scope, parsed.unit, balance.limit, balance.spent, held, balance.out, key)


def _fullness(standing: Standing) -> float:
    return standing.spent / max(standing.limit, 1)
