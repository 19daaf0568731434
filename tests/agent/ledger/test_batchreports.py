"""Claims about what batches saved: tokens are half price, searches are not, and only what was paid counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger.deferred import NOON, SECOND, TERMS, found, opened, taken

from bursar.agent.ledger import batchbook, batchreports, deferralbook, deferring
from bursar.agent.ledger.batchbook import Batch, BatchState
from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.usage import Usage


@pytest.fixture
def db() -> Iterator[Database]:
    with opened() as memory:
        yield memory


def charge(name: str, *lines: Line, modifiers: tuple[str, ...] = ("batch",)) -> Charge:
    cost = sum(line.nano_usd for line in lines)
    return Charge(name, cost, Usage(input=1), Basis.USAGE, "m", "m", "r", lines=lines, modifiers=modifiers, at_ns=NOON)


def submitted(db: Database, *names: str) -> None:
    for name in names:
        taken(db, name)
    batch = Batch(
        "b1", "msgbatch_1", "c", "", BatchState.IN_PROGRESS, NOON, NOON, NOON, None, len(names), 9, {}, None, "age", ""
    )
    batchbook.add(db, batch)
    line = deferralbook.lines(db)[0]
    deferralbook.put_in(db, "b1", line, limit=9, bytes_left=999, framing=30, empty=True)


def test_what_was_saved(db: Database) -> None:
    """100 for tokens would have been 200; 30 for searches would have been 30 as well."""
    submitted(db, "a", "b")
    lines = (
        Line("input", 10, 1, 60, "m", "p"),
        Line("output", 1, 1, 40, "m", "p"),
        Line("web_search", 3, 1, 30, "m", "p"),
    )
    deferring.settle(db, charge("try-a", *lines), "succeeded", "", TERMS)
    (row,) = batchreports.batches(db, now_ns=NOON, limit=10)
    assert (row["nano_usd"], row["ordinary_nano_usd"], row["saved_nano_usd"]) == (130, 230, 100)
    assert row["outcomes"] == {"processing": 1, "succeeded": 1}


def test_a_fallback_saves_nothing(db: Database) -> None:
    """It was paid at the ordinary price, and in no batch."""
    submitted(db, "a")
    deferring.fall_back(db, found(db), TERMS)
    deferring.settle(db, charge("try-a-f", Line("input", 1, 1, 50, "m", "p"), modifiers=()), "succeeded", "", TERMS)
    (row,) = batchreports.batches(db, now_ns=NOON, limit=10)
    assert (row["nano_usd"], row["saved_nano_usd"]) == (0, 0)
    (call,) = batchreports.deferrals(db, limit=10, every=True)
    assert (call["nano_usd"], call["attempts"], call["state"]) == (50, 2, "fallen_back")


@pytest.mark.parametrize(("seconds", "progress"), [(0, 0.0), (10, 0.5), (100, 0.99)])
def test_progress_is_time(db: Database, seconds: int, progress: float) -> None:
    """Of the twenty seconds that a batch is taken to need; never all of it before the end."""
    submitted(db, "a")
    (row,) = batchreports.batches(db, now_ns=NOON + seconds * SECOND, limit=10)
    assert row["progress"] == progress
    assert row["expected_ns"] == NOON + 20 * SECOND


def test_states(db: Database) -> None:
    """A batch that is being cancelled says so until it has ended."""
    submitted(db, "a")
    batchbook.change(db, "b1", cancelled_ns=NOON)
    assert batchreports.batches(db, now_ns=NOON, limit=1)[0]["state"] == "cancelling"
    batchbook.change(db, "b1", ended_ns=NOON, state=BatchState.ENDED)
    assert batchreports.batches(db, now_ns=NOON, limit=1)[0]["state"] == "ended"


def test_what_waits(db: Database) -> None:
    """How many, how large, and when the first is sent at the latest."""
    assert batchreports.queued(db) == {"calls": 0, "bytes": 0, "next_ns": None}
    taken(db)
    assert batchreports.queued(db) == {"calls": 1, "bytes": 2, "next_ns": NOON + 300 * SECOND}


def test_what_is_too_many_is_not_summed(db: Database) -> None:
    """Then the API's own counts are told, and no sum at all instead of a wrong one."""
    submitted(db, "a", "b")
    deferring.settle(db, charge("try-a", Line("input", 10, 1, 60, "m", "p")), "succeeded", "", TERMS)
    batchbook.change(db, "b1", counts={"succeeded": 1, "errored": 0})
    (batch,) = batchbook.newest(db, 10)
    (few,) = batchreports.rows_of(db, [batch], now_ns=NOON, most=2)
    (many,) = batchreports.rows_of(db, [batch], now_ns=NOON, most=1)
    assert (few["nano_usd"], few["saved_nano_usd"]) == (60, 60)
    assert (many["nano_usd"], many["ordinary_nano_usd"], many["saved_nano_usd"]) == (None, None, None)
    assert many["outcomes"] == {"succeeded": 1}
