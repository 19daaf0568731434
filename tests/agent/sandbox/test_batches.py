"""Claims about how batches go on with time. A batch of four that takes 40 seconds finishes one request every ten."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bursar.agent.sandbox.batch import EXPIRES_S, Batch, Item, Result
from bursar.agent.sandbox.batch_scene import BatchScene, Fate, Outcome
from bursar.agent.sandbox.batches import Batches
from bursar.agent.sandbox.chronicle import Chronicle
from bursar.agent.sandbox.errors import ApiError

DAY = 24 * 3_600.0


class Worker:
    """Succeeds always, and remembers when."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []

    def __call__(self, batch: Batch, item: Item, at: float) -> Result:
        self.done.append((item.custom_id, at))
        return Result(item.custom_id, Outcome.SUCCEEDED)


def batch(names: str = "abcd", *, takes_s: float = 40, created: float = 0, **staged: str) -> Batch:
    """One request for each letter, in a batch that has their name."""
    fates = {name: Fate(fate) for name, fate in staged.items()}
    items = tuple(Item(name, {}) for name in names)
    return Batch(names, "key", "2023-06-01", None, None, items, BatchScene(takes_s, None, fates), created)


def begun(*given: Batch) -> tuple[Batches, Worker]:
    worker = Worker()
    batches = Batches(worker, Chronicle())
    for each in given:
        batches.add(each)
    return batches, worker


def ended(one: Batch) -> float | None:
    return one.ended


def outcomes(one: Batch) -> dict[str, str]:
    return {result.custom_id: result.outcome.value for result in one.results}


def counts(**changes: int) -> dict[str, int]:
    return {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0, **changes}


@pytest.mark.parametrize(
    ("now", "done"),
    [(0, ""), (9.9, ""), (10, "a"), (39.9, "abc"), (40, "abcd"), (1_000, "abcd")],
)
def test_requests_are_processed_one_after_the_other(now: float, done: str) -> None:
    """At 10, 20, 30 and 40 seconds, however late somebody looks; told only once the whole batch has ended."""
    one = batch()
    batches, worker = begun(one)
    batches.advance(now)
    assert worker.done == [(name, 10.0 * (place + 1)) for place, name in enumerate(done)]
    assert ended(one) == (40 if done == "abcd" else None)
    assert one.counts() == (counts(succeeded=4) if done == "abcd" else counts(processing=4))


def test_no_time_at_all() -> None:
    """Unless it is told to take time, a batch is over when somebody looks."""
    one = batch(takes_s=0, created=5)
    batches, worker = begun(one)
    assert ended(one) is None
    batches.advance(5)
    assert (ended(one), [at for _, at in worker.done]) == (5, [5, 5, 5, 5])


def test_batches_share_time() -> None:
    """What is due first is processed first, whichever batch it is of."""
    batches, worker = begun(batch("ab", takes_s=20), batch("xyz", takes_s=15))
    batches.advance(100)
    assert worker.done == [("x", 5), ("a", 10), ("y", 10), ("z", 15), ("b", 20)]


@pytest.mark.parametrize(
    ("names", "handed_out"),
    [("a", "a"), ("ab", "ba"), ("abc", "bac"), ("abcde", "bdace")],
)
def test_results_come_in_another_order(names: str, handed_out: str) -> None:
    """Whoever zips them with the requests is wrong."""
    one = batch(names)
    batches, _ = begun(one)
    batches.advance(40)
    assert "".join(result.custom_id for result in one.in_other_order) == handed_out


@pytest.mark.parametrize(
    ("at", "end", "expected"),
    [
        (0, 10, "succeeded canceled canceled canceled"),
        (15, 20, "succeeded succeeded canceled canceled"),
        (20, 30, "succeeded succeeded succeeded canceled"),
        (35, 40, "succeeded succeeded succeeded succeeded"),
    ],
)
def test_cancel(at: float, end: float, expected: str) -> None:
    """What is done stays, the request in progress is finished, and no other is begun."""
    one = batch()
    batches, worker = begun(one)
    batches.advance(at)
    assert batches.cancel("abcd", at).cancel_initiated == at
    assert batches.cancel("abcd", at + 1).cancel_initiated == at
    assert one.counts() == counts(processing=4)
    batches.advance(end - 0.1)
    assert ended(one) is None
    batches.advance(end)
    assert (ended(one), list(outcomes(one).values())) == (end, expected.split())
    assert len(worker.done) == expected.count("succeeded")
    assert one.counts() == counts(succeeded=expected.count("succeeded"), canceled=expected.count("canceled"))


def test_a_batch_that_takes_more_than_a_day_expires() -> None:
    """Of four requests in two days, two are done after one; the others expire and are never processed."""
    one = batch(takes_s=2 * DAY)
    batches, worker = begun(one)
    batches.advance(DAY - 1)
    assert ended(one) is None
    batches.advance(3 * DAY)
    assert (ended(one), one.expires) == (DAY, EXPIRES_S)
    assert outcomes(one) == {"a": "succeeded", "b": "succeeded", "c": "expired", "d": "expired"}
    assert [name for name, _ in worker.done] == ["a", "b"]
    assert one.counts() == counts(succeeded=2, expired=2)


def test_staged_outcomes() -> None:
    """What is staged to be canceled or expired is not processed; an error is the work's own business."""
    one = batch(a="canceled", b="expired", c="errored")
    batches, worker = begun(one)
    batches.advance(40)
    assert outcomes(one) == {"a": "canceled", "b": "expired", "c": "succeeded", "d": "succeeded"}
    assert [name for name, _ in worker.done] == ["c", "d"]


def test_a_batch_that_never_ends() -> None:
    """Nothing is ever finished; after a day all of it expires, and a cancellation ends it at once."""
    waiting, canceled = batch("ab", takes_s=math.inf), batch("cd", takes_s=math.inf)
    batches, worker = begun(waiting, canceled)
    batches.advance(DAY - 1)
    assert ended(waiting) is None
    batches.cancel("cd", DAY - 1)
    batches.advance(DAY - 1)
    assert (ended(canceled), outcomes(canceled)) == (DAY - 1, {"c": "canceled", "d": "canceled"})
    batches.advance(DAY)
    assert (ended(waiting), outcomes(waiting)) == (DAY, {"a": "expired", "b": "expired"})
    assert worker.done == []


def test_the_queue() -> None:
    """What is not processed yet, over all batches, and when the next will be."""
    batches, _ = begun(batch("abcd"), batch("xy", takes_s=10))
    assert batches.queued() == (6, 5)
    batches.advance(7)
    assert batches.queued() == (5, 10)
    batches.advance(40)
    assert batches.queued() == (0, 0)


@pytest.mark.parametrize(
    ("cursors", "names", "more"),
    [
        ({}, "e d", True),
        ({"limit": 5}, "e d c b a", False),
        ({"limit": 4}, "e d c b", True),
        ({"after": "e"}, "d c", True),
        ({"after": "c"}, "b a", False),
        ({"after": "a"}, "", False),
        ({"before": "a"}, "c b", True),
        ({"before": "c"}, "e d", False),
        ({"before": "d"}, "e", False),
        ({"before": "e"}, "", False),
    ],
)
def test_pages(cursors: dict[str, Any], names: str, more: bool) -> None:
    """The newest first; after a cursor the older ones next to it, before it the newer ones next to it."""
    batches, _ = begun(*(batch(name, created=place) for place, name in enumerate("abcde")))
    asked: dict[str, Any] = {"limit": 2, "after": None, "before": None, **cursors}
    found, has_more = batches.page(**asked)
    assert (" ".join(each.id for each in found), has_more) == (names, more)


def test_deleting() -> None:
    """Only what has ended can be deleted; then it is gone."""
    batches, _ = begun(batch("ab"), batch("cd"))
    with pytest.raises(ApiError, match="ab is still being processed; cancel it before deleting it"):
        batches.delete("ab")
    batches.advance(40)
    batches.delete("ab")
    with pytest.raises(ApiError, match="There is no message batch ab"):
        batches.find("ab")
    assert [each.id for each in batches.page(10, after=None, before=None)[0]] == ["cd"]


def test_what_has_ended_cannot_be_canceled() -> None:
    """It is too late, and nothing changes."""
    one = batch()
    batches, _ = begun(one)
    batches.advance(40)
    with pytest.raises(ApiError, match="abcd has ended and can no longer be canceled"):
        batches.cancel("abcd", 41)
    assert one.cancel_initiated is None


@pytest.mark.parametrize(("where", "status"), [("after", 400), ("before", 400)])
def test_unknown_cursor(where: str, status: int) -> None:
    """A cursor that is no batch is a mistake of the request."""
    batches, _ = begun(batch("a"))
    cursors: dict[str, Any] = {"after": None, "before": None, where: "x"}
    with pytest.raises(ApiError, match=f"{where}_id: there is no message batch x") as caught:
        batches.page(1, **cursors)
    assert caught.value.status == status
