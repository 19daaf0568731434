"""Which alerts wait to be told, what became of those that were, and of every try?"""

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


@dataclass(frozen=True, slots=True)
class Try:
    """One try to tell an alert."""

    balance: str
    step: str
    channel: str
    begun_ns: int
    ended_ns: int | None
    outcome: str
    """`accepted`, `failed`, or `begun`: on its way, or broken off by the agent's end."""
    said: str | None
    """What the channel answered."""


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


def is_raised(db: Database, *, balance: str, step: str, channel: str) -> bool:
    """Whether this step of this balance is in the outbox already, told or not."""
    row = db.conn.execute(
        "SELECT 1 FROM alerts WHERE balance = ? AND step = ? AND channel = ?", [balance, step, channel]
    ).fetchone()
    return row is not None


def due(db: Database, now_ns: int, *, limit: int = 50) -> list[Alert]:
    """Alerts to be told now, the oldest first: so many of each channel, that one which takes none starves no other."""
    return _found(
        db,
        """
        WHERE (balance, step, channel) IN (
            SELECT balance, step, channel FROM (
                SELECT *, row_number() OVER (PARTITION BY channel ORDER BY created_ns) AS place
                FROM alerts WHERE state = 'pending' AND next_try_ns <= ?
            ) WHERE place <= ?
        ) ORDER BY created_ns
        """,
        now_ns,
        limit,
    )


def recent(db: Database, since_ns: int) -> list[Alert]:
    """Alerts raised since an instant, the newest first, told or not."""
    return _found(db, "WHERE created_ns >= ? ORDER BY created_ns DESC, balance, step, channel", since_ns)


def begin(db: Database, alert: Alert, now_ns: int) -> int:
    """Note that it is being told, before it is; the number under which the outcome belongs."""
    cursor = db.conn.execute(
        "INSERT INTO deliveries (balance, step, channel, begun_ns, outcome) VALUES (?, ?, ?, ?, 'begun')",
        [*_key(alert), now_ns],
    )
    return int(cursor.lastrowid or 0)


def mark_sent(db: Database, alert: Alert, now_ns: int, *, number: int | None = None, said: str | None = None) -> None:
    """Note that the channel took it, which try it was, and what it answered."""
    db.conn.execute(
        "UPDATE alerts SET state = 'sent', tries = tries + 1, sent_ns = ?, last_error = NULL "
        "WHERE balance = ? AND step = ? AND channel = ?",
        [now_ns, *_key(alert)],
    )
    _end(db, number, "accepted", said, now_ns)


def mark_failed(
    db: Database, alert: Alert, error: str, *, next_try_ns: int, number: int | None = None, now_ns: int = 0
) -> None:
    """Note that the channel did not take it, and when to try again."""
    db.conn.execute(
        "UPDATE alerts SET tries = tries + 1, last_error = ?, next_try_ns = ? "
        "WHERE balance = ? AND step = ? AND channel = ? AND state = 'pending'",
        [error, next_try_ns, *_key(alert)],
    )
    _end(db, number, "failed", error, now_ns)


def put_off(db: Database, channel: str, until_ns: int) -> None:
    """Leave a channel alone that asked for it: nothing is tried there before an instant."""
    db.conn.execute(
        "UPDATE alerts SET next_try_ns = ? WHERE channel = ? AND state = 'pending' AND next_try_ns < ?",
        [until_ns, channel, until_ns],
    )


def tries(db: Database, since_ns: int) -> list[Try]:
    """Every try to tell an alert that was raised since an instant, in the order they began."""
    columns = [field.name for field in fields(Try)]
    rows = db.conn.execute(
        f"SELECT {', '.join(columns)} FROM deliveries JOIN alerts USING (balance, step, channel) "
        "WHERE created_ns >= ? ORDER BY id",
        [since_ns],
    ).fetchall()
    return [Try(*row) for row in rows]


def _end(db: Database, number: int | None, outcome: str, said: str | None, now_ns: int) -> None:
    db.conn.execute(
        "UPDATE deliveries SET ended_ns = ?, outcome = ?, said = ? WHERE id = ?", [now_ns, outcome, said, number]
    )


def _key(alert: Alert) -> tuple[str, str, str]:
    return alert.balance, alert.step, alert.channel


def _found(db: Database, where: str, *values: int) -> list[Alert]:
    columns = [field.name for field in fields(Alert)]
    rows = db.conn.execute(f"SELECT {', '.join(columns)} FROM alerts {where}", values).fetchall()
    found = (dict(zip(columns, row, strict=True)) for row in rows)
    return [Alert(**{**row, "payload": json.loads(row["payload"])}) for row in found]
