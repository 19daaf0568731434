"""
Which spans wait to be passed on, to whom, and what became of those that do no longer?

A file of its own beside the ledger, by intent: spans are large and leave soon, and the ledger is small and stays. In
the ledger their writes would be in the way of every guard that waits for its commit, and their pages in every copy of
it. Nothing here is money: without the file, spans that waited are gone and no figure is other than before.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bursar.agent.ledger.forwardtables import TargetState, explained, give_back, open_file, read_states

Fate = Literal["sent", "refused", "passed_over", "overflowed", "abandoned"]
"""
What becomes of a span: taken by the receiver; refused by it; none of those that it is meant to get; dropped as the
oldest where there was no more room; dropped since the policy has its receiver no longer.
"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Spans that came together, or a part of them."""

    target: str
    number: int
    part: str
    """Which part of those that came: a path of halves, `0` and `1`; empty for all of them."""
    spans: int
    alone: bool
    """Whether it is sent by itself: something in it, or in what it was sent with, was refused."""
    body: bytes


class ForwardQueue:
    """The file, open for writing. Every call is on the disk when it returns; calls of several threads take turns."""

    def __init__(self, path: Path, *, clock_ns: Callable[[], int]) -> None:
        """Open or make it. Raises `LedgerError`."""
        self._path = path
        self._clock_ns = clock_ns
        self._turn = threading.Lock()
        with suppress(OSError):  # what is in the way SQLite says better
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with explained(path):
            self._db = open_file(path)

    def know(self, receivers: Iterable[tuple[str, str, str, str]]) -> None:
        """Note whom the policy has now: name, kind, address and protocol."""
        with self._writing() as db:
            db.execute("UPDATE targets SET present = 0")
            db.executemany(
                "INSERT INTO targets (name, kind, url, protocol, present) VALUES (?, ?, ?, ?, 1) ON CONFLICT (name) "
                "DO UPDATE SET kind = excluded.kind, url = excluded.url, protocol = excluded.protocol, present = 1",
                list(receivers),
            )

    def put(self, limits: Iterable[tuple[str, int]], parcels: Sequence[tuple[int, bytes]]) -> dict[str, int]:
        """
        Keep parcels (how many spans, and their bytes) for targets, each with how many bytes may wait for it.

        Where that is exceeded the oldest go: how many spans by target, for those that lost any. Raises `LedgerError`.
        """
        lost: dict[str, int] = {}
        now_ns = self._clock_ns()
        with self._writing() as db:
            for target, limit in limits:
                for spans, body in parcels:
                    _append(db, target, spans, body, now_ns)
                overflowed = _shorten(db, target, limit)
                if overflowed:
                    lost[target] = overflowed
        return lost

    def next(self, target: str, *, most_spans: int, most_bytes: int) -> list[Parcel]:
        """
        What is to be sent next, the oldest first: as many parcels as fit into one request, at least one.

        None while nothing waits, or the receiver is to be left alone.
        """
        with self._turn, explained(self._path):
            state = self._db.execute("SELECT next_try_ns FROM targets WHERE name = ?", [target]).fetchone()
            if state is None or state[0] > self._clock_ns():
                return []
            rows = self._db.execute(
                "SELECT target, number, part, spans, alone, bytes, body FROM parcels WHERE target = ? "
                "ORDER BY number, part LIMIT 64",
                [target],
            )
            chosen: list[Parcel] = []
            spans = size = 0
            for name, number, part, count, alone, length, body in rows:
                spans, size = spans + count, size + length
                if chosen and (alone or chosen[0].alone or spans > most_spans or size > most_bytes):
                    break
                chosen.append(Parcel(name, number, part, count, bool(alone), body))
            return chosen

    def settle(
        self,
        parcels: Sequence[Parcel],
        fates: Sequence[tuple[Fate, int]],
        *,
        error: str | None = None,
        left: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        """
        Note what became of spans of these parcels, and put `left` in their place, which is then sent by itself.

        A receiver that took something is not failing. What was dropped for want of room while it was under way is
        dropped no more.
        """
        target, now_ns = parcels[0].target, self._clock_ns()
        with self._writing() as db:
            _remove(db, parcels)
            for place, (spans, body) in enumerate(left):
                part = f"{parcels[0].part}{place}"
                _insert(db, target, parcels[0].number, part, spans, body, now_ns, alone=True)
            for fate, count in fates:
                db.execute(f"UPDATE targets SET {fate} = {fate} + ? WHERE name = ?", [count, target])
            if any(fate == "sent" and count for fate, count in fates):
                db.execute(
                    "UPDATE targets SET last_sent_ns = ?, tries = 0, next_try_ns = 0, failing_since_ns = NULL "
                    "WHERE name = ?",
                    [now_ns, target],
                )
            if error is not None:
                _note_error(db, target, error, now_ns)
        with self._turn, explained(self._path):
            give_back(self._db)

    def isolate(self, parcels: Sequence[Parcel], error: str) -> None:
        """Have each of these be sent by itself: together they were refused."""
        with self._writing() as db:
            for parcel in parcels:
                db.execute(
                    "UPDATE parcels SET alone = 1 WHERE target = ? AND number = ? AND part = ?",
                    [parcel.target, parcel.number, parcel.part],
                )
            _note_error(db, parcels[0].target, error, self._clock_ns())

    def put_off(self, target: str, error: str, delay_ns: Callable[[int], int]) -> int:
        """
        Note that a try failed, and leave the receiver alone for a while, in nanoseconds, which it returns.

        `delay_ns` says how long, after so many tries in a row that failed.
        """
        now_ns = self._clock_ns()
        with self._writing() as db:
            (tries,) = db.execute(
                "UPDATE targets SET tries = tries + 1, failing_since_ns = coalesce(failing_since_ns, ?) "
                "WHERE name = ? RETURNING tries",
                [now_ns, target],
            ).fetchone()
            delay = delay_ns(tries)
            db.execute("UPDATE targets SET next_try_ns = ? WHERE name = ?", [now_ns + delay, target])
            _note_error(db, target, error, now_ns)
        return delay

    def abandon(self, before_ns: int) -> dict[str, int]:
        """Drop what waits since before an instant for targets that the policy has no longer: how many spans by each."""
        others = [state.name for state in self.states() if state.spans and not state.present]
        lost: dict[str, int] = {}
        for name in others:
            with self._writing() as db:
                gone = db.execute(
                    "DELETE FROM parcels WHERE target = ? AND queued_ns < ? RETURNING spans", [name, before_ns]
                ).fetchall()
                lost[name] = sum(spans for (spans,) in gone)
                db.execute("UPDATE targets SET abandoned = abandoned + ? WHERE name = ?", [lost[name], name])
        return {name: spans for name, spans in lost.items() if spans}

    def states(self) -> list[TargetState]:
        """How every receiver stands, by name."""
        with self._turn, explained(self._path):
            return read_states(self._db)

    def close(self) -> None:
        """Let the file go."""
        with self._turn:
            self._db.close()

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with self._turn, explained(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:  # whatever it is: half of it must not stay; raised again
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _append(db: sqlite3.Connection, target: str, spans: int, body: bytes, now_ns: int) -> None:
    db.execute("INSERT INTO targets (name) VALUES (?) ON CONFLICT DO NOTHING", [target])
    (number,) = db.execute("UPDATE targets SET last = last + 1 WHERE name = ? RETURNING last", [target]).fetchone()
    _insert(db, target, number, "", spans, body, now_ns, alone=False)


def _insert(
    db: sqlite3.Connection, target: str, number: int, part: str, spans: int, body: bytes, now_ns: int, *, alone: bool
) -> None:
    db.execute(
        "INSERT INTO parcels (target, number, part, spans, bytes, alone, queued_ns, body) VALUES (?,?,?,?,?,?,?,?)",
        [target, number, part, spans, len(body), alone, now_ns, body],
    )


def _remove(db: sqlite3.Connection, parcels: Sequence[Parcel]) -> None:
    """Take parcels out. Those that are out already counted as dropped; what follows says what they count as."""
    for parcel in parcels:
        taken = db.execute(
            "DELETE FROM parcels WHERE target = ? AND number = ? AND part = ?",
            [parcel.target, parcel.number, parcel.part],
        )
        if not taken.rowcount:
            db.execute(
                "UPDATE targets SET overflowed = max(overflowed - ?, 0) WHERE name = ?", [parcel.spans, parcel.target]
            )


def _shorten(db: sqlite3.Connection, target: str, limit: int) -> int:
    """Drop the oldest until no more than `limit` bytes wait; how many spans went."""
    (size,) = db.execute("SELECT bytes FROM targets WHERE name = ?", [target]).fetchone()
    lost = 0
    while size > limit:
        row = db.execute(
            "SELECT number, part, spans, bytes FROM parcels WHERE target = ? ORDER BY number, part LIMIT 1", [target]
        ).fetchone()
        db.execute("DELETE FROM parcels WHERE target = ? AND number = ? AND part = ?", [target, *row[:2]])
        lost, size = lost + row[2], size - row[3]
    if lost:
        db.execute("UPDATE targets SET overflowed = overflowed + ? WHERE name = ?", [lost, target])
    return lost


def _note_error(db: sqlite3.Connection, target: str, error: str, now_ns: int) -> None:
    db.execute("UPDATE targets SET last_error = ?, last_error_ns = ? WHERE name = ?", [error, now_ns, target])
