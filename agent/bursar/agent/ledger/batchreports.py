"""What do batches and the calls that were put off look like to people: how far are they, and what did they save?"""

from __future__ import annotations

from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger import batchbook, deferralbook
from bursar.agent.ledger.batchbook import Batch, BatchState
from bursar.agent.ledger.deferralbook import Deferral
from bursar.policies.batchflush import Times, learn

Row = dict[str, Any]
_SECOND = 10**9
_PAID = """
SELECT tries.batch, sum(CASE WHEN label = 'web_search' THEN nano ELSE 2 * nano END), sum(nano)
FROM (
    SELECT attempts.attempt_id AS id, line.value ->> 'nano_usd' AS nano, line.value ->> 'label' AS label
    FROM attempts, json_each(attempts.lines) AS line
    WHERE attempts.state = 'settled' AND duplicate_of IS NULL AND attempts.modifiers LIKE '%"batch"%'
        AND attempts.attempt_id IN (SELECT attempt_id FROM tries WHERE batch IS NOT NULL)
) JOIN tries ON tries.attempt_id = id
GROUP BY tries.batch
"""
"""By batch, what its tokens cost at ordinary prices and what was paid; a search costs the same either way."""


def batches(db: Database, *, now_ns: int, limit: int) -> list[Row]:
    """The newest batches, each with what became of its requests and what it saved so far, in nano-dollars."""
    paid = {batch: (ordinary, nano) for batch, ordinary, nano in db.conn.execute(_PAID).fetchall()}
    times = learn(batchbook.took_seconds(db))
    return [_batch(db, batch, *paid.get(batch.id, (0, 0)), times, now_ns) for batch in batchbook.newest(db, limit)]


def deferrals(db: Database, *, limit: int, every: bool) -> list[Row]:
    """The newest calls that were put off; without those that are over unless `every`."""
    return [deferral_row(db, one) for one in deferralbook.newest(db, limit, every=every)]


def deferral_row(db: Database, deferral: Deferral) -> Row:
    """One call, and what its attempts cost so far."""
    cost = db.conn.execute(
        "SELECT coalesce(sum(cost_nano), 0) FROM attempts WHERE state = 'settled' AND duplicate_of IS NULL "
        "AND attempt_id IN (SELECT attempt_id FROM tries WHERE deferral = ?)",
        [deferral.id],
    ).fetchone()[0]
    return {
        "id": deferral.id,
        "state": deferral.told.value,
        "ended": deferral.state.value if deferral.over else None,
        "route": deferral.route,
        "key": deferral.key,
        "model": deferral.model,
        "taken_ns": deferral.taken_ns,
        "due_ns": deferral.due_ns,
        "ended_ns": deferral.ended_ns,
        "batch": deferral.batch,
        "attempts": deferral.attempts + (deferral.fallback is not None),
        "nano_usd": cost,
        "why": deferral.why,
    }


def queued(db: Database) -> Row:
    """What waits to be sent."""
    lines = deferralbook.lines(db)
    return {
        "calls": sum(line.count for line in lines),
        "bytes": sum(line.bytes for line in lines),
        "next_ns": min((line.flush_ns for line in lines), default=None),
    }


def _batch(db: Database, batch: Batch, ordinary: int, paid: int, times: Times, now_ns: int) -> Row:
    outcomes = batchbook.outcomes(db, batch.id)
    return {
        "id": batch.id,
        "api_id": batch.api_id,
        "state": _state(batch),
        "requests": batch.items,
        "outcomes": {name or "processing": count for name, count in sorted(outcomes.items())},
        "made_ns": batch.made_ns,
        "submitted_ns": batch.submitted_ns,
        "ended_ns": batch.ended_ns,
        "expected_ns": _expected(batch, times),
        "progress": _progress(batch, times, now_ns),
        "nano_usd": paid,
        "ordinary_nano_usd": ordinary,
        "saved_nano_usd": ordinary - paid,
        "sent_by": batch.reason,
        "why": batch.why,
    }


def _state(batch: Batch) -> str:
    return "cancelling" if batch.cancelled_ns is not None and batch.ended_ns is None else batch.state.value


def _expected(batch: Batch, times: Times) -> int | None:
    """When it will likely have ended."""
    if batch.state is not BatchState.IN_PROGRESS or batch.submitted_ns is None:
        return None
    return batch.submitted_ns + int(times.usual * _SECOND)


def _progress(batch: Batch, times: Times, now_ns: int) -> float:
    """
    How far it likely is, from 0 to 1. The API counts nothing before the end, so until then time alone tells.
    """
    if batch.ended_ns is not None or batch.state in (BatchState.COLLECTED, BatchState.FAILED):
        return 1.0
    if batch.submitted_ns is None:
        return 0.0
    return min((now_ns - batch.submitted_ns) / _SECOND / max(times.slow, 1.0), 0.99)
