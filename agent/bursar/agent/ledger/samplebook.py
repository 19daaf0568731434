"""Which calls are kept with their content for an eval, and when is each forgotten?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlite_utils import Database

from bursar.agent.ledger.deferralbook import Text
from bursar.policies.route import Capture
from bursar.policies.sample import Sample, Wanted, lot

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Kept:
    """A sample as it lies here; what it cost stands among the attempts, where it has come there."""

    attempt_id: str
    at_ns: int
    model: str
    betas: str
    request: Text
    answer: Text


@dataclass(frozen=True, slots=True)
class Stock:
    """How much is kept of one route."""

    route: str
    samples: int
    oldest_ns: int
    bytes: int


def keep(db: Database, told: Sample, request: Text, answer: Text, capture: Capture, now_ns: int) -> Wanted:
    """Keep a sample if its lot is among the smallest, and say which are wanted from now on; one known stays."""
    drawn, wanted = lot(told.attempt_id), _wanted(db, told.route, capture.samples)
    if wanted.below is not None and drawn >= wanted.below:
        return wanted
    row = [told.attempt_id, told.route, drawn, told.at_ns, now_ns, told.model, told.betas, int(request.sealed)]
    db.conn.execute(
        f"INSERT INTO samples VALUES ({', '.join('?' * 10)}) ON CONFLICT DO NOTHING", [*row, request.text, answer.text]
    )
    _trim(db, told.route, capture.samples)
    return _wanted(db, told.route, capture.samples)


def found(db: Database, route: str) -> list[Kept]:
    """All of a route, in the order of their lots: the first so many are as fair a sample as all of them."""
    rows = db.conn.execute(
        "SELECT attempt_id, at_ns, model, betas, sealed, request, answer FROM samples WHERE route = ? ORDER BY lot",
        [route],
    )
    return [
        Kept(attempt_id, at_ns, model, betas, Text(bool(sealed), request), Text(bool(sealed), answer))
        for attempt_id, at_ns, model, betas, sealed, request, answer in rows
    ]


def stocks(db: Database) -> list[Stock]:
    """What is kept, route by route."""
    rows = db.conn.execute(
        "SELECT route, count(*), min(kept_ns), sum(length(request) + length(answer)) FROM samples GROUP BY route"
    )
    return [Stock(*row) for row in rows]


def forget(db: Database, route: str) -> int:
    """Delete what is kept of a route; how much that was."""
    gone: int = db.conn.execute("DELETE FROM samples WHERE route = ?", [route]).rowcount
    return gone


def purge(db: Database, captures: Mapping[str, Capture], now_ns: int) -> int:
    """Delete what is older or more than its route's rules ask for, and all of a route that they do not name."""
    gone = 0
    for stock in stocks(db):
        capture = captures.get(stock.route)
        if capture is None:
            gone += forget(db, stock.route)
            continue
        before_ns = now_ns - int(capture.seconds * _SECOND)
        gone += db.conn.execute(
            "DELETE FROM samples WHERE route = ? AND kept_ns <= ?", [stock.route, before_ns]
        ).rowcount
        gone += _trim(db, stock.route, capture.samples)
    return gone


def sealed(db: Database) -> bool:
    """Whether any is kept under a key."""
    return db.conn.execute("SELECT 1 FROM samples WHERE sealed LIMIT 1").fetchone() is not None


def _wanted(db: Database, route: str, most: int) -> Wanted:
    row = db.conn.execute(
        "SELECT lot FROM samples WHERE route = ? ORDER BY lot LIMIT 1 OFFSET ?", [route, most - 1]
    ).fetchone()
    return Wanted(None if row is None else row[0])


def _trim(db: Database, route: str, most: int) -> int:
    """Delete those with the largest lots, down to so many."""
    surplus = "SELECT attempt_id FROM samples WHERE route = ? ORDER BY lot, attempt_id LIMIT -1 OFFSET ?"
    gone: int = db.conn.execute(f"DELETE FROM samples WHERE attempt_id IN ({surplus})", [route, most]).rowcount
    return gone
