"""How is history priced anew: every charge by another book, its balances with it, and a row that says so?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger import attempts, postings
from bursar.agent.ledger.life import Attempt
from bursar.agent.ledger.meters import Meters
from bursar.agent.ledger.recount import Left, recount
from bursar.policies.charge import Charge
from bursar.policies.prices import PriceBook

CHUNK = 500
"""Charges in one transaction: some tenth of a second, in which nobody else writes."""


class Stretch(NamedTuple):
    """From one instant up to, and without, another, in nanoseconds since the epoch."""

    since_ns: int
    until_ns: int


class Place(NamedTuple):
    """The last charge looked at: they are taken by when they were sent, then by name."""

    at_ns: int
    attempt_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written beside every change."""

    now_ns: int
    why: str


class Kind(NamedTuple):
    """Changes of one kind."""

    model: str
    old_price_id: str | None
    new_price_id: str | None


@dataclass(frozen=True, slots=True)
class Sum:
    """So many changes, before and after; unknown costs count in neither sum."""

    charges: int = 0
    old_nano: int = 0
    new_nano: int = 0
    known: int = 0
    """How many were unknown, and no longer are."""

    @property
    def moved(self) -> int:
        """By how much they move the total."""
        return self.new_nano - self.old_nano

    def __add__(self, other: Sum) -> Sum:
        return Sum(
            self.charges + other.charges,
            self.old_nano + other.old_nano,
            self.new_nano + other.new_nano,
            self.known + other.known,
        )


@dataclass(slots=True)
class Outcome:
    """What became of the charges of a stretch, or of a part of it."""

    looked_at: int = 0
    changed: dict[Kind, Sum] = field(default_factory=dict[Kind, Sum])
    left: Counter[Left] = field(default_factory=Counter[Left])
    at: Place | None = None
    """Where it has come to; None once there is nothing more."""

    def note(self, old: Charge, new: Charge) -> None:
        """Count one change."""
        known = old.cost_nano_usd is None and new.cost_nano_usd is not None
        self._count(
            Kind(old.model, old.price_id, new.price_id),
            Sum(1, old.cost_nano_usd or 0, new.cost_nano_usd or 0, int(known)),
        )

    def add(self, other: Outcome) -> None:
        """Go on with the next part."""
        self.looked_at += other.looked_at
        self.left += other.left
        self.at = other.at
        for kind, changes in other.changed.items():
            self._count(kind, changes)

    @property
    def total(self) -> Sum:
        """All changes together."""
        return sum(self.changed.values(), Sum())

    def _count(self, kind: Kind, changes: Sum) -> None:
        self.changed[kind] = self.changed.get(kind, Sum()) + changes


def count(db: Database, stretch: Stretch) -> int:
    """How many charges there are to look at."""
    found: int = db.conn.execute(f"SELECT count(*) {_CHARGES}", [*stretch, -1, ""]).fetchone()[0]
    return found


def reprice(
    db: Database, book: PriceBook, stretch: Stretch, *, after: Place | None, entry: Entry | None, limit: int = CHUNK
) -> Outcome:
    """
    Price the next charges of a stretch by a book, those after a place. To be run as one transaction.

    Without an `entry` nothing is written. Balances move with their charges, also those of windows that are over;
    leases do not, since a process pays them by its own word.
    """
    outcome, meters = Outcome(), Meters()
    for attempt in _next(db, stretch, after, limit):
        outcome.looked_at += 1
        outcome.at = Place(attempt.at_ns, attempt.attempt_id)
        old, source = attempt.charge, attempt.source
        if old is None or source is None:
            continue
        new = recount(old, book, source=source)
        if isinstance(new, Left):
            outcome.left[new] += 1
        elif (new.cost_nano_usd, new.basis) != (old.cost_nano_usd, old.basis):
            outcome.note(old, new)
            if entry is not None:
                _write(db, attempt, old, new, entry, meters)
    meters.write(db)
    if outcome.looked_at < limit:
        outcome.at = None
    return outcome


_CHARGES = """
    FROM attempts WHERE state IN ('settled', 'orphaned') AND duplicate_of IS NULL
    AND at_ns >= ? AND at_ns < ? AND (at_ns, attempt_id) > (?, ?)
"""


def _next(db: Database, stretch: Stretch, after: Place | None, limit: int) -> Iterator[Attempt]:
    place = after or Place(-1, "")
    found = db.conn.execute(
        f"SELECT attempt_id {_CHARGES} ORDER BY at_ns, attempt_id LIMIT ?", [*stretch, *place, limit]
    ).fetchall()
    for (attempt_id,) in found:
        attempt = attempts.load(db, attempt_id)
        if attempt is not None:
            yield attempt


def _write(db: Database, attempt: Attempt, old: Charge, new: Charge, entry: Entry, meters: Meters) -> None:
    after = replace(attempt, charge=new)
    attempts.save(db, after)
    meters.note(attempt, after)
    postings.bring(db, after, policy=None, now_ns=entry.now_ns)
    db.conn.execute(
        "INSERT OR REPLACE INTO repricings (attempt_id, at_ns, why, old_nano, new_nano, old_price_id, new_price_id, "
        "old_basis, new_basis) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            attempt.attempt_id,
            entry.now_ns,
            entry.why,
            old.cost_nano_usd,
            new.cost_nano_usd,
            old.price_id,
            new.price_id,
            old.basis.value,
            new.basis.value,
        ],
    )
