"""Which calls answer to a search, the newest first, and from where does it go on?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger.cases import Case, Decided
from bursar.agent.ledger.life import Attempt

LOOK = 20_000
"""Attempts, and as many refusals, that one search looks at: what is older, the next one does."""

REFUSED = "refused"
"""The state of what never left because a budget refused it."""
STATES: Mapping[str, tuple[str, ...]] = {
    "settled": ("settled",),
    "in flight": ("held", "sent", "provisional"),
    "released": ("released",),
    "orphaned": ("orphaned",),
    REFUSED: (),
}
"""What can be asked for, and the states of attempts that it means."""


class Cursor(NamedTuple):
    """A place among calls, the newest first: what comes after it is older, or as old and of a smaller id."""

    at_ns: int
    id: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for; what is empty is not asked."""

    since_ns: int
    until_ns: int
    find: str = ""
    """A part of the route's name."""
    route: str = ""
    """The whole of it."""
    model: str = ""
    """A part of the name of the model asked for or served."""
    state: str = ""
    """One of `STATES`."""
    action: str = ""
    label: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt, or one refusal. Money in nano-dollars, durations in nanoseconds."""

    id: str
    call_id: str
    at_ns: int
    route: str
    requested_model: str
    model: str | None
    """As served; None for what was refused."""
    state: str
    action: str
    reason: str
    budget: str
    cost_nano: int | None
    basis: str | None
    duration_ns: int | None = None
    first_token_ns: int | None = None
    failure: str | None = None

    @property
    def place(self) -> Cursor:
        """Where it stands among the others."""
        return Cursor(self.at_ns, self.id)


@dataclass(frozen=True, slots=True)
class Found:
    """Some of what was searched for."""

    calls: tuple[Call, ...]
    older: Cursor | None
    """Where the search goes on; None where all of the time asked for was looked through."""
    searched_to_ns: int
    """Everything from here on was looked at."""


def search(db: Database, wanted: Wanted, before: Cursor | None, *, limit: int, look: int = LOOK) -> Found:
    """
    The newest `limit` of what is wanted, older than a place.

    Where that is rare the search stops after `look` rows, so that it takes as long however many calls there are.
    """
    start = before or Cursor(wanted.until_ns)
    sources = [source for source in (_ATTEMPTS, _REFUSALS) if _can_have(source, wanted)]
    floor = max((_floor(db, source, wanted, start, look) for source in sources), default=wanted.since_ns)
    rows = [row for source in sources for row in _rows(db, source, wanted, start, floor, limit + 1)]
    rows.sort(key=lambda call: call.place, reverse=True)
    calls = tuple(rows[:limit])
    if len(rows) > limit:
        return Found(calls, calls[-1].place, calls[-1].at_ns)
    return Found(calls, Cursor(floor) if floor > wanted.since_ns else None, floor)


def of_case(case: Case) -> Found:
    """The attempts and refusals of one call, the newest first."""
    made = [_of_attempt(attempt) for attempt in case.attempts]
    known = {call.id for call in made}
    made += [_of_decision(one, case.call_id) for one in case.decisions if one.id not in known and one.action == "block"]
    made.sort(key=lambda call: call.place, reverse=True)
    return Found(tuple(made), None, made[-1].at_ns if made else 0)


def _of_attempt(attempt: Attempt) -> Call:
    charge = attempt.charge
    return Call(
        id=attempt.attempt_id,
        call_id=attempt.call_id,
        at_ns=attempt.at_ns,
        route=attempt.route,
        requested_model=attempt.requested_model,
        model=attempt.model,
        state=attempt.state.value,
        action=attempt.action,
        reason=attempt.reason,
        budget="" if attempt.action == "go" else str(attempt.decision.get("budget") or ""),
        cost_nano=None if charge is None else charge.cost_nano_usd,
        basis=None if charge is None else charge.basis.value,
        duration_ns=attempt.duration_ns,
        first_token_ns=attempt.first_token_ns,
        failure=attempt.failure,
    )


def _of_decision(one: Decided, call_id: str) -> Call:
    budget = str(one.figures.get("budget") or "")
    return Call(
        *(one.id, call_id, one.at_ns, one.route, one.model, None, REFUSED, one.action, one.reason, budget, None, None)
    )


class _Source(NamedTuple):
    """A table that calls are found in, and its columns under the names of `Call`."""

    table: str
    id: str
    columns: str
    where: str
    models: tuple[str, ...]


_ATTEMPTS = _Source(
    "attempts",
    "attempt_id",
    "attempt_id, call_id, at_ns, route, requested_model, model, state, action, reason, "
    "CASE WHEN action = 'go' THEN '' ELSE coalesce(json_extract(decision, '$.budget'), '') END, "
    "cost_nano, basis, duration_ns, first_token_ns, failure",
    "duplicate_of IS NULL",
    ("requested_model", "model"),
)
_REFUSALS = _Source(
    "decisions",
    "id",
    "id, call_id, at_ns, route, model, NULL, 'refused', action, reason, "
    "coalesce(json_extract(decision, '$.budget'), ''), NULL, NULL, NULL, NULL, NULL",
    "action = 'block'",
    ("model",),
)


def _can_have(source: _Source, wanted: Wanted) -> bool:
    """Whether anything of a table can be what is wanted."""
    if source is _REFUSALS:
        return wanted.state in ("", REFUSED) and wanted.action in ("", "block")
    return wanted.state != REFUSED and wanted.action != "block"


def _floor(db: Database, source: _Source, wanted: Wanted, start: Cursor, look: int) -> int:
    """The instant that the search goes back to: told from the index alone."""
    of_route, values = _of_route(source, wanted)
    row = db.conn.execute(
        f"SELECT at_ns FROM {source.table} INDEXED BY {_index(source, wanted)} "
        f"WHERE {of_route} at_ns >= ? AND at_ns <= ? ORDER BY at_ns DESC LIMIT 1 OFFSET ?",
        [*values, wanted.since_ns, start.at_ns, look - 1],
    ).fetchone()
    # As old as where it began are only ties: then it goes one instant further, so that it always gets on.
    return wanted.since_ns if row is None else max(wanted.since_ns, min(int(row[0]), start.at_ns - 1))


def _rows(db: Database, source: _Source, wanted: Wanted, start: Cursor, floor: int, limit: int) -> list[Call]:
    of_route, named = _of_route(source, wanted)
    terms, values = _terms(source, wanted)
    sql = (
        f"SELECT {source.columns} FROM {source.table} INDEXED BY {_index(source, wanted)} "
        f"WHERE {of_route} at_ns >= ? AND at_ns <= ? AND (at_ns < ? OR {source.id} < ?) AND {' AND '.join(terms)} "
        f"ORDER BY at_ns DESC, {source.id} DESC LIMIT ?"
    )
    bounds = [floor, start.at_ns, start.at_ns, start.id]
    return [Call(*row) for row in db.conn.execute(sql, [*named, *bounds, *values, limit]).fetchall()]


def _index(source: _Source, wanted: Wanted) -> str:
    """Attempts of one route have an index of their own; refusals are few enough."""
    return "attempts_route" if wanted.route and source is _ATTEMPTS else f"{source.table}_at"


def _of_route(source: _Source, wanted: Wanted) -> tuple[str, list[str]]:
    """What an index by route is asked first."""
    return ("route = ? AND", [wanted.route]) if wanted.route and source is _ATTEMPTS else ("", [])


def _terms(source: _Source, wanted: Wanted) -> tuple[list[str], Sequence[Any]]:
    terms: list[str] = [source.where]
    values: list[Any] = []
    if wanted.find:
        terms.append("instr(lower(route), lower(?)) > 0")
        values.append(wanted.find)
    if wanted.route and source is _REFUSALS:
        terms.append("route = ?")
        values.append(wanted.route)
    if wanted.model:
        terms.append(f"({' OR '.join(f'instr({name}, ?) > 0' for name in source.models)})")
        values += [wanted.model] * len(source.models)
    if wanted.action:
        terms.append("action = ?")
        values.append(wanted.action)
    if wanted.state and source is _ATTEMPTS:
        terms.append("state IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(STATES.get(wanted.state, ())))
    if wanted.label is not None:
        terms.append("EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)")
        values += wanted.label
    return terms, values
