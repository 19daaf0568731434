"""How often was a step of a rolling balance come to, left, and come to again? Such a window never turns by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlite_utils import Database

from bursar.policies.policy import Step
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import HYSTERESIS

THOUSAND = 1_000
BAND = int(HYSTERESIS * THOUSAND)
"""So many thousandths below where it was come to a step is left."""


class Level(NamedTuple):
    """Where a balance stands with a step, and where the step is: thousandths of the limit, or of its velocity."""

    at: int
    mark: int


def level_of(step: Step, view: BalanceView) -> Level:
    """By what is spent and expected of the limit; of a step at a velocity, by that."""
    if step.velocity is not None:
        recent = view.recent.get(step.velocity.span, 0)
        return Level(_thousandths(recent, step.velocity.amount_nano), THOUSAND)
    mark = THOUSAND if step.share is None else int(step.share * THOUSAND)
    return Level(_thousandths(view.spent + view.expected, view.limit), mark)


def turned(db: Database, balance: str, levels: Mapping[str, Level], reached: Sequence[str]) -> dict[str, int]:
    """
    Which time it is, from one on, that each of these steps is reached, noted for ever; zero where it never was.

    A step that is `reached` is left ten points below, or, where a refusal reached it sooner, ten points below that.
    """
    rows = db.conn.execute("SELECT step, number, leave FROM epochs WHERE balance = ?", [balance]).fetchall()
    known: dict[str, tuple[int, int | None]] = {step: (number, leave) for step, number, leave in rows}
    numbers: dict[str, int] = {}
    for step, level in levels.items():
        before = number, leave = known.get(step, (0, None))
        if leave is not None and level.at < leave:
            leave = None
        if leave is None and step in reached:
            number, leave = number + 1, min(level) - BAND
        if (number, leave) != before:
            db.conn.execute(
                "INSERT INTO epochs (balance, step, number, leave) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (balance, step) DO UPDATE SET number = excluded.number, leave = excluded.leave",
                [balance, step, number, leave],
            )
        numbers[step] = number
    return numbers


def under_way(db: Database) -> list[str]:
    """The balances with a step that was reached and not left yet, as far as anybody has looked."""
    rows = db.conn.execute("SELECT DISTINCT balance FROM epochs WHERE leave IS NOT NULL ORDER BY balance").fetchall()
    return [balance for (balance,) in rows]


def _thousandths(amount: int, whole: int) -> int:
    return amount * THOUSAND // whole if whole > 0 else THOUSAND
