"""What does the ledger know of one call, under any of its names?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger import attempts
from bursar.agent.ledger.life import Attempt
from bursar.agent.ledger.migrations import DECISION_ID


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision as it was journalled."""

    id: str
    at_ns: int
    route: str
    model: str
    """As asked for."""
    planned: str
    """The model that it was to leave for; what served it says its charge."""
    labels: Mapping[str, str]
    action: str
    reason: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A call: its attempts, and what was decided of it."""

    call_id: str
    attempts: tuple[Attempt, ...]
    decisions: tuple[Decided, ...]


def find(db: Database, name: str) -> Case | None:
    """
    The call that a name belongs to: its own id, an attempt's, a decision's, a request's or a message's.

    None where the ledger has nothing of that name.
    """
    found = _call_of(db, name)
    if found is None:
        return None
    call_id, of_name = found
    if not call_id:  # a span, which belongs to no call that we know of: it is one by itself
        alone = attempts.load(db, of_name)
        return None if alone is None else Case("", (alone,), (_of_attempt(alone),) if alone.sent else ())
    of_call = attempts.of_call(db, call_id)
    decided = [_of_attempt(attempt) for attempt in of_call if attempt.sent]
    refused = db.conn.execute(
        "SELECT id, at_ns, route, model, labels, action, reason, decision FROM decisions WHERE call_id = ? "
        "AND id NOT IN (SELECT attempt_id FROM attempts) ORDER BY at_ns, id",
        [call_id],
    ).fetchall()
    decided += [
        Decided(id_, at_ns, route, model, model, json.loads(labels), action, reason, json.loads(decision))
        for id_, at_ns, route, model, labels, action, reason, decision in refused
    ]
    return Case(call_id, tuple(of_call), tuple(sorted(decided, key=lambda one: one.at_ns)))


def _of_attempt(attempt: Attempt) -> Decided:
    return Decided(
        attempt.attempt_id,
        attempt.at_ns,
        attempt.route,
        attempt.requested_model,
        str(attempt.decision.get("model") or attempt.requested_model),
        attempt.labels,
        attempt.action,
        attempt.reason,
        attempt.decision,
    )


def _call_of(db: Database, name: str) -> tuple[str, str] | None:
    """The call that a name belongs to, and the attempt or decision that has it."""
    row = db.conn.execute(
        f"""
        SELECT call_id, attempt_id FROM attempts
            WHERE attempt_id = :name OR call_id = :name OR request_id = :name OR response_id = :name
        UNION ALL
        SELECT call_id, id FROM decisions WHERE id = :name OR call_id = :name
        UNION ALL
        SELECT call_id, id FROM decisions WHERE {DECISION_ID} = :name
        LIMIT 1
        """,
        {"name": name},
    ).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))
