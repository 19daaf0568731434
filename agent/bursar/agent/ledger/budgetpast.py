"""What became of a budget: its earlier windows, how fast it was spent, its holds, its alerts and its decisions?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger import overridebook
from bursar.agent.ledger.balancebook import keys_of, unit_of
from bursar.agent.ledger.callbook import Cursor
from bursar.agent.ledger.cases import Decided
from bursar.agent.ledger.flows import HOUR, MINUTE
from bursar.agent.ledger.outbox import Try
from bursar.agent.ledger.overridebook import Entry
from bursar.policies.amounts import Unit
from bursar.policies.balancekey import told_of
from bursar.policies.overrides import EVERY_BUDGET

LOOK = 10_000
"""Decisions that one search looks at."""
MOST_DECISIONS = 25
MOST = 50
"""Rows of each of these."""
_MOST_ALERTS = 1_000
"""Alerts that are looked at: those of the last windows."""
_SECOND = 10**9


class Past(NamedTuple):
    """A window that is over; amounts in its unit."""

    key: str
    scope: str
    unit: Unit
    start_ns: int | None
    end_ns: int
    limit: int | None
    spent: int
    unknown: int
    """The part of it that is a bound and no figure of the API's, in nano-dollars."""
    calls: int

    @property
    def over(self) -> int:
        """What was spent beyond the limit."""
        return 0 if self.limit is None else max(self.spent - self.limit, 0)


class Held(NamedTuple):
    """What an attempt in flight is expected to cost a balance, in its unit."""

    balance: str
    attempt_id: str
    unit: Unit
    expected: int
    lent: int
    at_ns: int | None
    route: str | None
    model: str | None
    state: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """An alert of one of its balances, and every try to tell it."""

    balance: str
    step: str
    channel: str
    state: str
    created_ns: int
    sent_ns: int | None
    next_try_ns: int
    last_error: str | None
    tries: tuple[Try, ...]


@dataclass(frozen=True, slots=True)
class Decisions:
    """Those of a budget, the newest first."""

    found: tuple[Decided, ...]
    older: Cursor | None
    """Where the search goes on; None where all of the time asked for was looked through."""
    searched_to_ns: int
    """Everything from here on was looked at."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What was spent in each slot, in each kind: for one scope value."""

    scope: str
    nano: Sequence[int] = field(default_factory=tuple[int, ...])
    tokens: Sequence[int] = field(default_factory=tuple[int, ...])
    calls: Sequence[int] = field(default_factory=tuple[int, ...])

    def of(self, unit: Unit) -> Sequence[int]:
        """In a unit."""
        return {"usd": self.nano, "tokens": self.tokens, "calls": self.calls}[unit]


def windows(db: Database, budget: str, now_ns: int, *, limit: int = MOST) -> list[Past]:
    """The newest of its windows that are over, with what was spent in each."""
    rows = db.conn.execute(
        """
        SELECT key, scope, unit, window_start, window_end, limit_amount,
            CASE unit WHEN 'tokens' THEN spent_tokens WHEN 'calls' THEN calls ELSE spent_nano END, unknown_nano, calls
        FROM balances WHERE key >= ? AND key < ? AND window_end <= ? ORDER BY key DESC LIMIT ?
        """,
        [*keys_of(budget), now_ns, limit],
    ).fetchall()
    return [Past(*row) for row in rows]


def pace(db: Database, budget: str, scopes: Sequence[str], since_ns: int, until_ns: int, step: int) -> list[Pace]:
    """How fast each of these scope values spent, in slots of `step` seconds: `MINUTE` or `HOUR`."""
    first, last = since_ns // (step * _SECOND), -(-until_ns // (step * _SECOND))
    return [_pace(db, budget, scope, first, last, step) for scope in scopes]


def step_for(since_ns: int, until_ns: int) -> int:
    """Minutes for up to three hours, hours beyond."""
    return MINUTE if until_ns - since_ns <= 3 * HOUR * _SECOND else HOUR


def _pace(db: Database, budget: str, scope: str, first: int, last: int, step: int) -> Pace:
    figures = {
        slot: amounts
        for slot, *amounts in db.conn.execute(
            "SELECT slot, nano, tokens, calls FROM flows "
            "WHERE budget = ? AND scope = ? AND seconds = ? AND slot >= ? AND slot < ?",
            [budget, scope, step, first, last],
        ).fetchall()
    }
    nano, tokens, calls = ([figures.get(slot, (0, 0, 0))[kind] for slot in range(first, last)] for kind in range(3))
    return Pace(scope, nano, tokens, calls)


def holds(db: Database, budget: str, *, limit: int = MOST) -> list[Held]:
    """What is in flight in its balances."""
    rows = db.conn.execute(
        "SELECT balance, holds.attempt_id, expected, lent, at_ns, route, model, state FROM holds "
        "LEFT JOIN attempts USING (attempt_id) WHERE balance >= ? AND balance < ? "
        "ORDER BY balance, holds.attempt_id LIMIT ?",
        [*keys_of(budget), limit],
    ).fetchall()
    told = [row for row in rows if told_of(row[0]) == row[0]]
    return [Held(balance, attempt, unit_of(balance), *rest) for balance, attempt, *rest in told]


def alerts(db: Database, budget: str, *, limit: int = MOST) -> list[Told]:
    """The newest alerts about its balances, told or waiting."""
    rows = db.conn.execute(
        "SELECT balance, step, channel, state, created_ns, sent_ns, next_try_ns, last_error FROM "
        "(SELECT * FROM alerts WHERE balance >= ? AND balance < ? ORDER BY balance DESC LIMIT ?) "
        "ORDER BY created_ns DESC, balance, step, channel LIMIT ?",
        [*keys_of(budget), _MOST_ALERTS, limit],
    ).fetchall()
    return [_told(db, *row) for row in rows]


def _told(
    db: Database,
    balance: str,
    step: str,
    channel: str,
    state: str,
    created_ns: int,
    sent_ns: int | None,
    next_try_ns: int,
    last_error: str | None,
) -> Told:
    tries = _tries(db, balance, step, channel)
    return Told(balance, step, channel, state, created_ns, sent_ns, next_try_ns, last_error, tries)


def _tries(db: Database, balance: str, step: str, channel: str) -> tuple[Try, ...]:
    rows = db.conn.execute(
        "SELECT balance, step, channel, begun_ns, ended_ns, outcome, said FROM deliveries "
        "WHERE balance = ? AND step = ? AND channel = ? ORDER BY id DESC LIMIT 20",
        [balance, step, channel],
    ).fetchall()
    return tuple(Try(*row) for row in reversed(rows))


def decisions(
    db: Database,
    budget: str,
    since_ns: int,
    until_ns: int,
    before: Cursor | None = None,
    *,
    limit: int = MOST_DECISIONS,
    look: int = LOOK,
) -> Decisions:
    """
    What it decided otherwise than to let a call go, older than a place.

    The search stops after `look` decisions of all budgets, so that it takes as long however many there are.
    """
    start = before or Cursor(until_ns)
    row = db.conn.execute(
        "SELECT at_ns FROM decisions WHERE at_ns >= ? AND at_ns <= ? ORDER BY at_ns DESC LIMIT 1 OFFSET ?",
        [since_ns, start.at_ns, look - 1],
    ).fetchone()
    floor = since_ns if row is None else max(since_ns, min(int(row[0]), start.at_ns - 1))
    rows = db.conn.execute(
        # The text is looked for first: nearly always it says no, and costs little.
        "SELECT id, at_ns, route, model, labels, action, reason, decision FROM decisions "
        "WHERE at_ns >= ? AND at_ns <= ? AND (at_ns < ? OR id < ?) AND instr(decision, ?) > 0 "
        "AND json_extract(decision, '$.budget') = ? ORDER BY at_ns DESC, id DESC LIMIT ?",
        [floor, start.at_ns, start.at_ns, start.id, _text_of(budget), budget, limit + 1],
    ).fetchall()
    found = tuple(_decided(*row) for row in rows[:limit])
    if len(rows) > limit:
        return Decisions(found, Cursor(found[-1].at_ns, found[-1].id), found[-1].at_ns)
    return Decisions(found, Cursor(floor) if floor > since_ns else None, floor)


def _text_of(budget: str) -> str:
    """What stands in any JSON that names a budget; nothing where its name may be written in several ways."""
    return budget if budget.isascii() and budget.isprintable() and not set(budget) & set('"\\/') else ""


def _decided(
    id_: str, at_ns: int, route: str, model: str, labels: str, action: str, reason: str, decision: str
) -> Decided:
    figures: Mapping[str, Any] = json.loads(decision)
    planned = str(figures.get("model") or model)
    return Decided(id_, at_ns, route, model, planned, json.loads(labels), action, reason, figures)


def overrides(db: Database, budget: str) -> list[Entry]:
    """Every override that was ever made of it, the newest first."""
    names = (EVERY_BUDGET, budget, budget.partition(":")[0])
    return [entry for entry in overridebook.history(db) if entry.override.budget in names][:MOST]
