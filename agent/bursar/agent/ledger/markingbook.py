"""Which cache marks were put in force, and what did the calls pay that got them, and those that were held out?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlite_utils import Database

from bursar.policies.cachemarks import Mark, Marking
from bursar.policies.usage import Usage


class State(StrEnum):
    """What became of marks that were advised."""

    PULLED = "pulled"
    """In force, and on trial."""
    KEPT = "kept"
    """In force, and seen to pay."""
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class Pulled:
    """Marks that were put in force for a route with `cache = "auto"`."""

    marking: Marking
    predicted: float
    """The share of what its prompts cost without any cache that the advice said they save."""
    at_ns: int
    state: State = State.PULLED
    reason: str = ""
    """What was seen, in words."""
    realised: float | None = None
    """The same share as seen, beyond what those saved that were held out; None while there is too little to say."""


@dataclass(frozen=True, slots=True)
class Paid:
    """Calls of one model that are priced alike."""

    model: str
    day: int
    """Days since the epoch, in UTC."""
    longest: int
    """Tokens of their longest prompt."""
    calls: int
    usage: Usage
    """Of all of them; what they answered is left out."""


LONG = 100_000
"""Tokens of a prompt beyond which one model's price is another: see `pricefile`. Both are priced apart."""


def put_in_force(db: Database, one: Pulled) -> None:
    """Keep marks with what was predicted of them, in place of what was known of that advice before."""
    _keep(db, one)


def settle(db: Database, one: Pulled) -> None:
    """Keep what became of marks. Those that somebody has dismissed meanwhile stay dismissed."""
    if db.conn.execute("SELECT state FROM verdicts WHERE id = ?", [one.marking.id]).fetchone() != ("dismissed",):
        _keep(db, one)


def all_pulled(db: Database) -> list[Pulled]:
    """All that were ever put in force and not dismissed, by when that was."""
    rows = db.conn.execute(
        "SELECT id, route, model, state, at_ns, reason, detail FROM verdicts "
        "WHERE state != 'dismissed' ORDER BY at_ns, id"
    ).fetchall()
    return [_pulled(*row) for row in rows]


def dismissed(db: Database) -> frozenset[str]:
    """The ids of advice that somebody does not want."""
    return frozenset(row[0] for row in db.conn.execute("SELECT id FROM verdicts WHERE state = 'dismissed'"))


def paid(db: Database, told: str, since_ns: int) -> list[Paid]:
    """What calls used since an instant whose `Sent.marking` was this: the id, or with `-` ahead of it the held-out."""
    rows = db.conn.execute(
        """
        SELECT model, at_ns / 86400000000000 AS day, max(prompt), count(*), sum(input), sum(cache_read),
            sum(cache_write_5m), sum(cache_write_1h)
        FROM (
            SELECT model, at_ns, input, cache_read, cache_write_5m, cache_write_1h,
                input + cache_read + cache_write_5m + cache_write_1h AS prompt
            FROM attempts WHERE marking = ? AND at_ns >= ? AND state = 'settled' AND basis = 'usage'
                AND duplicate_of IS NULL
        )
        GROUP BY model, day, prompt > ? ORDER BY model, day
        """,
        [told, since_ns, LONG],
    ).fetchall()
    return [Paid(model, day, longest, calls, Usage(*counts)) for model, day, longest, calls, *counts in rows]


def _keep(db: Database, one: Pulled) -> None:
    detail = {
        "marks": [[mark.place, mark.ttl] for mark in one.marking.marks],
        "held_out": one.marking.held_out,
        "predicted": one.predicted,
        "realised": one.realised,
    }
    db.conn.execute(
        "INSERT OR REPLACE INTO verdicts (id, route, model, state, at_ns, reason, by, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(one.marking.id, one.marking.route, one.marking.model, str(one.state), one.at_ns, one.reason, "auto"),
            json.dumps(detail),
        ],
    )


def _pulled(name: str, route: str, model: str, state: str, at_ns: int, reason: str, detail: str) -> Pulled:
    told = json.loads(detail)
    marks: Sequence[Sequence[str]] = told["marks"]
    marking = Marking(name, route, model, tuple(Mark(place, ttl) for place, ttl in marks), told["held_out"])
    return Pulled(marking, told["predicted"], at_ns, State(state), reason, told["realised"])
