"""How fast was a budget spent: how much in which minute, and in which hour, across its windows?"""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from bursar.policies.balancekey import Amounts, BalanceKey
from bursar.policies.windows import OWN_WINDOWS

MINUTE, HOUR = 60, 3_600
"""The lengths of a slot, in seconds. Every posting moves one of each."""
MINUTES_SECONDS = 2 * 86_400
"""Whoever looks back longer than this is given the first hour whole: minutes are not kept that long."""
FOR_EVER = 2**62
"""An end for what has none: also what was sent by a clock that has since been set back counts."""
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Flow:
    """Whose spending is added up: a budget's for one scope value; in windows of their own, for one of these."""

    budget: str
    scope: str


def flow_of(key: BalanceKey) -> Flow:
    """The flow that a balance's postings are part of."""
    own = key.window_id.partition(" ")[0] in OWN_WINDOWS
    return Flow(key.budget, f"{key.scope}|{key.window_id}" if own else key.scope)


def add(db: Database, flow: Flow, at_ns: int, moved: Amounts) -> None:
    """Count what an attempt sent at an instant costs more (or, below zero, less) than was counted before."""
    for seconds in (MINUTE, HOUR):
        db.conn.execute(
            """
            INSERT INTO flows (budget, scope, seconds, slot, nano, tokens, calls) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (budget, scope, seconds, slot) DO UPDATE
                SET nano = nano + excluded.nano, tokens = tokens + excluded.tokens, calls = calls + excluded.calls
            """,
            [
                *(flow.budget, flow.scope, seconds, at_ns // (seconds * _SECOND)),
                *(moved.usd, moved.tokens, moved.calls),
            ],
        )


def spent(db: Database, flow: Flow, since_ns: int, until_ns: int) -> Amounts:
    """
    What was spent by attempts sent from one instant up to another.

    The minutes that the two fall into count whole, so that nothing within is missed. Whole hours between are read as
    hours.
    """
    first, last = since_ns // (MINUTE * _SECOND), until_ns // (MINUTE * _SECOND) + 1
    hours = -(-first * MINUTE // HOUR), last * MINUTE // HOUR
    if hours[0] >= hours[1]:
        return _sum(db, flow, MINUTE, first, last)
    per_hour = HOUR // MINUTE
    parts = (
        _sum(db, flow, MINUTE, first, hours[0] * per_hour),
        _sum(db, flow, HOUR, *hours),
        _sum(db, flow, MINUTE, hours[1] * per_hour, last),
    )
    return Amounts(*(sum(figures) for figures in zip(*parts, strict=True)))


def last_hour(db: Database, flow: Flow, now_ns: int) -> int:
    """What was spent by attempts sent within the last hour, in nano-dollars; the minute at its edge counts whole."""
    return _sum(db, flow, MINUTE, (now_ns // _SECOND - HOUR) // MINUTE, FOR_EVER).usd


def back(now_ns: int, seconds: float) -> int:
    """The instant from which on counts what was spent within so long."""
    since_ns = now_ns - int(seconds * _SECOND)
    return since_ns if seconds <= MINUTES_SECONDS else since_ns - since_ns % (HOUR * _SECOND)


def _sum(db: Database, flow: Flow, seconds: int, first: int, last: int) -> Amounts:
    row = db.conn.execute(
        "SELECT coalesce(sum(nano), 0), coalesce(sum(tokens), 0), coalesce(sum(calls), 0) FROM flows "
        "WHERE budget = ? AND scope = ? AND seconds = ? AND slot >= ? AND slot < ?",
        [flow.budget, flow.scope, seconds, first, last],
    ).fetchone()
    return Amounts(*row)
