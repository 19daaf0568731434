"""Which requests of a session were told one by one, and which only in sums, so that none counts in both?"""

from __future__ import annotations

from sqlite_utils import Database

SLACK_NS = 60 * 10**9
"""How far a request may lie outside of the stretch in which a metric counts it: it is told a moment later."""

SIGHTINGS = """
ALTER TABLE attempts ADD COLUMN told_nano INTEGER;
ALTER TABLE rollups ADD COLUMN told_nano INTEGER NOT NULL DEFAULT 0;
CREATE TABLE sightings (
    session TEXT NOT NULL, summed INTEGER NOT NULL CHECK (summed IN (0, 1)), attempt_id TEXT NOT NULL,
    since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,
    PRIMARY KEY (session, summed, attempt_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sightings_until ON sightings (until_ns);
CREATE TABLE counters (
    stream TEXT PRIMARY KEY, start_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL, value REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_until ON counters (until_ns);
"""


def keep(db: Database, session: str, attempt_id: str, since_ns: int, until_ns: int, *, summed: bool) -> None:
    """Note that a session was told of."""
    db.conn.execute(
        "INSERT INTO sightings (session, summed, attempt_id, since_ns, until_ns) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        [session, int(summed), attempt_id, since_ns, until_ns],
    )


def overlapping(db: Database, session: str, since_ns: int, until_ns: int, *, summed: bool) -> list[str]:
    """The attempts of a session that were told in the other or the same way for about the same stretch of time."""
    found = db.conn.execute(
        "SELECT attempt_id FROM sightings WHERE session = ? AND summed = ? AND until_ns >= ? AND since_ns <= ?",
        [session, int(summed), since_ns - SLACK_NS, until_ns + SLACK_NS],
    ).fetchall()
    return [attempt_id for (attempt_id,) in found]


def increase(db: Database, stream: str, start_ns: int, until_ns: int, value: float) -> tuple[float, int] | None:
    """
    By how much a running total has grown, and since when; None for a point that is no news.

    One with a later start is of a counter that began anew, one with an earlier start came too late.
    """
    known = db.conn.execute("SELECT start_ns, until_ns, value FROM counters WHERE stream = ?", [stream]).fetchone()
    if known is not None and (
        start_ns < known[0] or (start_ns == known[0] and (until_ns <= known[1] or value <= known[2]))
    ):
        return None
    db.conn.execute(
        "INSERT OR REPLACE INTO counters (stream, start_ns, until_ns, value) VALUES (?, ?, ?, ?)",
        [stream, start_ns, until_ns, value],
    )
    if known is None or known[0] != start_ns:
        return value, start_ns
    return value - known[2], known[1]


def prune(db: Database, before_ns: int) -> None:
    """Forget sessions and counters of which nothing was told since."""
    db.conn.execute("DELETE FROM sightings WHERE until_ns < ?", [before_ns])
    db.conn.execute("DELETE FROM counters WHERE until_ns < ?", [before_ns])
