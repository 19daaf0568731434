"""Claims about the queue: what is in it is on the disk, leaves in order, and never grows beyond its bound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bursar.agent.ledger import LedgerError
from bursar.agent.ledger.forwardqueue import ForwardQueue, Parcel
from bursar.agent.ledger.forwardtables import TargetState, path_beside, states

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
ROOM = 10**9
EVERYTHING = {"most_spans": 10**6, "most_bytes": 10**9}


@dataclass
class Clock:
    now: int = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return path_beside(tmp_path / "ledger.sqlite")


@pytest.fixture
def queue(path: Path, clock: Clock) -> Iterator[ForwardQueue]:
    opened = ForwardQueue(path, clock_ns=clock)
    yield opened
    opened.close()


def waiting(queue: ForwardQueue, target: str = "a") -> list[bytes]:
    """Bodies in the order in which they would be sent."""
    bodies: list[bytes] = []
    while found := queue.next(target, **EVERYTHING):
        bodies += [parcel.body for parcel in found]
        queue.settle(found, [("sent", sum(parcel.spans for parcel in found))])
    return bodies


def state(queue: ForwardQueue, target: str = "a") -> TargetState:
    return next(one for one in queue.states() if one.name == target)


def one(queue: ForwardQueue, target: str = "a") -> list[Parcel]:
    return queue.next(target, most_spans=1, most_bytes=1)


def test_parcels_leave_in_the_order_they_came_for_each_target(queue: ForwardQueue) -> None:
    """What is put for two targets waits for each by itself."""
    queue.put([("a", ROOM), ("b", ROOM)], [(1, b"1"), (1, b"2")])
    queue.put([("a", ROOM)], [(1, b"3")])
    assert waiting(queue) == [b"1", b"2", b"3"]
    assert waiting(queue, "b") == [b"1", b"2"]
    assert (state(queue).sent, state(queue).spans, state(queue).bytes) == (3, 0, 0)
    assert waiting(queue, "nobody") == []


@pytest.mark.parametrize(
    ("most_spans", "most_bytes", "bodies"),
    [(10, 100, [b"11", b"22", b"33"]), (4, 100, [b"11", b"22"]), (10, 4, [b"11", b"22"]), (1, 1, [b"11"])],
)
def test_as_much_as_fits_goes_at_once(
    queue: ForwardQueue, most_spans: int, most_bytes: int, bodies: list[bytes]
) -> None:
    """By spans and by bytes; one parcel goes in any case."""
    queue.put([("a", ROOM)], [(2, b"11"), (2, b"22"), (2, b"33")])
    found = queue.next("a", most_spans=most_spans, most_bytes=most_bytes)
    assert [parcel.body for parcel in found] == bodies


def test_what_is_in_it_outlives_the_process(path: Path, clock: Clock) -> None:
    """Closed without a word or not at all: another agent finds it, with what is known of the target."""
    first = ForwardQueue(path, clock_ns=clock)
    first.put([("a", ROOM)], [(2, b"x")])
    first.put_off("a", "away", lambda tries: tries * SECOND)
    again = ForwardQueue(path, clock_ns=Clock(NOON + 2 * SECOND))
    assert (state(again).tries, state(again).failing_since_ns, state(again).last_error) == (1, NOON, "away")
    assert waiting(again) == [b"x"]
    for opened in (first, again):
        opened.close()


def test_the_oldest_go_where_there_is_no_more_room(queue: ForwardQueue) -> None:
    """Ten bytes for each: of four parcels of four the first two go, counted, and the other target loses none."""
    lost = queue.put([("a", 10), ("b", 100)], [(3, b"1111"), (3, b"2222"), (3, b"3333"), (3, b"4444")])
    assert lost == {"a": 6}
    assert (state(queue).overflowed, state(queue).spans, state(queue).bytes) == (6, 6, 8)
    assert waiting(queue) == [b"3333", b"4444"]
    assert state(queue, "b").overflowed == 0


def test_the_file_stays_bounded(path: Path, queue: ForwardQueue) -> None:
    """Five times its room goes through it; the file has the room, and gives it back but for a megabyte."""
    room = 4 * 10**6
    for _ in range(50):
        queue.put([("a", room)], [(1, os.urandom(400_000))])
    assert path.stat().st_size < 1.5 * room
    waiting(queue)
    assert state(queue).overflowed == 40
    queue.close()
    assert path.stat().st_size < 1.2 * 2**20


def test_what_was_dropped_under_way_and_taken_all_the_same_counts_as_sent(queue: ForwardQueue) -> None:
    """Its receiver has it, so it is not lost."""
    queue.put([("a", 4)], [(2, b"1111")])
    found = queue.next("a", **EVERYTHING)
    assert queue.put([("a", 4)], [(1, b"2222")]) == {"a": 2}
    queue.settle(found, [("sent", 2)])
    assert (state(queue).sent, state(queue).overflowed, state(queue).spans) == (2, 0, 1)


def test_what_is_left_of_a_parcel_stands_in_its_place(queue: ForwardQueue) -> None:
    """Halves before what came after them, each to be sent alone, however often they are halved."""
    queue.put([("a", ROOM)], [(4, b"1234"), (1, b"5")])
    queue.settle(one(queue), [], left=[(2, b"12"), (2, b"34")], error="400")
    queue.settle(one(queue), [], left=[(1, b"1"), (1, b"2")])
    assert [parcel.alone for parcel in queue.next("a", **EVERYTHING)] == [True]
    assert waiting(queue) == [b"1", b"2", b"34", b"5"]
    assert state(queue).last_error == "400"


def test_parcels_that_were_refused_together_are_sent_one_by_one(queue: ForwardQueue) -> None:
    """Until what is wrong with one of them is known the others do not suffer for it."""
    queue.put([("a", ROOM)], [(1, b"1"), (1, b"2")])
    queue.isolate(queue.next("a", **EVERYTHING), "400")
    queue.put([("a", ROOM)], [(1, b"3"), (1, b"4")])
    sizes: list[int] = []
    while found := queue.next("a", **EVERYTHING):
        sizes.append(len(found))
        queue.settle(found, [("sent", len(found))])
    assert sizes == [1, 1, 2]


def test_a_receiver_that_failed_is_left_alone_for_a_while(queue: ForwardQueue, clock: Clock) -> None:
    """The delay grows with tries in a row, and since when it fails stays said until it takes something."""
    queue.put([("a", ROOM)], [(1, b"1")])
    assert [queue.put_off("a", "away", lambda tries: tries * SECOND) for _ in range(2)] == [SECOND, 2 * SECOND]
    assert queue.next("a", **EVERYTHING) == []
    clock.now += 2 * SECOND
    found = queue.next("a", **EVERYTHING)
    queue.settle(found, [("sent", 1)])
    after = state(queue)
    assert (after.tries, after.failing_since_ns, after.last_error, after.last_sent_ns) == (0, None, "away", clock.now)


def test_what_nobody_is_to_have_goes_after_a_while(queue: ForwardQueue, path: Path) -> None:
    """Of a receiver that the policy has no longer; one that it has keeps what is as old."""
    queue.put([("a", ROOM), ("b", ROOM)], [(2, b"1")])
    queue.know([("b", "otlp", "http://b", "grpc")])
    assert queue.abandon(NOON) == {}
    assert queue.abandon(NOON + 1) == {"a": 2}
    assert (state(queue).abandoned, state(queue).dropped, state(queue).present) == (2, 2, False)
    told = next(one for one in states(path) if one.name == "b")
    assert (told.kind, told.url, told.protocol, told.present, told.spans) == ("otlp", "http://b", "grpc", 1, 2)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    """What to do about it is said, and that no money is lost with it."""
    path = tmp_path / "ledger.sqlite.forwards"
    assert states(path) == []
    path.write_text("no database " * 100)
    with pytest.raises(LedgerError, match=r"ledger.sqlite.forwards.*no money"):
        ForwardQueue(path, clock_ns=Clock())


def test_the_file_is_its_owners_alone(queue: ForwardQueue, path: Path) -> None:
    """Spans may carry what people wrote."""
    assert path.stat().st_mode & 0o777 == 0o600
