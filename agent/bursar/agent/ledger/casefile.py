"""What else does the ledger know of a call: where it counts, what it belongs to, and how its price was corrected?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger import attempts, batchbook, deferralbook
from bursar.agent.ledger.batchbook import Batch
from bursar.agent.ledger.cases import Case
from bursar.agent.ledger.deferralbook import Deferral
from bursar.policies.amounts import Unit
from bursar.policies.balancekey import parse_balance_key, told_of

MOST = 50
"""Of anything that a call could have very many of."""


class Counted(NamedTuple):
    """What an attempt counts, or holds while it is in flight, in one balance: an amount in the balance's unit."""

    attempt_id: str
    balance: str
    budget: str
    scope: str
    unit: Unit
    amount: int
    held: bool


class Repriced(NamedTuple):
    """A charge that another price book changed. Nano-dollars, None where unknown."""

    attempt_id: str
    at_ns: int
    why: str
    old_nano: int | None
    new_nano: int | None
    old_price_id: str | None
    new_price_id: str | None


class Relative(NamedTuple):
    """Another attempt of the same cascade."""

    attempt_id: str
    stage: str
    at_ns: int
    model: str
    state: str
    cost_nano: int | None


@dataclass(frozen=True, slots=True)
class Put:
    """A call that was put off, and the batch it travels in."""

    deferral: Deferral
    batch: Batch | None


@dataclass(frozen=True, slots=True)
class CaseFile:
    """All of it."""

    counted: tuple[Counted, ...]
    repriced: tuple[Repriced, ...]
    cascade: tuple[Relative, ...]
    put_off: tuple[Put, ...]
    doubles: tuple[str, ...]
    """Attempts whose response counts under one of this call's."""


def gather(db: Database, case: Case) -> CaseFile:
    """What there is beside the attempts and decisions themselves."""
    ids = [attempt.attempt_id for attempt in case.attempts[:MOST]]
    stages = dict.fromkeys(attempt.stage.cascade for attempt in case.attempts if attempt.stage is not None)
    return CaseFile(
        counted=tuple(one for attempt_id in ids for one in _counted(db, attempt_id)),
        repriced=tuple(one for attempt_id in ids for one in _repriced(db, attempt_id)),
        cascade=tuple(one for cascade in stages for one in _cascade(db, cascade)),
        put_off=_put_off(db, ids),
        doubles=tuple(double.attempt_id for each in ids for double in attempts.duplicates_of(db, each)),
    )


def _counted(db: Database, attempt_id: str) -> list[Counted]:
    rows = db.conn.execute(
        "SELECT balance, nano, tokens, 0 FROM postings WHERE attempt_id = :id "
        "UNION ALL SELECT balance, expected, expected, 1 FROM holds WHERE attempt_id = :id ORDER BY 1, 4 LIMIT :most",
        {"id": attempt_id, "most": MOST},
    ).fetchall()
    return [_of_balance(attempt_id, *row) for row in rows if told_of(row[0]) == row[0]]


def _of_balance(attempt_id: str, key: str, nano: int, tokens: int, held: int) -> Counted:
    try:
        parsed = parse_balance_key(key)
    except ValueError:
        return Counted(attempt_id, key, key, "", "usd", nano, bool(held))
    unit: Unit = parsed.unit
    amount = nano if held or unit == "usd" else tokens if unit == "tokens" else 1
    return Counted(attempt_id, key, parsed.budget, parsed.scope, unit, amount, bool(held))


def _repriced(db: Database, attempt_id: str) -> list[Repriced]:
    rows = db.conn.execute(
        "SELECT attempt_id, at_ns, why, old_nano, new_nano, old_price_id, new_price_id FROM repricings "
        "WHERE attempt_id = ? ORDER BY at_ns LIMIT ?",
        [attempt_id, MOST],
    ).fetchall()
    return [Repriced(*row) for row in rows]


def _cascade(db: Database, cascade: str) -> list[Relative]:
    rows = db.conn.execute(
        "SELECT attempt_id, stage, at_ns, model, state, cost_nano FROM attempts "
        "WHERE cascade = ? AND duplicate_of IS NULL ORDER BY at_ns, attempt_id LIMIT ?",
        [cascade, MOST],
    ).fetchall()
    return [Relative(*row) for row in rows]


def _put_off(db: Database, ids: Sequence[str]) -> tuple[Put, ...]:
    found = {one.id: one for one in (deferralbook.with_attempt(db, each) for each in ids) if one is not None}
    return tuple(Put(one, None if one.batch is None else batchbook.find(db, one.batch)) for one in found.values())
