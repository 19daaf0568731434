"""Which batches were sent, how far is each, and what became of every attempt in it?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlite_utils import Database


class BatchState(StrEnum):
    """Where a batch stands."""

    FORMING = "forming"
    """Calls are being put into it: nothing of it has left."""
    SUBMITTING = "submitting"
    """It is being sent, or may have been: the API has not answered yet."""
    IN_PROGRESS = "in_progress"
    ENDED = "ended"
    """Its results can be read."""
    COLLECTED = "collected"
    """All its results are booked."""
    FAILED = "failed"
    """The API never had it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of ours; `id` is our own name for it, `api_id` the API's."""

    id: str
    api_id: str | None
    credential: str
    betas: str
    state: BatchState
    made_ns: int
    submitted_ns: int | None
    looked_ns: int
    ended_ns: int | None
    items: int
    bytes: int
    counts: Mapping[str, int]
    cancelled_ns: int | None
    reason: str
    """Why it was sent when it was; see `batchflush`."""
    why: str
    """What is wrong with it, in plain words."""


_COLUMNS = tuple(Batch.__dataclass_fields__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM batches"


def add(db: Database, batch: Batch) -> None:
    """Keep a new one."""
    marks = ", ".join("?" for _ in _COLUMNS)
    db.conn.execute(
        f"INSERT INTO batches ({', '.join(_COLUMNS)}) VALUES ({marks})",
        [_column(getattr(batch, name)) for name in _COLUMNS],
    )


def change(db: Database, batch_id: str, **values: Any) -> None:
    """Change columns of one."""
    columns = ", ".join(f"{name} = ?" for name in values)
    db.conn.execute(f"UPDATE batches SET {columns} WHERE id = ?", [*(_column(v) for v in values.values()), batch_id])


def find(db: Database, name: str) -> Batch | None:
    """The one of this id, ours or the API's."""
    return next(iter(_found(db, "WHERE id = ? OR api_id = ?", [name, name])), None)


def unfinished(db: Database) -> list[Batch]:
    """Those about which there is something to do, the oldest first."""
    return _found(db, "WHERE state IN ('forming', 'submitting', 'in_progress', 'ended') ORDER BY made_ns, id", [])


def newest(db: Database, limit: int, *, after: int = 0) -> list[Batch]:
    """The newest of all, but for the first so many."""
    return _found(db, "ORDER BY made_ns DESC, id LIMIT ? OFFSET ?", [limit, after])


def count(db: Database) -> int:
    """How many there are."""
    total: int = db.conn.execute("SELECT count(*) FROM batches").fetchone()[0]
    return total


class Request(NamedTuple):
    """An attempt of a batch; what it cost is in nano-dollars, None while nobody knows."""

    attempt_id: str
    deferral: str
    outcome: str | None
    detail: str
    ended_ns: int | None
    route: str | None
    model: str | None
    cost_nano: int | None
    input: int | None
    output: int | None


def requests(db: Database, batch: str, limit: int, *, after: str = "") -> list[Request]:
    """Attempts of a batch by their ids, from behind one of them on."""
    rows = db.conn.execute(
        "SELECT tries.attempt_id, deferral, outcome, detail, ended_ns, route, model, cost_nano, input, output "
        "FROM tries LEFT JOIN attempts ON attempts.attempt_id = tries.attempt_id "
        "WHERE batch = ? AND tries.attempt_id > ? ORDER BY tries.attempt_id LIMIT ?",
        [batch, after, limit],
    ).fetchall()
    return [Request(*row) for row in rows]


def known(db: Database) -> frozenset[str]:
    """The API's names of all batches that are known to be ours."""
    return frozenset(name for (name,) in db.conn.execute("SELECT api_id FROM batches WHERE api_id IS NOT NULL"))


def took_seconds(db: Database, limit: int = 100) -> list[float]:
    """How long the last batches took from being sent to their end, that nobody cancelled; the newest first."""
    rows = db.conn.execute(
        "SELECT (ended_ns - submitted_ns) / 1e9 FROM batches WHERE ended_ns IS NOT NULL AND submitted_ns IS NOT NULL "
        "AND cancelled_ns IS NULL ORDER BY ended_ns DESC LIMIT ?",
        [limit],
    ).fetchall()
    return [max(float(seconds), 0.0) for (seconds,) in rows]


def add_tries(db: Database, tries: Iterable[tuple[str, str, str | None, int]]) -> None:
    """Note attempts: id, deferral, batch (None for one of its own), and when they were made."""
    db.conn.executemany(
        "INSERT INTO tries (attempt_id, deferral, batch, at_ns) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (attempt_id) DO UPDATE SET batch = excluded.batch",
        list(tries),
    )


def end_try(db: Database, attempt_id: str, outcome: str, *, detail: str = "", now_ns: int) -> bool:
    """Note what became of an attempt; False where that was known already."""
    changed = db.conn.execute(
        "UPDATE tries SET outcome = ?, detail = ?, ended_ns = ? WHERE attempt_id = ? AND outcome IS NULL",
        [outcome, detail, now_ns, attempt_id],
    )
    return changed.rowcount > 0


def open_tries(db: Database, batch: str, limit: int) -> list[str]:
    """Attempts of a batch of which nobody knows yet what became."""
    rows = db.conn.execute(
        "SELECT attempt_id FROM tries WHERE batch = ? AND outcome IS NULL ORDER BY attempt_id LIMIT ?", [batch, limit]
    ).fetchall()
    return [attempt for (attempt,) in rows]


def strays(db: Database, batch: str) -> list[str]:
    """Attempts of a batch whose calls wait for it no longer."""
    rows = db.conn.execute(
        "SELECT tries.attempt_id FROM tries JOIN deferrals ON deferrals.id = deferral WHERE tries.batch = ? "
        "AND outcome IS NULL AND NOT (state = 'submitting' AND deferrals.attempt_id = tries.attempt_id)",
        [batch],
    ).fetchall()
    return [attempt for (attempt,) in rows]


def forget(db: Database, batch: str) -> None:
    """Drop one that nothing came of."""
    db.conn.execute("DELETE FROM batches WHERE id = ?", [batch])


def is_of(db: Database, batch: str, attempt_ids: Sequence[str]) -> bool:
    """Whether all these attempts are of a batch."""
    rows = db.conn.execute(
        "SELECT count(*) FROM tries WHERE batch = ? AND attempt_id IN (SELECT value FROM json_each(?))",
        [batch, json.dumps(list(attempt_ids))],
    ).fetchone()
    return bool(attempt_ids) and rows[0] == len(set(attempt_ids))


def tries_of(db: Database, deferral: str) -> list[dict[str, Any]]:
    """Every attempt that was made of a call, the first one first: its lineage."""
    names = ("attempt_id", "batch", "at_ns", "ended_ns", "outcome", "detail", "cost_nano")
    rows = db.conn.execute(
        "SELECT tries.attempt_id, tries.batch, tries.at_ns, tries.ended_ns, outcome, detail, cost_nano FROM tries "
        "LEFT JOIN attempts ON attempts.attempt_id = tries.attempt_id WHERE deferral = ? ORDER BY tries.at_ns, 1",
        [deferral],
    ).fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def outcomes(db: Database, batch: str) -> dict[str, int]:
    """How many attempts of a batch ended how; those that have not under an empty name."""
    rows = db.conn.execute(
        "SELECT coalesce(outcome, ''), count(*) FROM tries WHERE batch = ? GROUP BY 1", [batch]
    ).fetchall()
    return dict(rows)


def unwanted(db: Database) -> list[Batch]:
    """Batches in progress that nobody waits for any more, and that were not cancelled."""
    where = (
        "WHERE state = 'in_progress' AND cancelled_ns IS NULL AND NOT EXISTS "
        "(SELECT 1 FROM deferrals WHERE batch = batches.id AND deferrals.state IN ('submitting', 'in_progress'))"
    )
    return _found(db, where, [])


def _found(db: Database, where: str, values: list[Any]) -> list[Batch]:
    return [_batch(dict(zip(_COLUMNS, row, strict=True))) for row in db.conn.execute(f"{_SELECT} {where}", values)]


def _batch(row: dict[str, Any]) -> Batch:
    row["state"], row["counts"] = BatchState(row["state"]), json.loads(row["counts"])
    return Batch(**row)


def _column(value: Any) -> Any:
    if isinstance(value, BatchState):
        return value.value
    return json.dumps(dict(value)) if isinstance(value, Mapping) else value  # pyright: ignore[reportUnknownArgumentType]
