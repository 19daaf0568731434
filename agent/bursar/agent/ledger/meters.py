"""By how much do the sums that only grow move, when attempts are told of?"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlite_utils import Database

from bursar.agent.ledger.life import Attempt, State
from bursar.policies.charge import Basis

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

    def note(self, before: Attempt | None, after: Attempt) -> None:
        """An attempt is now told otherwise, or at all."""
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

    def write(self, db: Database) -> None:
        """Move the sums, in the transaction of what moved them."""
        moved = [(*key, *sums) for key, sums in self._moves.items() if any(sums)]
        if moved:
            db.conn.executemany(_WRITE, moved)
        self._moves.clear()

    def _move(self, key: tuple[str, str], old: Figures, new: Figures, *, charges: int) -> None:
        if old == new and not charges:
            return
        nano, estimated, unknown, *tokens = (b - a for a, b in zip(old, new, strict=True))
        step = (max(nano, 0), max(-nano, 0), charges, estimated, unknown, *(max(count, 0) for count in tokens))
        sums = self._moves.get(key)
        self._moves[key] = list(step) if sums is None else [a + b for a, b in zip(sums, step, strict=True)]


def decided(db: Database, action: str, reason: str) -> None:
    """Count one decision."""
    db.conn.execute(
        "INSERT INTO decision_meters (action, reason, count) VALUES (?, ?, 1) "
        "ON CONFLICT (action, reason) DO UPDATE SET count = count + 1",
        [action, reason],
    )


_WRITE = f"""
INSERT INTO meters (route, model, {", ".join(_SUMS)}) VALUES (?, ?, {", ".join("?" * len(_SUMS))})
ON CONFLICT (route, model) DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)}
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
