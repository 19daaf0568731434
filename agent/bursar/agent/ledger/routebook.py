"""What is known of one route beside its sums: whether there is such a route, and which calls were its last?"""

from __future__ import annotations

from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger.rollups import HOUR_NS


class LastCall(NamedTuple):
    """One attempt, as a line of a list. Money in nano-dollars, durations in nanoseconds; None where not known."""

    attempt_id: str
    at_ns: int
    model: str
    requested_model: str
    state: str
    action: str
    cost_nano: int | None
    prompt: int
    """Tokens that went in, by every class."""
    cache_read: int
    output: int
    duration_ns: int | None
    failure: str | None


def last_calls(db: Database, route: str, since_ns: int, until_ns: int, *, limit: int) -> list[LastCall]:
    """The newest attempts of a stretch of time; what another source told a second time is left out."""
    rows = db.conn.execute(
        """
        SELECT attempt_id, at_ns, coalesce(model, ''), coalesce(requested_model, ''), state, action, cost_nano,
            coalesce(input, 0) + coalesce(cache_read, 0) + coalesce(cache_write_5m, 0) + coalesce(cache_write_1h, 0),
            coalesce(cache_read, 0), coalesce(output, 0), duration_ns, failure
        FROM attempts INDEXED BY attempts_route
        WHERE route = ? AND at_ns >= ? AND at_ns < ? AND duplicate_of IS NULL
        ORDER BY at_ns DESC LIMIT ?
        """,
        [route, since_ns, until_ns, limit],
    ).fetchall()
    return [LastCall._make(row) for row in rows]


def known(db: Database, route: str, since_ns: int) -> bool:
    """Whether there is a route of that name: an attempt of any time, or anything since an instant in the sums."""
    if db.conn.execute("SELECT 1 FROM attempts WHERE route = ? LIMIT 1", [route]).fetchone() is not None:
        return True
    sql = "SELECT 1 FROM sums WHERE label = '' AND seconds = 3600 AND slot >= ? AND route = ? LIMIT 1"
    return db.conn.execute(sql, [since_ns // HOUR_NS, route]).fetchone() is not None
