"""
What did each route spend lately, and what is in flight: cheap enough to be asked every second?

Every question is a stretch of the sums, of an index, or a small table, however many attempts there are.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from bursar.agent.ledger.flows import FOR_EVER
from bursar.agent.ledger.rollups import MINUTE_NS
from bursar.agent.ledger.sumtables import HOUR, MINUTE


@dataclass(frozen=True, slots=True)
class Spent:
    """What a route spent on a model in a stretch of time. Money in nano-dollars."""

    route: str
    model: str
    calls: int
    nano: int
    unknown: int
    """Charges whose cost nobody knows; they are not in `nano`."""
    cache_read: int
    prompt: int
    """Tokens of the prompts, those read from the cache and written to it included."""


@dataclass(frozen=True, slots=True)
class Flying:
    """What is in flight now, and in how many processes calls are made."""

    holds: int
    held_nano: int
    """What they are expected to cost."""
    processes: int
    waiting_alerts: int


_SPENT = f"""
SELECT route, model, sum(calls), sum(nano), sum(unknown), sum(cache_read),
    sum(input + cache_read + cache_write_5m + cache_write_1h)
FROM (VALUES ({MINUTE}, ?, ?), ({HOUR}, ?, {FOR_EVER})) AS parts JOIN sums
    ON label = '' AND seconds = parts.column1 AND slot >= parts.column2 AND slot < parts.column3
GROUP BY route, model HAVING sum(charges) > 0
"""

_MINUTES = f"""
SELECT route, slot, sum(nano) FROM sums WHERE label = '' AND seconds = {MINUTE} AND slot >= ?
GROUP BY route, slot HAVING sum(nano) != 0
"""


def spent(db: Database, since_ns: int) -> list[Spent]:
    """
    By route and model, of attempts sent from an instant on, which is within the last two days.

    Its minute counts whole, so that nothing within is missed.
    """
    first = since_ns // MINUTE_NS
    hour = -(-first * MINUTE // HOUR)
    return [Spent(*row) for row in db.conn.execute(_SPENT, [first, hour * HOUR // MINUTE, hour]).fetchall()]


def minutes(db: Database, since_ns: int) -> dict[str, dict[int, int]]:
    """By route, nano-dollars in each minute since the epoch, of the last two days; empty ones are left out."""
    found: dict[str, dict[int, int]] = {}
    for route, slot, nano in db.conn.execute(_MINUTES, [since_ns // MINUTE_NS]).fetchall():
        found.setdefault(route, {})[slot] = nano
    return found


def flying(db: Database) -> Flying:
    """What is in flight, as last committed."""
    holds, held = db.conn.execute(
        "SELECT count(*), coalesce(sum(expected_nano), 0) FROM attempts "
        "WHERE state IN ('held', 'sent', 'provisional') AND duplicate_of IS NULL"
    ).fetchone()
    (processes,) = db.conn.execute("SELECT count(*) FROM holders WHERE state = 'active'").fetchone()
    (alerts,) = db.conn.execute("SELECT count(*) FROM alerts WHERE state = 'pending'").fetchone()
    return Flying(holds, held, processes, alerts)


def known_routes(db: Database) -> list[str]:
    """Every route that ever had a charge, by name."""
    return [name for (name,) in db.conn.execute("SELECT DISTINCT route FROM meters ORDER BY route").fetchall()]


def newest_ns(db: Database) -> int | None:
    """When the newest attempt was sent; None where there is none."""
    found: int | None = db.conn.execute("SELECT max(at_ns) FROM attempts").fetchone()[0]
    return found


def recent_models(db: Database, since_ns: int) -> list[str]:
    """Which models served attempts since then; its hour counts whole."""
    rows = db.conn.execute(
        f"SELECT DISTINCT model FROM sums WHERE label = '' AND seconds = {HOUR} AND slot >= ? AND charges > 0 "
        "ORDER BY model",
        [since_ns // (HOUR * 10**9)],
    ).fetchall()
    return [model for (model,) in rows]
