"""What did the advice come to when it was last worked out?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

MOST_KEPT = 4
"""Of older ones nobody asks."""

ADVICE = """
CREATE TABLE advice (
    id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,
    recommendations TEXT NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """All that was advised at one time, of calls from one instant up to another. Instants in nanoseconds."""

    at_ns: int
    """When it was ready."""
    since_ns: int
    until_ns: int
    """When it was begun: calls from then on are not in it."""
    recommendations: Sequence[Mapping[str, Any]]
    """As `bursar advise --all --json` says each: see `recommendation.to_json`. What was dismissed is among them."""


def keep(db: Database, kept: Kept) -> None:
    """Keep it as the latest, and of those before it the newest few."""
    text = json.dumps(list(kept.recommendations), separators=(",", ":"))
    db.conn.execute(
        "INSERT INTO advice (at_ns, since_ns, until_ns, recommendations) VALUES (?, ?, ?, ?)",
        [kept.at_ns, kept.since_ns, kept.until_ns, text],
    )
    db.conn.execute("DELETE FROM advice WHERE id NOT IN (SELECT id FROM advice ORDER BY id DESC LIMIT ?)", [MOST_KEPT])


def latest(db: Database) -> Kept | None:
    """The one that was kept last; None before the first."""
    row = db.conn.execute(
        "SELECT at_ns, since_ns, until_ns, recommendations FROM advice ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Kept(row[0], row[1], row[2], json.loads(row[3]))


def asked_since(db: Database, since_ns: int) -> bool:
    """Whether any call was sent since: without one there is nothing new to advise."""
    return db.conn.execute("SELECT 1 FROM attempts WHERE at_ns >= ? LIMIT 1", [since_ns]).fetchone() is not None
