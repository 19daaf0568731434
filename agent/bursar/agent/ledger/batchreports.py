"""What do batches and the calls that were put off look like to people: how far are they, and what did they save?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger import batchbook, deferralbook
from bursar.agent.ledger.batchbook import Batch, BatchState
from bursar.agent.ledger.deferralbook import Deferral
from bursar.policies.batchflush import Times, learn

Row = dict[str, Any]
_SECOND = 10**9
_PAID = """
SELECT coalesce(sum(2 * cost_nano), 0), coalesce(sum(cost_nano), 0),
    coalesce(sum(CASE WHEN lines LIKE '%"web_search"%' THEN (
        SELECT sum(line.value ->> 'nano_usd') FROM json_each(lines) AS line WHERE line.value ->> 'label' = 'web_search'
    ) END), 0)
FROM tries JOIN attempts USING (attempt_id)
WHERE tries.batch = ? AND attempts.state = 'settled' AND duplicate_of IS NULL AND attempts.modifiers LIKE '%"batch"%'
"""
"""
What a batch's usage costs at twice the price, what was paid, and what of that searches were.

Tokens are half price in a batch; a search costs the same either way.
"""


def batches(db: Database, *, now_ns: int, limit: int) -> list[Row]:
    """The newest batches, each with what became of its requests and what it saved so far, in nano-dollars."""
    return rows_of(db, batchbook.newest(db, limit), now_ns=now_ns)


def rows_of(db: Database, chosen: Sequence[Batch], *, now_ns: int, most: int | None = None) -> list[Row]:
    """
    The same of these batches.

    Sums are None, and outcomes those that the API counted, where the batches so far have more than `most` requests.
    """
    times, rows, requests = learn(batchbook.took_seconds(db)), list[Row](), 0
    for batch in chosen:
        requests += batch.items
        rows.append(_batch(db, batch, times, now_ns, summed=most is None or requests <= most))
    return rows


def _paid(db: Database, batch: Batch) -> tuple[int, int]:
    """What the batch's usage costs at ordinary prices, and what was paid for it."""
    twice, paid, searches = db.conn.execute(_PAID, [batch.id]).fetchone()
    return twice - searches, paid


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
        "attempt": deferral.fallback or deferral.attempt_id,
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


def _batch(db: Database, batch: Batch, times: Times, now_ns: int, *, summed: bool) -> Row:
    outcomes = batchbook.outcomes(db, batch.id) if summed else {k: n for k, n in batch.counts.items() if n}
    ordinary, paid = _paid(db, batch) if summed else (None, None)
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
        "saved_nano_usd": None if ordinary is None or paid is None else ordinary - paid,
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
