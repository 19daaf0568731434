"""Samples are a fair choice of a route's calls, of no more than was asked for, and for no longer."""

from __future__ import annotations

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import samplebook
from bursar.agent.ledger.deferralbook import Text
from bursar.agent.ledger.samplebook import Stock
from bursar.policies.route import Capture
from bursar.policies.sample import Sample, Wanted, lot

SECOND = 10**9
THREE = Capture(3, 100.0)
NAMES = sorted((f"a-{number}" for number in range(10)), key=lot)
"""Ten attempts by their lots."""


@pytest.fixture
def db() -> Database:
    return fresh.ledger()


def keep(db: Database, *names: str, route: str = "triage", capture: Capture = THREE, now: int = 0) -> list[Wanted]:
    return [
        samplebook.keep(
            db,
            Sample(name, route, 7, "opus", "beta", "request", "answer"),
            Text(sealed=False, text=b"request"),
            Text(sealed=False, text=b"answer"),
            capture,
            now * SECOND,
        )
        for name in names
    ]


def kept(db: Database, route: str = "triage") -> list[str]:
    return [one.attempt_id for one in samplebook.found(db, route)]


@pytest.mark.parametrize("order", [1, -1])
def test_the_smallest_lots_stay_in_whatever_order_they_come(db: Database, order: int) -> None:
    """Three of ten; and with them it is told from which lot on no more are wanted."""
    told = keep(db, *NAMES[::order])
    assert kept(db) == NAMES[:3]
    assert told[-1] == Wanted(lot(NAMES[2]))
    assert told[:2] == [Wanted(None)] * 2
    (first, *_) = samplebook.found(db, "triage")
    assert (first.model, first.betas, first.request.text, first.answer.text) == ("opus", "beta", b"request", b"answer")


def test_one_that_is_told_twice_is_kept_once(db: Database) -> None:
    """The message may have been repeated."""
    keep(db, "a-1", "a-1")
    assert kept(db) == ["a-1"]


def test_routes_do_not_crowd_each_other_out(db: Database) -> None:
    """Each has its own number."""
    keep(db, *NAMES[:5])
    keep(db, *NAMES[5:], route="chat")
    assert (len(kept(db)), len(kept(db, "chat"))) == (3, 3)
    assert samplebook.stocks(db) == [Stock("chat", 3, 0, 39), Stock("triage", 3, 0, 39)]
    assert samplebook.forget(db, "chat") == 3
    assert (len(kept(db)), kept(db, "chat")) == (3, [])


@pytest.mark.parametrize(
    ("captures", "now", "left"),
    [
        ({"triage": THREE}, 99, NAMES[:3]),
        ({"triage": THREE}, 100, []),
        ({"triage": Capture(2, 100.0)}, 99, NAMES[:2]),
        ({}, 1, []),
        ({"chat": THREE}, 1, []),
    ],
)
def test_what_is_too_old_too_much_or_no_longer_asked_for_is_deleted(
    db: Database, captures: dict[str, Capture], now: int, left: list[str]
) -> None:
    """To the second: kept at 0 for 100 s, it is there at 99 and gone at 100."""
    keep(db, *NAMES[:3])
    assert samplebook.purge(db, captures, now * SECOND) == 3 - len(left)
    assert kept(db) == left


def test_room_that_comes_free_is_filled_again(db: Database) -> None:
    """Once old ones are gone every call is wanted."""
    keep(db, *NAMES[:3], now=0)
    samplebook.purge(db, {"triage": THREE}, 100 * SECOND)
    assert keep(db, NAMES[9], now=100) == [Wanted(None)]
