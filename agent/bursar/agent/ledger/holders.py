"""Which processes hold leases, and what did each of them give back?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlite_utils import Database

from bursar.policies.protocol import Holder

OWN = "deferrals"
"""
The agent's own id as a holder: what is put off is held by it, not by the process that asked, which may be gone.

It keeps no journal and dies with nobody: what it has in flight goes on with the next agent on the ledger.
"""


class HolderState(StrEnum):
    """The life of one incarnation of a process."""

    ACTIVE = "active"
    CLOSED = "closed"
    """It said goodbye; what it left `sent` waits for its journal to be read."""
    RECOVERED = "recovered"
    """It is gone and its journal is read: nothing is out, and nothing is in flight."""


@dataclass(frozen=True, slots=True)
class Known:
    """A process as last heard of."""

    holder: Holder
    state: HolderState
    last_seq: int
    last_seen_ns: int
    skipped: int
    """Records of it that could not be understood."""


def register(db: Database, holder: Holder, *, seq: int, now_ns: int) -> bool:
    """Note a message of a process; whether it may be granted money: it is active, and this is its newest message."""
    before = find(db, holder.id)
    db.conn.execute(
        """
        INSERT INTO holders (id, pid, host, service, journal, started_ns, last_seq, last_seen_ns, state)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'active')
        ON CONFLICT (id) DO UPDATE SET last_seq = max(last_seq, excluded.last_seq),
            last_seen_ns = max(last_seen_ns, excluded.last_seen_ns), journal = coalesce(excluded.journal, journal)
        """,
        [holder.id, holder.pid, holder.host, holder.service, holder.journal, holder.started_ns, seq, now_ns],
    )
    return before is None or (before.state is HolderState.ACTIVE and seq > before.last_seq)


def find(db: Database, holder_id: str) -> Known | None:
    """One process."""
    return next(iter(_found(db, "WHERE id = ?", [holder_id])), None)


def unfinished(db: Database) -> list[Known]:
    """Processes that may still hold money or have attempts in flight, the longest silent first."""
    return _found(db, "WHERE state != 'recovered' ORDER BY last_seen_ns, id", [])


def move(db: Database, holder_id: str, to: HolderState) -> None:
    """Change where a process stands; one that is recovered stays so."""
    db.conn.execute("UPDATE holders SET state = ? WHERE id = ? AND state != 'recovered'", [to.value, holder_id])


def count_skipped(db: Database, holder_id: str, skipped: int) -> None:
    """Add to the records of a process that could not be understood."""
    db.conn.execute("UPDATE holders SET skipped = skipped + ? WHERE id = ?", [skipped, holder_id])


def granted(db: Database, holder_id: str) -> dict[str, int]:
    """By balance, all that was ever lent to a process, in nano-dollars."""
    return dict(db.conn.execute("SELECT balance, granted FROM leases WHERE holder = ?", [holder_id]).fetchall())


def grant(db: Database, holder_id: str, key: str, amount: int) -> None:
    """Lend."""
    db.conn.execute(
        "INSERT INTO leases (balance, holder, granted) VALUES (?, ?, ?) "
        "ON CONFLICT (balance, holder) DO UPDATE SET granted = granted + excluded.granted",
        [key, holder_id, amount],
    )


def overrun(db: Database, holder_id: str, key: str) -> int:
    """By how much a process has spent more of a balance than it was lent, in nano-dollars: a bound was exceeded."""
    row = db.conn.execute(
        "SELECT charged + returned - granted FROM leases WHERE balance = ? AND holder = ?", [key, holder_id]
    ).fetchone()
    return max(row[0], 0) if row is not None else 0


def mend(db: Database, holder_id: str, seen: Mapping[str, int]) -> None:
    """Raise what was granted to what the process has seen of it: an agent restored from an old copy forgot some."""
    for key, amount in seen.items():
        db.conn.execute(
            "INSERT INTO leases (balance, holder, granted) SELECT ?, ?, ? WHERE ? > 0 "
            "ON CONFLICT (balance, holder) DO UPDATE SET granted = max(granted, excluded.granted)",
            [key, holder_id, amount, amount],
        )


def take_back(db: Database, holder_id: str, returned: Mapping[str, int]) -> None:
    """
    Note what a process has given back, cumulative, merged by maximum.

    Never more than is out: what exceeds it is a charge still on its way, and the next message tells it again.
    """
    for key, amount in returned.items():
        db.conn.execute(
            "UPDATE leases SET returned = max(returned, min(?, granted - charged)) WHERE balance = ? AND holder = ?",
            [amount, key, holder_id],
        )


def square(db: Database, holder_id: str, keys: Iterable[str] | None = None) -> frozenset[str]:
    """
    Make what is out to a process that is gone exactly what its attempts in flight may still cost; of `keys` alone.

    Returns the balances it touched. What came to light later than that (a `sent` record nobody had seen) is granted by
    the fact.
    """
    of = "" if keys is None else " AND balance IN (SELECT value FROM json_each(?))"
    rows = db.conn.execute(
        f"""
        SELECT balance, granted - returned - charged,
            (SELECT coalesce(sum(lent), 0) FROM holds
             WHERE holds.holder = leases.holder AND holds.balance = leases.balance)
        FROM leases WHERE holder = ?{of}
        """,
        [holder_id, *([] if keys is None else [json.dumps(list(keys))])],
    ).fetchall()
    for key, out, due in rows:
        db.conn.execute(
            "UPDATE leases SET returned = returned + ?, granted = granted + ? WHERE balance = ? AND holder = ?",
            [max(out - due, 0), max(due - out, 0), key, holder_id],
        )
    return frozenset(key for key, out, due in rows if out != due)


def _found(db: Database, where: str, values: list[str]) -> list[Known]:
    rows = db.conn.execute(
        "SELECT id, pid, host, started_ns, journal, service, state, last_seq, last_seen_ns, skipped "
        f"FROM holders {where}",
        values,
    ).fetchall()
    return [
        Known(
            holder=Holder(id=row[0], pid=row[1], host=row[2], started_ns=row[3], journal=row[4], service=row[5]),
            state=HolderState(row[6]),
            last_seq=row[7],
            last_seen_ns=row[8],
            skipped=row[9],
        )
        for row in rows
    ]
