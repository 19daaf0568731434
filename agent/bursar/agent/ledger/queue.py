"""Who waits for money of a balance, since when, and for how much? Who came later does not overtake."""

from __future__ import annotations

from sqlite_utils import Database

LIVE_NS = 150_000_000
"""How long after its last ask an attempt is taken to wait still: it asks every 20 ms."""
LARGER = 4
"""Who wants more than so many times as much is overtaken all the same: one large call would hold up many small ones."""


def ahead(db: Database, key: str, attempt_id: str, least: int, now_ns: int) -> int:
    """What those want at least, in the balance's unit, who have waited for it longer than this attempt."""
    total: int = db.conn.execute(
        """
        SELECT coalesce(sum(least), 0) FROM waiting
        WHERE balance = :key AND attempt_id != :attempt AND abs(seen_ns - :now) < :live AND least <= :most
            AND since_ns < coalesce((
                SELECT since_ns FROM waiting
                WHERE balance = :key AND attempt_id = :attempt AND abs(seen_ns - :now) < :live
            ), :now)
        """,
        {"key": key, "attempt": attempt_id, "live": LIVE_NS, "now": now_ns, "most": LARGER * least},
    ).fetchone()[0]
    return total


def wait(db: Database, key: str, attempt_id: str, least: int, now_ns: int) -> None:
    """Note that an attempt waits for a balance; one that has waited until now keeps its place."""
    db.conn.execute(
        """
        INSERT INTO waiting (balance, attempt_id, since_ns, seen_ns, least) VALUES (:key, :attempt, :now, :now, :least)
        ON CONFLICT (balance, attempt_id) DO UPDATE SET seen_ns = :now, least = :least,
            since_ns = CASE WHEN abs(seen_ns - :now) < :live THEN since_ns ELSE :now END
        """,
        {"key": key, "attempt": attempt_id, "now": now_ns, "least": least, "live": LIVE_NS},
    )


def served(db: Database, attempt_id: str, now_ns: int) -> None:
    """It waits no more, nor do those that nothing was heard of."""
    db.conn.execute("DELETE FROM waiting WHERE attempt_id = ? OR abs(seen_ns - ?) >= ?", [attempt_id, now_ns, LIVE_NS])
