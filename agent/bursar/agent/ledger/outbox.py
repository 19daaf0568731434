"""Which alerts wait to be told, and what became of those that were?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlite_utils import Database


@dataclass(frozen=True, slots=True)
class Alert:
    """One step of one balance for one channel: told once, however often the step is crossed."""

    balance: str
    step: str
    channel: str
    created_ns: int
    payload: Mapping[str, Any]
    tries: int = 0
    next_try_ns: int = 0
    sent_ns: int | None = None
    last_error: str | None = None


def raise_alert(
    db: Database, *, balance: str, step: str, channel: str, payload: Mapping[str, Any], now_ns: int
) -> bool:
    """Put an alert into the outbox; false where this step of this balance is already there or told."""
    cursor = db.conn.execute(
        "INSERT INTO alerts (balance, step, channel, state, created_ns, next_try_ns, payload) "
        "VALUES (?, ?, ?, 'pending', ?, ?, ?) ON CONFLICT DO NOTHING",
        [balance, step, channel, now_ns, now_ns, json.dumps(dict(payload))],
    )
    return cursor.rowcount == 1


def due(db: Database, now_ns: int, *, limit: int = 50) -> list[Alert]:
    """Alerts to be told now, the oldest first."""
    return _found(db, "WHERE state = 'pending' AND next_try_ns <= ? ORDER BY created_ns LIMIT ?", now_ns, limit)


def recent(db: Database, since_ns: int) -> list[Alert]:
    """Alerts raised since an instant, the newest first, told or not."""
    return _found(db, "WHERE created_ns >= ? ORDER BY created_ns DESC, balance, step, channel", since_ns)


def mark_sent(db: Database, alert: Alert, now_ns: int) -> None:
    """Note that the channel took it."""
    db.conn.execute(
        "UPDATE alerts SET state = 'sent', tries = tries + 1, sent_ns = ?, last_error = NULL "
        "WHERE balance = ? AND step = ? AND channel = ?",
        [now_ns, alert.balance, alert.step, alert.channel],
    )


def mark_failed(db: Database, alert: Alert, error: str, *, next_try_ns: int) -> None:
    """Note that the channel did not take it, and when to try again."""
    db.conn.execute(
        "UPDATE alerts SET tries = tries + 1, last_error = ?, next_try_ns = ? "
        "WHERE balance = ? AND step = ? AND channel = ? AND state = 'pending'",
        [error, next_try_ns, alert.balance, alert.step, alert.channel],
    )


def _found(db: Database, where: str, *values: int) -> list[Alert]:
    columns = [field.name for field in fields(Alert)]
    rows = db.conn.execute(f"SELECT {', '.join(columns)} FROM alerts {where}", values).fetchall()
    found = (dict(zip(columns, row, strict=True)) for row in rows)
    return [Alert(**{**row, "payload": json.loads(row["payload"])}) for row in found]
