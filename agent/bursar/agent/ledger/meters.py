"""By how much do the sums that only grow move, and those by hour with them, when attempts are told of?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlite_utils import Database

from bursar.agent.ledger.life import Attempt, State
from bursar.agent.ledger.sums import Sums
from bursar.policies.charge import Basis
from bursar.policies.records import Decided, Sent

_COUNTED = (State.SETTLED, State.ORPHANED)
_TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
_SUMS = ("nano_up", "nano_down", "charges", "estimated_nano", "unknown", *_TOKENS)

Figures = tuple[int, ...]
"""What one attempt counts as: nano-dollars, nano-dollars that are a bound, unknown, then tokens by class."""
_NOTHING: Figures = (0,) * (3 + len(_TOKENS))


@dataclass(slots=True)
class Meters:
    """The moves of one booking, written together."""

    _moves: dict[tuple[str, str], list[int]] = field(default_factory=dict[tuple[str, str], list[int]])
    """By route and model, in the order of the columns."""
    _decisions: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    _sums: Sums = field(default_factory=Sums)

    def note(self, before: Attempt | None, after: Attempt) -> None:
        """An attempt is now told otherwise, or at all."""
        self._sums.note(before, after)
        was, now = _place(before), _place(after)
        if was is None and now is None:
            return
        old, new = _figures(before), _figures(after)
        if was is not None and was == now:
            self._move(was, old, new, charges=0)
            return
        if was is not None:
            self._move(was, old, _NOTHING, charges=0)
        if now is not None:
            self._move(now, _NOTHING, new, charges=1)

    def decided(self, record: Sent | Decided) -> None:
        """A decision was told of for the first time."""
        self._decisions[record.action, record.reason] += 1
        if record.action == "block":
            self._sums.refused(record)

    def write(self, db: Database) -> None:
        """Move the sums, in the transaction of what moved them, once all of it is saved."""
        moved = [(*key, *sums) for key, sums in self._moves.items() if any(sums)]
        if moved:
            db.conn.executemany(_WRITE, moved)
        if self._decisions:
            db.conn.executemany(_DECIDED, [(*key, count) for key, count in self._decisions.items()])
        self._moves.clear()
        self._decisions.clear()
        self._sums.write(db)

    def _move(self, key: tuple[str, str], old: Figures, new: Figures, *, charges: int) -> None:
        if old == new and not charges:
            return
        nano, estimated, unknown, *tokens = (b - a for a, b in zip(old, new, strict=True))
        step = (max(nano, 0), max(-nano, 0), charges, estimated, unknown, *(max(count, 0) for count in tokens))
        sums = self._moves.get(key)
        self._moves[key] = list(step) if sums is None else [a + b for a, b in zip(sums, step, strict=True)]


_WRITE = f"""
INSERT INTO meters (route, model, {", ".join(_SUMS)}) VALUES (?, ?, {", ".join("?" * len(_SUMS))})
ON CONFLICT (route, model) DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)}
"""
_DECIDED = """
INSERT INTO decision_meters (action, reason, count) VALUES (?, ?, ?)
ON CONFLICT (action, reason) DO UPDATE SET count = count + excluded.count
"""


def _place(attempt: Attempt | None) -> tuple[str, str] | None:
    """Where an attempt counts; None for one that does not, or not yet."""
    if attempt is None or attempt.duplicate_of is not None or attempt.state not in _COUNTED:
        return None
    return attempt.route, attempt.model


def _figures(attempt: Attempt | None) -> Figures:
    charge = None if attempt is None else attempt.charge
    if charge is None:
        return (0, 0, 1, *_NOTHING[3:])
    cost, usage = charge.cost_nano_usd, charge.usage
    tokens = (usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.output)
    if cost is None:
        return (0, 0, 1, *tokens)
    return (cost, cost if charge.basis is Basis.ESTIMATE else 0, 0, *tokens)
