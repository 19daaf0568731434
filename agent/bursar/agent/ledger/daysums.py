"""What was spent in a stretch of the last two days, to the minute: today so far, and yesterday by this time?"""

from __future__ import annotations

from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger import usagebook
from bursar.agent.ledger.rollups import MINUTE_NS
from bursar.agent.ledger.sumbook import Spend
from bursar.agent.ledger.sumtables import FIGURES, HOUR, MINUTE
from bursar.agent.ledger.usagebook import Group
from bursar.policies.usage import Usage

_MINUTES = HOUR // MINUTE
_USAGE = tuple(Usage.__dataclass_fields__)
_SLOTS = "FROM sums WHERE label = '' AND seconds = ? AND slot >= ? AND slot < ?"


class Piece(NamedTuple):
    """Slots of one length, in seconds, from one up to, and without, another."""

    seconds: int
    first: int
    until: int


def pieces(since_ns: int, until_ns: int) -> tuple[Piece, ...]:
    """A stretch as whole hours, and the minutes ahead of and behind them; those that its ends fall into count whole."""
    first, last = since_ns // MINUTE_NS, -(-until_ns // MINUTE_NS)
    begins, ends = -(-first // _MINUTES), last // _MINUTES
    if begins >= ends:
        return (Piece(MINUTE, first, last),)
    return (
        Piece(MINUTE, first, begins * _MINUTES),
        Piece(HOUR, begins, ends),
        Piece(MINUTE, ends * _MINUTES, last),
    )


def total(db: Database, since_ns: int, until_ns: int) -> Spend:
    """All that was spent; also where a day begins at half past an hour of UTC, as in India."""
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in FIGURES)
    rows = (db.conn.execute(f"SELECT {sums} {_SLOTS}", piece).fetchone() for piece in pieces(since_ns, until_ns))
    return sum((Spend(*row) for row in rows), Spend())


def groups(db: Database, since_ns: int, until_ns: int) -> list[Group]:
    """The charges of known cost as `usagebook.groups_of` tells them; one of several pieces comes as several."""
    return [group for piece in pieces(since_ns, until_ns) for group in _groups(db, piece)]


def _groups(db: Database, piece: Piece) -> list[Group]:
    day = f"slot / {86_400 // piece.seconds}"
    rows = db.conn.execute(
        f"SELECT model, requested_model, action, {day}, price_id, modifiers, sum(charges - unknown), sum(nano), "
        f"{', '.join(f'sum({name})' for name in _USAGE)} {_SLOTS} "
        f"GROUP BY model, requested_model, action, {day}, price_id, modifiers HAVING sum(charges - unknown) > 0",
        piece,
    ).fetchall()
    return [usagebook.group(*row) for row in rows]
