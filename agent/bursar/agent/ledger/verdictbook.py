"""Which recommendations does somebody not want, and why?"""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database


@dataclass(frozen=True, slots=True)
class Dismissal:
    """A recommendation that is not shown any more."""

    id: str
    route: str
    model: str
    at_ns: int
    reason: str
    by: str
    text: str
    """What it said."""


def dismiss(db: Database, one: Dismissal) -> None:
    """Keep that somebody does not want it, whatever was known of it before."""
    db.conn.execute(
        "INSERT OR REPLACE INTO verdicts (id, route, model, state, at_ns, reason, by, detail) "
        "VALUES (?, ?, ?, 'dismissed', ?, ?, ?, ?)",
        [one.id, one.route, one.model, one.at_ns, one.reason, one.by, one.text],
    )


def restore(db: Database, name: str) -> bool:
    """Have it shown again; whether it was dismissed."""
    return db.conn.execute("DELETE FROM verdicts WHERE id = ? AND state = 'dismissed'", [name]).rowcount > 0


def dismissals(db: Database) -> dict[str, Dismissal]:
    """All of them, by the recommendation's id."""
    rows = db.conn.execute(
        "SELECT id, route, model, at_ns, reason, by, detail FROM verdicts WHERE state = 'dismissed' ORDER BY at_ns, id"
    ).fetchall()
    return {row[0]: Dismissal(*row) for row in rows}
