"""Which alerts does a change of the accounts raise, and where did the money go?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple, cast

from sqlite_utils import Database

from bursar.agent.alerting import notices
from bursar.agent.alerting.alerts import Looping, Reached, reached, to_payload
from bursar.agent.alerting.background import RouteCost
from bursar.agent.alerting.notices import Notice
from bursar.agent.ledger import balances, epochs, outbox, steps
from bursar.policies.balancekey import parse_balance_key, told_of
from bursar.policies.policy import Policy
from bursar.policies.protocol import BalanceView, SyncRequest


def touched(db: Database, request: SyncRequest) -> frozenset[str]:
    """The balances in which the attempts that a request tells of count or are held, once it is booked."""
    held = (db.conn.execute(_HELD, [need.attempt_id]).fetchall() for need in request.needs)
    keys = {key for rows in held for (key,) in rows}
    if not request.records:
        return frozenset(keys)
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
    return frozenset(keys.union(key for (key,) in rows))


_HELD = "SELECT balance FROM holds WHERE attempt_id = ?"


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
    seen: Iterable[BalanceView] = (),
) -> int:
    """
    Put every step that these balances have reached into the outbox, each once; how many are new.

    `seen` are those that were looked at already, since anything last changed.
    """
    known = {view.key: view for view in seen}
    wanted = {*map(told_of, keys), *refusing, *(each.balance for each in looping)}
    views = [known[key] for key in sorted(wanted & known.keys())]
    views += steps.keep(db, balances.views(db, sorted(wanted - known.keys()), policy, now_ns), policy, now_ns)
    today = datetime.fromtimestamp(now_ns // 10**9, policy.zone).date()
    found = reached(policy, views, refusing, looping)
    again = {view.key: _turned(db, view, policy, found) for view in views if balances.rolls(view.key) is not None}
    return sum(
        outbox.raise_alert(
            db,
            balance=step.balance,
            step=_stands_under(step, today, again.get(step.balance, {})),
            channel=step.channel,
            payload=to_payload(step),
            now_ns=now_ns,
        )
        for step in found
    )


def _turned(db: Database, view: BalanceView, policy: Policy, found: Iterable[Reached]) -> dict[str, int]:
    """Which time each step of a rolling balance is reached that alerts: in a window of the calendar it is one."""
    budget = balances.budget_of(view.key, policy)
    alerting = () if budget is None else (s for s in budget.steps if s.loop is None and s.does("alert"))
    levels = {step.label: epochs.level_of(step, view) for step in alerting}
    return epochs.turned(db, view.key, levels, [s.step for s in found if s.balance == view.key and s.loop is None])


def _stands_under(step: Reached, today: date, again: Mapping[str, int]) -> str:
    """
    What a step stands under in the outbox, once for ever.

    A loop may come again in a long window, and is told once a day; a step of a rolling balance each time it is reached
    after it was left.
    """
    if step.loop is not None:
        return f"{step.step}{', an unusual hour' if step.loop == 'unusual' else ''} {today}"
    number = again.get(step.step, 1)
    return step.step if number <= 1 else f"{step.step}, time {number}"


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


def before(db: Database, key: str, since_ns: int, until_ns: int) -> dict[str, int] | None:
    """
    What each route cost the scope of a balance in another stretch of time, in nano-dollars.

    None where the ledger knows of no window of it that reaches into that stretch: then nothing can be compared.
    """
    named = parse_balance_key(key)
    keys = db.conn.execute(
        "SELECT key FROM balances WHERE budget = ? AND scope = ? AND window_start < ? AND window_end > ?",
        [named.budget, named.scope, until_ns, since_ns],
    ).fetchall()
    if not keys:
        return None
    rows = db.conn.execute(
        """
        SELECT route, sum(nano) FROM postings JOIN attempts USING (attempt_id)
        WHERE balance IN (SELECT value FROM json_each(?)) AND attempts.at_ns >= ? AND attempts.at_ns < ? GROUP BY route
        """,
        [json.dumps([found for (found,) in keys]), since_ns, until_ns],
    ).fetchall()
    return dict(rows)


class Open(NamedTuple):
    """A balance whose window holds now, in nanoseconds since the epoch."""

    key: str
    start_ns: int
    end_ns: int


def open_balances(db: Database, now_ns: int) -> list[Open]:
    """All of them, in a window of the calendar."""
    rows = db.conn.execute(
        "SELECT key, window_start, window_end FROM balances WHERE window_start <= ? AND window_end > ? ORDER BY key",
        [now_ns, now_ns],
    ).fetchall()
    return [Open(*row) for row in rows]


def window_of(db: Database, key: str) -> Open | None:
    """The window of a balance; None where it has no beginning and end on a calendar."""
    row = db.conn.execute(
        "SELECT key, window_start, window_end FROM balances "
        "WHERE key = ? AND window_start IS NOT NULL AND window_end IS NOT NULL",
        [key],
    ).fetchone()
    return None if row is None else Open(*row)


def raise_notices(db: Database, found: Iterable[Notice], now_ns: int) -> int:
    """Put what was noticed into the outbox, each once for ever; how many are new."""
    return sum(
        outbox.raise_alert(
            db,
            balance=notice.about.balance,
            step=notice.step,
            channel=notice.channel,
            payload=notices.to_payload(notice),
            now_ns=now_ns,
        )
        for notice in found
    )


def raise_digest(db: Database, step: str, channel: str, payload: Mapping[str, Any], now_ns: int) -> int:
    """Put a week's digest into the outbox, once for ever; whether it is new."""
    return int(outbox.raise_alert(db, balance=DIGEST, step=step, channel=channel, payload=payload, now_ns=now_ns))


DIGEST = "digest"
"""What a digest stands under in the outbox, where alerts have their balance."""


def _told(request: SyncRequest) -> set[str]:
    """The attempts of a request; its records are not read yet, and may be of any shape."""
    charges = (record.get("charge") for record in request.records)
    owners: list[Any] = [*request.records, *(charge for charge in charges if isinstance(charge, dict))]
    return {owner["attempt_id"] for owner in owners if isinstance(owner.get("attempt_id"), str)}
