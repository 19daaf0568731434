"""
What did each route spend lately, and what is in flight: cheap enough to be asked every second?

Every question is a stretch of an index or a small table, however many attempts there are.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

MINUTE_NS = 60 * 10**9


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


_LATELY = """
FROM attempts INDEXED BY attempts_at
WHERE at_ns >= ? AND at_ns < ? AND state IN ('settled', 'orphaned') AND duplicate_of IS NULL
"""

_SPENT = f"""
SELECT route, model, count(DISTINCT CASE call_id WHEN '' THEN attempt_id ELSE call_id END),
    coalesce(sum(cost_nano), 0), sum(cost_nano IS NULL), coalesce(sum(cache_read), 0),
    coalesce(sum(coalesce(input, 0) + coalesce(cache_read, 0) + coalesce(cache_write_5m, 0)
        + coalesce(cache_write_1h, 0)), 0)
{_LATELY} GROUP BY route, model
"""

_MINUTES = f"""
SELECT route, at_ns / {MINUTE_NS}, sum(cost_nano) {_LATELY} AND cost_nano IS NOT NULL GROUP BY 1, 2
"""


def spent(db: Database, since_ns: int, until_ns: int) -> list[Spent]:
    """By route and model, of attempts sent from one instant up to, and without, another."""
    return [Spent(*row) for row in db.conn.execute(_SPENT, [since_ns, until_ns]).fetchall()]


def minutes(db: Database, since_ns: int, until_ns: int) -> dict[str, dict[int, int]]:
    """By route, nano-dollars in each minute since the epoch; empty minutes are left out."""
    found: dict[str, dict[int, int]] = {}
    for route, slot, nano in db.conn.execute(_MINUTES, [since_ns, until_ns]).fetchall():
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
    """Which models served the last attempts since then, of ten thousand at most."""
    rows = db.conn.execute(
        "SELECT DISTINCT model FROM (SELECT model FROM attempts WHERE at_ns >= ? ORDER BY at_ns DESC LIMIT 10000) "
        "ORDER BY model",
        [since_ns],
    ).fetchall()
    return [model for (model,) in rows]
