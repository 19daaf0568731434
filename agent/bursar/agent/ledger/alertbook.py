"""Which alerts does a change of the accounts raise, and where did the money go?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from sqlite_utils import Database

from bursar.agent.alerting.alerts import Looping, reached, to_payload
from bursar.agent.alerting.message import RouteCost
from bursar.agent.ledger import balances, outbox
from bursar.policies.policy import Policy
from bursar.policies.protocol import SyncRequest


def touched(db: Database, request: SyncRequest) -> frozenset[str]:
    """The balances in which the attempts that a request tells of count or are held, once it is booked."""
    rows = db.conn.execute(
        """
        WITH told (id) AS (SELECT value FROM json_each(?)),
            counted (id) AS (
                SELECT id FROM told UNION
                SELECT duplicate_of FROM attempts JOIN told ON attempt_id = id WHERE duplicate_of IS NOT NULL
            )
        SELECT balance FROM postings JOIN counted ON attempt_id = id UNION
        SELECT balance FROM holds JOIN counted ON attempt_id = id
        """,
        [json.dumps(sorted(_told(request)))],
    ).fetchall()
    return frozenset(key for (key,) in rows)


def refusing(request: SyncRequest) -> frozenset[str]:
    """The balances that a request says have refused a call for want of money."""
    refusals = (
        record.get("decision")
        for record in request.records
        if record.get("kind") == "decided" and record.get("action") == "block" and record.get("reason") in _NO_MONEY
    )
    keys: list[object] = [cast("dict[str, object]", r).get("balance") for r in refusals if isinstance(r, dict)]
    return frozenset(key for key in keys if isinstance(key, str) and key)


_NO_MONEY = ("spent", "held", "lent")


def looping(request: SyncRequest) -> frozenset[Looping]:
    """The balances that a request says meet the very same call again and again, each with the step that says so."""
    found = (_looping(record) for record in request.records)
    return frozenset(each for each in found if each is not None)


def _looping(record: Mapping[str, Any]) -> Looping | None:
    decision: Any = record.get("decision")
    if record.get("kind") != "decided" or record.get("reason") != "loop" or not isinstance(decision, dict):
        return None
    balance, step = decision.get("balance"), decision.get("step", "")  # pyright: ignore
    return Looping(balance, step) if isinstance(balance, str) and isinstance(step, str) and balance else None


def raise_reached(
    db: Database,
    keys: Iterable[str],
    *,
    policy: Policy,
    now_ns: int,
    refusing: frozenset[str] = frozenset(),
    looping: frozenset[Looping] = frozenset(),
) -> int:
    """Put every step that these balances have reached into the outbox, once for ever; how many are new."""
    views = balances.views(db, sorted({*keys, *refusing, *(each.balance for each in looping)}), policy, now_ns)
    steps = reached(policy, views, refusing, looping)
    return sum(
        outbox.raise_alert(
            db, balance=step.balance, step=step.step, channel=step.channel, payload=to_payload(step), now_ns=now_ns
        )
        for step in steps
    )


def top_routes(db: Database, key: str, *, limit: int = 3) -> list[RouteCost]:
    """The routes that cost a balance most, the dearest first."""
    rows = db.conn.execute(
        """
        SELECT route, sum(nano) AS cost FROM postings JOIN attempts USING (attempt_id)
        WHERE balance = ? GROUP BY route HAVING cost > 0 ORDER BY cost DESC, route LIMIT ?
        """,
        [key, limit],
    ).fetchall()
    return [RouteCost(*row) for row in rows]


def _told(request: SyncRequest) -> set[str]:
    """The attempts of a request; its records are not read yet, and may be of any shape."""
    charges = (record.get("charge") for record in request.records)
    owners: list[Any] = [*request.records, *(charge for charge in charges if isinstance(charge, dict))]
    ids = {owner["attempt_id"] for owner in owners if isinstance(owner.get("attempt_id"), str)}
    return ids | {need.attempt_id for need in request.needs}
