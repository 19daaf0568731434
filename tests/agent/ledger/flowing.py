"""Flows for tests: what a scope spent, put down by the hour and by the minute as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlite_utils import Database

_FLOWS = """
CREATE TABLE IF NOT EXISTS flows (
    budget TEXT NOT NULL, scope TEXT NOT NULL, seconds INTEGER NOT NULL, slot INTEGER NOT NULL,
    nano INTEGER NOT NULL, tokens INTEGER NOT NULL, calls INTEGER NOT NULL,
    PRIMARY KEY (budget, scope, seconds, slot)
) STRICT, WITHOUT ROWID
"""


def spend(db: Database, budget: str, scope: str, at: Mapping[int, int], *, tokens: int = 0, calls: int = 1) -> None:
    """Spend so many nano-dollars at each of these instants, in seconds since the epoch."""
    db.conn.execute(_FLOWS)
    for second, nano in at.items():
        for seconds in (60, 3600):
            db.conn.execute(
                """
                INSERT INTO flows VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
                SET nano = nano + excluded.nano, tokens = tokens + excluded.tokens, calls = calls + excluded.calls
                """,
                [budget, scope, seconds, second // seconds, nano, tokens, calls],
            )
