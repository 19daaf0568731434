"""Claims about the book of batches: what is known of each, of every attempt in it, and how long they take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger.deferred import NOON, SECOND, opened, taken

from bursar.agent.ledger import batchbook, deferralbook
from bursar.agent.ledger.batchbook import Batch, BatchState
from bursar.policies.deferral import State


@pytest.fixture
def db() -> Iterator[Database]:
    with opened() as memory:
        yield memory


def add(db: Database, name: str = "b1", **other: Any) -> Batch:
    fields: dict[str, Any] = {
        "api_id": None, "credential": "c", "betas": "", "state": BatchState.SUBMITTING, "made_ns": NOON,
        "submitted_ns": None, "looked_ns": 0, "ended_ns": None, "items": 2, "bytes": 9, "counts": {"processing": 2},
        "cancelled_ns": None, "reason": "age", "why": "", **other,
    }  # fmt: skip
    batch = Batch(id=name, **fields)
    batchbook.add(db, batch)
    return batch


def test_kept_as_it_is(db: Database) -> None:
    """Under either of its names."""
    batch = add(db, api_id="msgbatch_1", counts={"succeeded": 2})
    assert batchbook.find(db, "b1") == batchbook.find(db, "msgbatch_1") == batch
    assert batchbook.find(db, "other") is None
    assert batchbook.known(db) == {"msgbatch_1"}
    batchbook.change(db, "b1", state=BatchState.ENDED, counts={})
    changed = batchbook.find(db, "b1")
    assert changed is not None
    assert (changed.state, changed.counts) == (BatchState.ENDED, {})
    batchbook.forget(db, "b1")
    assert batchbook.find(db, "b1") is None


@pytest.mark.parametrize("state", list(BatchState))
def test_unfinished(db: Database, state: BatchState) -> None:
    """All but those that are collected or never were."""
    add(db, state=state)
    assert bool(batchbook.unfinished(db)) is (state not in (BatchState.COLLECTED, BatchState.FAILED))


def test_how_long_they_took(db: Database) -> None:
    """The newest first; without those that were cancelled or have not ended."""
    add(db, "b1", submitted_ns=NOON, ended_ns=NOON + 30 * SECOND)
    add(db, "b2", submitted_ns=NOON, ended_ns=NOON + 40 * SECOND)
    add(db, "b3", submitted_ns=NOON, ended_ns=NOON + 50 * SECOND, cancelled_ns=NOON)
    add(db, "b4", submitted_ns=NOON)
    assert batchbook.took_seconds(db) == [40.0, 30.0]


def test_attempts(db: Database) -> None:
    """What became of one is noted once; those in a batch are known by their ids."""
    batchbook.add_tries(db, [("t1", "d1", "b1", NOON), ("t2", "d2", "b1", NOON), ("t3", "d3", None, NOON)])
    assert batchbook.end_try(db, "t1", "errored", detail="api_error", now_ns=NOON + 1)
    assert not batchbook.end_try(db, "t1", "succeeded", now_ns=NOON + 2)
    assert not batchbook.end_try(db, "t9", "succeeded", now_ns=NOON)
    assert batchbook.open_tries(db, "b1", 10) == ["t2"]
    assert batchbook.outcomes(db, "b1") == {"errored": 1, "": 1}
    assert batchbook.is_of(db, "b1", ["t1", "t2"])
    assert not batchbook.is_of(db, "b1", ["t1", "t3"])
    assert not batchbook.is_of(db, "b1", [])
    (row,) = batchbook.tries_of(db, "d1")
    assert (row["outcome"], row["detail"], row["ended_ns"], row["cost_nano"]) == (
        "errored",
        "api_error",
        NOON + 1,
        None,
    )


def test_strays_and_batches_that_nobody_wants(db: Database) -> None:
    """A call that waits no longer leaves its attempt behind; without any that waits, the batch is nobody's."""
    for name in "ab":
        taken(db, name)
    add(db, state=BatchState.IN_PROGRESS)
    line = deferralbook.lines(db)[0]
    deferralbook.put_in(db, "b1", line, limit=9, bytes_left=999, framing=30, empty=True)
    assert batchbook.strays(db, "b1") == []
    deferralbook.change(db, "d-a", state=State.CANCELLED)
    assert batchbook.strays(db, "b1") == ["try-a"]
    assert batchbook.unwanted(db) == []
    deferralbook.change(db, "d-b", state=State.FALLEN_BACK)
    assert [batch.id for batch in batchbook.unwanted(db)] == ["b1"]
    batchbook.change(db, "b1", cancelled_ns=NOON)
    assert batchbook.unwanted(db) == []


def test_the_newest_come_in_stretches(db: Database) -> None:
    """So many behind the first so many; and all are counted."""
    for number in range(5):
        add(db, f"b{number}", made_ns=NOON + number)
    assert [batch.id for batch in batchbook.newest(db, 2, after=1)] == ["b3", "b2"]
    assert batchbook.count(db) == 5


def test_requests_of_a_batch_come_in_stretches(db: Database) -> None:
    """By their ids, from behind one of them on; what nobody knows yet is empty."""
    for name in ("a", "b", "c"):
        taken(db, name)
    add(db)
    deferralbook.put_in(db, "b1", deferralbook.lines(db)[0], limit=9, bytes_left=999, framing=30, empty=True)
    batchbook.end_try(db, "try-a", "errored", detail="overloaded", now_ns=NOON + 1)
    first = batchbook.requests(db, "b1", 2)
    assert [(one.attempt_id, one.outcome, one.detail) for one in first] == [
        ("try-a", "errored", "overloaded"),
        ("try-b", None, ""),
    ]
    assert (first[0].route, first[0].cost_nano) == ("digest", None)
    assert [one.attempt_id for one in batchbook.requests(db, "b1", 2, after="try-b")] == ["try-c"]
