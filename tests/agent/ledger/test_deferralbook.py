"""Claims about the book of calls that are put off: what is kept comes back, and lines are cut where they should be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger.deferred import NOON, SECOND, found, made, opened, taken

from bursar.agent.ledger import batchbook, deferralbook
from bursar.agent.ledger.deferralbook import Line, Text
from bursar.policies.deferral import State

FRAMING = 30


@pytest.fixture
def db() -> Iterator[Database]:
    with opened() as memory:
        yield memory


def test_kept_as_it_is(db: Database) -> None:
    """Every field comes back, and those that were changed as they were changed to."""
    for one in (made(), made("b", balances=None, hard=(), key="k", betas="x", bounded=False)):
        deferralbook.add(db, one)
        assert deferralbook.find(db, one.id) == one
    deferralbook.change(db, "d-a", state=State.ERRORED, why="so", fallback_sent=True, ended_ns=NOON)
    one = found(db)
    assert (one.state, one.why, one.fallback_sent, one.over) == (State.ERRORED, "so", True, True)


def test_found_again(db: Database) -> None:
    """By id, by key (the newest), by attempt; without those there are not."""
    taken(db, key="k")
    deferralbook.change(db, "d-a", state=State.CANCELLED)
    taken(db, "b", key="k", taken_ns=NOON + 1)
    with_key = deferralbook.with_key(db, "digest", "k")
    assert with_key is not None
    assert with_key.id == "d-b"
    assert [one.id for one in deferralbook.find_all(db, ["d-b", "d-z", "d-b"])] == ["d-b"]
    of_attempt = deferralbook.with_attempt(db, "try-a")
    assert of_attempt is not None
    assert of_attempt.id == "d-a"
    assert deferralbook.with_attempt(db, "try-z") is None
    assert [one.id for one in deferralbook.newest(db, 10)] == ["d-b", "d-a"]


def test_lines(db: Database) -> None:
    """What is queued, by credential, betas and span; the first to be sent and the first to fall back."""
    taken(db)
    taken(db, "b", body="{...}", flush_ns=NOON + 5)
    taken(db, "c", betas="x", flush_ns=NOON + 7)
    taken(db, "d", state=State.IN_PROGRESS)
    first, second = deferralbook.lines(db)
    assert first == Line("c", "", 6, 2, 7, NOON + 5, NOON + 7_140 * SECOND)
    assert (second.betas, second.count) == ("x", 1)


def put(db: Database, batch: str, *, limit: int = 10, room: int = 1_000, empty: bool = True) -> tuple[int, int]:
    line = deferralbook.lines(db)[0]
    return deferralbook.put_in(db, batch, line, limit=limit, bytes_left=room, framing=FRAMING, empty=empty)


@pytest.mark.parametrize(
    ("limit", "room", "empty", "count"),
    [
        (10, 1_000, True, 3),
        (2, 1_000, True, 2),
        (10, 2 * 37, True, 2),
        (10, 2 * 37 - 1, True, 1),
        (10, 1, True, 1),
        (10, 1, False, 0),
    ],
)
def test_putting_into_a_batch(db: Database, limit: int, room: int, empty: bool, count: int) -> None:
    """The oldest first, as many as may be: each of 2 bytes, 5 for its id and 30 around it; one in any case."""
    for name in "abc":
        taken(db, name, taken_ns=NOON + ord(name))
    assert put(db, "b1", limit=limit, room=room, empty=empty) == (count, 37 * count)
    states = [found(db, name).state for name in "abc"]
    assert states == [State.SUBMITTING] * count + [State.QUEUED] * (3 - count)
    assert len(deferralbook.of_batch(db, "b1")) == count


def test_in_the_order_of_their_prefixes(db: Database) -> None:
    """Those that share one stand beside each other, the oldest first."""
    for name, prefix in zip("abcd", "yxyx", strict=True):
        taken(db, name, prefix=prefix, taken_ns=NOON + ord(name))
    put(db, "b1")
    assert [one.id for one in deferralbook.of_batch(db, "b1")] == ["d-b", "d-d", "d-a", "d-c"]


def test_a_batch_that_starts_and_one_that_never_left(db: Database) -> None:
    """Only those that still wait for it move."""
    for name in "ab":
        taken(db, name)
    put(db, "b1")
    deferralbook.change(db, "d-b", state=State.CANCELLED)
    deferralbook.started(db, "b1")
    assert [found(db, name).state for name in "ab"] == [State.IN_PROGRESS, State.CANCELLED]
    deferralbook.change(db, "d-a", state=State.SUBMITTING)
    assert deferralbook.put_back(db, "b1", NOON + 9) == 1
    assert (found(db).state, found(db).batch, found(db).flush_ns) == (State.QUEUED, None, NOON + 9)
    assert batchbook.open_tries(db, "b1", 10) == []


def test_due_to_fall_back(db: Database) -> None:
    """Those whose time has come and that still hope for a batch, the most urgent first."""
    taken(db, "a", fall_back_ns=NOON + 2)
    taken(db, "b", fall_back_ns=NOON + 1)
    taken(db, "c", fall_back_ns=NOON, state=State.SUCCEEDED)
    taken(db, "d", fall_back_ns=NOON + 3)
    assert [one.id for one in deferralbook.due_to_fall_back(db, NOON + 2, 10)] == ["d-b", "d-a"]
    deferralbook.change(db, "d-a", state=State.FALLEN_BACK)
    assert [one.id for one in deferralbook.fallen(db)] == ["d-a"]


def test_texts(db: Database) -> None:
    """Sealed ones are counted; a text that is kept anew takes the place of the one before."""
    deferralbook.keep_text(db, "d", "answer", Text(sealed=False, text=b"1"))
    deferralbook.keep_text(db, "d", "answer", Text(sealed=True, text=b"\x00"))
    assert deferralbook.text_of(db, "d", "answer") == Text(sealed=True, text=b"\x00")
    assert deferralbook.sealed_texts(db) == 1
    assert "x00" not in repr(Text(sealed=True, text=b"\x00"))


def test_only_what_is_over_is_delivered(db: Database) -> None:
    """Once: the first time stays."""
    taken(db)
    taken(db, "b", ended_ns=NOON, state=State.SUCCEEDED)
    deferralbook.deliver(db, ["d-a", "d-b"], NOON + 1)
    deferralbook.deliver(db, ["d-b"], NOON + 2)
    assert (found(db).delivered_ns, found(db, "b").delivered_ns) == (None, NOON + 1)
    assert found(db, "b").told is State.DELIVERED


def test_purging_some_at_a_time(db: Database) -> None:
    """Three that were delivered are two and one."""
    for name in "abc":
        taken(db, name, ended_ns=NOON, delivered_ns=NOON, state=State.SUCCEEDED)
    counts = [deferralbook.purge(db, delivered_before_ns=NOON, taken_before_ns=0, limit=2) for _ in range(3)]
    assert counts == [2, 1, 0]
