"""How is an attempt kept, and how is it found again: by its id, its response, its request or its owner?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger.life import Attempt, State
from bursar.policies.cascade import Stage
from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.records import line_text
from bursar.policies.usage import Usage

_PLAIN = (
    "attempt_id", "holder", "call_id", "at_ns", "route", "model", "requested_model", "bound_nano", "expected_nano",
    "bound_tokens", "expected_tokens", "own_tokens", "action", "reason", "floor_nano", "request_id", "response_id",
    "source", "settled_ns", "own_cost_nano", "lease_charged_nano", "duplicate_of", "marking", "effort",
    "told_nano", "failure", "duration_ns", "first_token_ns", "stop_reason",
)  # fmt: skip
"""Fields of `Attempt` that are columns as they stand."""
_OF_CHARGE = ("duration_ns", "first_token_ns", "stop_reason")
"""Those of them that it has from its charge."""

_USAGE = tuple(f.name for f in fields(Usage))
_CHARGE = ("basis", "cost_nano", "price_id", "lines", "missing", "modifiers", *_USAGE)
_STAGE = {"cascade": "cascade", "stage": "name", "strong_model": "strong", "escalation": "why"}
"""Columns that are fields of a `Stage`, all of them NULL for what is part of no cascade."""
_COLUMNS = (*_PLAIN, "state", "sent", "own_final", "labels", "balances", "leased", "decision", *_CHARGE, *_STAGE)

_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM attempts"
_ADD = f"INSERT INTO attempts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_SAVE = (
    f"INSERT INTO attempts ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "
    f"ON CONFLICT (attempt_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)


def load(db: Database, attempt_id: str) -> Attempt | None:
    """The attempt of this id."""
    return next(_found(db, "attempt_id = ?", attempt_id), None)


def with_response(db: Database, response_id: str) -> Attempt | None:
    """The one attempt under which a response (a message id) counts."""
    return next(_found(db, "response_id = ?", response_id), None)


def with_request(db: Database, request_id: str) -> list[Attempt]:
    """Attempts of one HTTP request: several for the results of one batch."""
    return list(_found(db, "request_id = ?", request_id))


def alike(db: Database, charge: Charge, until_ns: int) -> bool:
    """Whether a response that is known by name was asked for between a charge's time and another, and used the same."""
    usage = charge.usage
    found = db.conn.execute(
        """
        SELECT 1 FROM attempts WHERE at_ns BETWEEN ? AND ? AND response_id IS NOT NULL AND model = ?
            AND input = ? AND cache_read = ? AND cache_write_5m + cache_write_1h = ? AND output = ? LIMIT 1
        """,
        [charge.at_ns, until_ns, charge.model, usage.input, usage.cache_read, usage.cache_write, usage.output],
    )
    return found.fetchone() is not None


def of_call(db: Database, call_id: str) -> list[Attempt]:
    """Every attempt of one call, in the order they were sent."""
    return sorted(_found(db, "call_id = ?", call_id), key=lambda attempt: attempt.at_ns)


def open_of(db: Database, holder: str) -> list[Attempt]:
    """What a process has in flight, or has left so."""
    found = _found(db, "holder = ? AND state IN ('held', 'sent', 'provisional')", holder)
    return [attempt for attempt in found if attempt.open]


def duplicates_of(db: Database, attempt_id: str) -> list[Attempt]:
    """Attempts whose response counts under this one."""
    return list(_found(db, "duplicate_of = ?", attempt_id))


def strangers(db: Database, charges: Sequence[Charge]) -> list[bool]:
    """
    Which of these charges are of attempts, responses and requests that neither the ledger nor the others know of.

    What is rolled up is not looked for.
    """
    named = [("attempt_id", [charge.attempt_id for charge in charges])]
    named.append(("response_id", [charge.response_id or "" for charge in charges]))
    named.append(("request_id", [charge.request_id or "" for charge in charges]))
    alone = [True] * len(charges)
    for column, names in named:
        known = _present(db, column, names)
        often = {name for name, times in Counter(names).items() if times > 1}
        for place, name in enumerate(names):
            alone[place] = alone[place] and not (name and (name in known or name in often))
    return alone


def save(db: Database, attempt: Attempt) -> None:
    """Keep an attempt, new or changed."""
    db.conn.execute(_SAVE, _row(attempt))


def add(db: Database, new: Sequence[Attempt]) -> None:
    """Keep attempts that are not there."""
    db.conn.executemany(_ADD, [tuple(_row(attempt).values()) for attempt in new])


def counts(usage: Usage) -> dict[str, int]:
    """Usage by column. Much faster than `dataclasses.asdict`, which copies deeply."""
    return {name: getattr(usage, name) for name in _USAGE}


def _found(db: Database, where: str, value: str) -> Iterator[Attempt]:
    for row in db.conn.execute(f"{_SELECT} WHERE {where}", [value]).fetchall():
        yield _attempt(dict(zip(_COLUMNS, row, strict=True)))


def _present(db: Database, column: str, names: Sequence[str]) -> set[str]:
    wanted = json.dumps([name for name in names if name])
    sql = f"SELECT {column} FROM attempts WHERE {column} IN (SELECT value FROM json_each(?))"
    return {name for (name,) in db.conn.execute(sql, [wanted]).fetchall()}


def _row(attempt: Attempt) -> dict[str, Any]:
    """An attempt by column, in the order of `_COLUMNS`."""
    return {
        **{name: getattr(attempt, name) for name in _PLAIN},
        "state": attempt.state.value,
        "sent": int(attempt.sent),
        "own_final": int(attempt.own_final),
        "labels": _json(attempt.labels),
        "balances": None if attempt.balances is None else _json(attempt.balances),
        "leased": _json(attempt.leased),
        "decision": _json(attempt.decision),
        **_charge_columns(attempt.charge),
        **stage_columns(attempt.stage),
    }


def stage_columns(stage: Stage | None) -> dict[str, str | None]:
    """A place in a cascade by column."""
    return {column: None if stage is None else str(getattr(stage, name)) for column, name in _STAGE.items()}


def _charge_columns(charge: Charge | None) -> dict[str, Any]:
    if charge is None:
        return dict.fromkeys(_CHARGE)
    return {
        "basis": charge.basis.value,
        "cost_nano": charge.cost_nano_usd,
        "price_id": charge.price_id,
        "lines": f"[{','.join(map(line_text, charge.lines))}]",
        "missing": _json(charge.missing),
        "modifiers": _json(charge.modifiers),
        **counts(charge.usage),
    }


def _attempt(row: Mapping[str, Any]) -> Attempt:
    balances = row["balances"]
    return Attempt(
        **{name: row[name] for name in _PLAIN if name not in _OF_CHARGE},
        state=State(row["state"]),
        sent=bool(row["sent"]),
        own_final=bool(row["own_final"]),
        labels=json.loads(row["labels"]),
        balances=None if balances is None else tuple(json.loads(balances)),
        leased=tuple(json.loads(row["leased"])),
        decision=json.loads(row["decision"]),
        charge=_charge(row) if row["basis"] is not None else None,
        stage=_stage(row),
    )


def _stage(row: Mapping[str, Any]) -> Stage | None:
    if row["cascade"] is None:
        return None
    return Stage(**{name: row[column] for column, name in _STAGE.items()})


def _charge(row: Mapping[str, Any]) -> Charge:
    """The charge of a row; what the attempt itself says is repeated in it, so that it can stand alone."""
    return Charge(
        cost_nano_usd=row["cost_nano"],
        usage=Usage(**{name: row[name] for name in _USAGE}),
        basis=Basis(row["basis"]),
        labels=json.loads(row["labels"]),
        lines=tuple(Line(**line) for line in json.loads(row["lines"])),
        missing=tuple(json.loads(row["missing"])),
        modifiers=tuple(json.loads(row["modifiers"])),
        stage=_stage(row),
        told_nano_usd=row["told_nano"],
        **{name: row[name] for name in _REPEATED},
    )


_REPEATED = (
    "attempt_id", "call_id", "at_ns", "route", "model", "requested_model", "price_id", "request_id", "response_id",
    "action", "reason", *_OF_CHARGE,
)  # fmt: skip


_encode = json.JSONEncoder(separators=(",", ":")).encode
"""Made once: `json.dumps` would make one for every text."""


def _json(value: Any) -> str:
    if not value:
        return "{}" if isinstance(value, Mapping) else "[]"
    return _encode(value if not isinstance(value, Mapping) else dict(value))  # pyright: ignore[reportUnknownArgumentType]
