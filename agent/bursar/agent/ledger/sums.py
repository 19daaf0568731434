"""By how much do the sums by hour and minute move, when attempts and refusals are told of?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger import sumtables
from bursar.agent.ledger.life import Attempt, State
from bursar.agent.ledger.octaves import step_of
from bursar.agent.ledger.rollups import MINUTE_NS
from bursar.agent.ledger.sumtables import COUNTED, DAY, FIGURES, HOUR, MINUTE
from bursar.policies.cascade import StageName
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Decided, Sent
from bursar.policies.usage import Usage

Kind = tuple[str, str, str, str, str, str]
"""Route, asked and served model, action, price row and modifiers (JSON)."""
Place = tuple[int, tuple[tuple[str, str], ...], Kind]
"""The minute since the epoch, labels, and the kind."""
Figures = tuple[int, ...]
"""In the order of `sumtables.FIGURES`."""
_COUNTED = (State.SETTLED, State.ORPHANED)
_LOST = ("APIConnectionError", "APITimeoutError")
_USAGE = tuple(Usage.__dataclass_fields__)
_NOTHING: Figures = (0,) * len(FIGURES)
_A_CALL: Figures = tuple(int(name == "calls") for name in FIGURES)
_A_FAILURE: Figures = tuple(int(name == "failures") for name in FIGURES)
_A_REFUSAL: Figures = tuple(int(name == "refusals") for name in FIGURES)
_A_DAY = 24 * MINUTE


class Told(NamedTuple):
    """What one attempt counts as, and where."""

    place: Place
    figures: Figures
    call: str
    """Empty where it is a call of its own."""
    order: tuple[int, str]
    """The first attempt of a call by this is where the call counts."""
    values: tuple[tuple[str, int], ...]
    """What its times and its output are, as steps of `octaves`."""


@dataclass(slots=True)
class Sums:
    """The moves of one booking, written together."""

    _noted: dict[str, tuple[Attempt | None, Attempt]] = field(default_factory=dict[str, tuple[Attempt | None, Attempt]])
    """By attempt, as the ledger had it before this booking, and as it has it now."""
    _refused: list[Place] = field(default_factory=list[Place])

    def note(self, before: Attempt | None, after: Attempt) -> None:
        """An attempt is now told otherwise, or at all."""
        known = self._noted.get(after.attempt_id)
        if known is not None:
            self._noted[after.attempt_id] = (known[0], after)
        elif _tells(after) or _tells(before):
            self._noted[after.attempt_id] = (before, after)

    def refused(self, record: Sent | Decided) -> None:
        """A budget has refused a call, or the next attempt of one."""
        labels = tuple((str(name), str(value)) for name, value in record.labels.items())
        kind = (record.route, record.model, "", record.action, "", "[]")
        self._refused.append((record.at_ns // MINUTE_NS, labels, kind))

    def write(self, db: Database) -> None:
        """Move the sums, in the transaction of what moved them, and after it."""
        if not self._noted and not self._refused:
            return
        moves = _Moves()
        for place in self._refused:
            moves.move(place, _A_REFUSAL, 1)
        changed = [pair for before, after in self._noted.values() if (pair := _change(before, after)) is not None]
        for old, new in changed:
            moves.change(old, new)
        moves.call(_calls(db, changed))
        moves.write(db)
        self._noted.clear()
        self._refused.clear()


def is_failure(failure: str | None) -> bool:
    """Whether this is why something is released that was sent: an error of the API's, or no connection with it."""
    return failure is not None and (failure.startswith("http ") or failure in _LOST)


@dataclass(slots=True)
class _Moves:
    """Changes of rows, each added up."""

    _sums: dict[Place, Figures] = field(default_factory=dict[Place, Figures])
    _spreads: Counter[tuple[str, int, int, str, str, int]] = field(
        default_factory=Counter[tuple[str, int, int, str, str, int]]
    )

    def change(self, old: Told | None, new: Told | None) -> None:
        for told, by in ((old, -1), (new, 1)):
            if told is None:
                continue
            self.move(told.place, told.figures, by)
            minute, _, kind = told.place
            for what, step in told.values:
                self._spreads[what, HOUR, minute // MINUTE, kind[0], kind[2], step] += by
                self._spreads[what, DAY, minute // _A_DAY, kind[0], kind[2], step] += by

    def call(self, moved: Iterable[tuple[Place, int]]) -> None:
        """Calls that count elsewhere now: nearly every attempt is one, so they are added up before they are moved."""
        calls: Counter[Place] = Counter()
        for place, by in moved:
            calls[place] += by
        for place, by in calls.items():
            if by:
                self.move(place, tuple([by * one for one in _A_CALL]), 1)

    def move(self, place: Place, figures: Figures, by: int) -> None:
        sums = self._sums.get(place)
        if sums is None:
            self._sums[place] = figures if by == 1 else tuple([-figure for figure in figures])
        else:
            self._sums[place] = tuple([a + by * b for a, b in zip(sums, figures, strict=True)])

    def write(self, db: Database) -> None:
        rows: dict[tuple[str, int, int, Kind], Figures] = {}
        days: Counter[tuple[int, str, str]] = Counter()
        for place, figures in self._sums.items():
            if any(figures):
                _spread_out(rows, days, place, figures)
        db.conn.executemany(_ADD, [(*key[:3], *key[3], *row) for key, row in sorted(rows.items()) if any(row)])
        spreads = [(*key, count) for key, count in sorted(self._spreads.items()) if count]
        if spreads:
            db.conn.executemany(_ADD_SPREADS, spreads)
        if days:
            db.conn.executemany(_ADD_DAYS, [(*key, count) for key, count in sorted(days.items()) if count])


def _spread_out(
    rows: dict[tuple[str, int, int, Kind], Figures], days: Counter[tuple[int, str, str]], place: Place, figures: Figures
) -> None:
    """Add what moved in one place to the rows it counts in: minute, hour and day, hour and day of each label."""
    minute, labels, kind = place
    keys = [("", MINUTE, minute, kind)]
    for label in ("", *(f"{name}={value}" for name, value in labels)):
        keys += [(label, HOUR, minute // MINUTE, kind), (label, DAY, minute // _A_DAY, kind)]
    for key in keys:
        row = rows.get(key)
        rows[key] = figures if row is None else tuple([a + b for a, b in zip(row, figures, strict=True)])
    used = figures[0] + sum(figures[-3:-1])
    for name, value in labels if used else ():
        days[minute // _A_DAY, name, value] += used


_ADD = f"""
INSERT INTO sums VALUES ({", ".join("?" * (len(sumtables.KEYS) + len(FIGURES)))})
ON CONFLICT ({", ".join(sumtables.KEYS)}) DO UPDATE
SET {", ".join(f"{name} = {name} + excluded.{name}" for name in FIGURES)}
"""
_ADD_SPREADS = """
INSERT INTO spreads VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (what, seconds, slot, route, model, bucket) DO UPDATE SET count = count + excluded.count
"""
_ADD_DAYS = """
INSERT INTO label_days VALUES (?, ?, ?, ?) ON CONFLICT (day, name, value) DO UPDATE SET count = count + excluded.count
"""


def _tells(attempt: Attempt | None) -> bool:
    """Whether an attempt counts anywhere."""
    if attempt is None or attempt.duplicate_of is not None:
        return False
    return attempt.state in _COUNTED or (attempt.state is State.RELEASED and is_failure(attempt.failure))


def _change(before: Attempt | None, after: Attempt) -> tuple[Told | None, Told | None] | None:
    """What an attempt counted as, and counts as now; None where that is the same."""
    old, new = _told(before), _told(after)
    return None if old == new else (old, new)


def _told(attempt: Attempt | None) -> Told | None:
    if attempt is None or not _tells(attempt):
        return None
    charge, order = attempt.charge, (attempt.at_ns, attempt.attempt_id)
    labels = tuple(attempt.labels.items())
    minute, asked = attempt.at_ns // MINUTE_NS, attempt.requested_model
    if attempt.state not in _COUNTED or charge is None:
        kind = (attempt.route, asked, attempt.model, attempt.action, "", "[]")
        return Told((minute, labels, kind), _A_FAILURE, "", order, ())
    modifiers = json.dumps(charge.modifiers, separators=(",", ":")) if charge.modifiers else "[]"
    kind = (attempt.route, asked, attempt.model, attempt.action, charge.price_id or "", modifiers)
    return Told((minute, labels, kind), _figures(attempt, charge), attempt.call_id, order, _values(charge))


def _figures(attempt: Attempt, charge: Charge) -> Figures:
    cost, usage, stage = charge.cost_nano_usd, charge.usage, attempt.stage
    return (
        1,
        int(not attempt.call_id),
        cost or 0,
        (cost or 0) if charge.basis is Basis.ESTIMATE else 0,
        int(cost is None),
        int(cost is not None and bool(charge.missing)),
        *[getattr(usage, name) for name in _USAGE],
        0,
        0,
        int(stage is not None and stage.name == StageName.STRONG and bool(stage.why)),
    )


def _values(charge: Charge) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    if charge.duration_ns is not None:
        found.append(("duration", step_of(charge.duration_ns / 1e6)))
    if charge.first_token_ns is not None:
        found.append(("first_token", step_of(charge.first_token_ns / 1e6)))
    if charge.tokens is not None:
        found.append(("output", step_of(charge.usage.output)))
    return tuple(found)


def _calls(db: Database, changed: Iterable[tuple[Told | None, Told | None]]) -> Iterator[tuple[Place, int]]:
    """Where calls count no more, and where they count now: with the first of their attempts that do."""
    before: dict[str, list[Told]] = {}
    after: dict[str, list[Told]] = {}
    for old, new in changed:
        for told, by_call in ((old, before), (new, after)):
            if told is not None and told.call:
                by_call.setdefault(told.call, []).append(told)
    others = _others(db, before, after)
    for call in {**before, **after}:
        rest = others.get(call, ())
        was, now = (min((*by_call.get(call, ()), *rest), key=_order, default=None) for by_call in (before, after))
        if was is not None:
            yield was.place, -1
        if now is not None:
            yield now.place, 1


def _order(told: Told) -> tuple[int, str]:
    return told.order


def _others(
    db: Database, before: Mapping[str, Sequence[Told]], after: Mapping[str, Sequence[Told]]
) -> dict[str, list[Told]]:
    """The attempts of these calls that count, and did not move: seldom any, so that they are counted first."""
    calls = json.dumps(list({**before, **after}))
    counts = db.conn.execute(
        f"SELECT call_id, count(*) FROM attempts WHERE call_id IN (SELECT value FROM json_each(?)) AND {COUNTED} "
        "GROUP BY call_id",
        [calls],
    ).fetchall()
    found: dict[str, list[Told]] = {}
    for call, count in counts:
        moved = {told.order[1] for told in after.get(call, ())}
        if count > len(moved):
            found[call] = [told for told in _of_call(db, call) if told.order[1] not in moved]
    return found


def _of_call(db: Database, call: str) -> Iterator[Told]:
    """Where the attempts of a call count."""
    rows = db.conn.execute(
        "SELECT at_ns, attempt_id, labels, route, requested_model, model, action, coalesce(price_id, ''), "
        f"coalesce(modifiers, '[]') FROM attempts WHERE call_id = ? AND {COUNTED}",
        [call],
    ).fetchall()
    for at_ns, name, labels, route, asked, model, action, price_id, modifiers in rows:
        kind = (route, asked, model, action, price_id, modifiers)
        place = (at_ns // MINUTE_NS, tuple(json.loads(labels).items()), kind)
        yield Told(place, _NOTHING, call, (at_ns, name), ())
