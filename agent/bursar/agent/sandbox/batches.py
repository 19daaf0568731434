"""Which batches are there, and what is due of them? Time moves them on when somebody looks."""

import heapq
import math
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from itertools import count
from typing import Protocol

from bursar.agent.sandbox.batch import Batch, Item, Result
from bursar.agent.sandbox.batch_scene import Fate, Outcome
from bursar.agent.sandbox.errors import NOT_FOUND, ApiError, invalid

Process = Callable[[Batch, Item, float], Result]
"""What comes of a request whose turn it is, at that time; succeeded or errored, and billed if it succeeds."""


class Diary(Protocol):
    """Where it is written down what happens to batches."""

    def note(self, what: str, **members: object) -> None:
        """Write this down; it is safe when this returns, or when the block of what belongs together ends."""

    def together(self) -> AbstractContextManager[None]:
        """What is noted in this block is kept as a whole, or not at all."""
        ...


class Batches:
    """All batches since the sandbox began, unless deleted. May be asked from several threads."""

    def __init__(self, process: Process, diary: Diary) -> None:
        self._process = process
        self._diary = diary
        self._batches: dict[str, Batch] = {}  # the oldest first
        self._agenda: list[tuple[float, int, Batch]] = []
        self._numbers = count()
        self._lock = threading.RLock()

    def advance(self, now: float) -> None:
        """Process all that is due by now, across batches in the order of time."""
        with self._lock, self._diary.together():
            while self._agenda and self._agenda[0][0] <= now:
                at, number, batch = heapq.heappop(self._agenda)
                if batch.ended is None:
                    self._step(batch, at)
                if batch.ended is None:
                    heapq.heappush(self._agenda, (batch.next_step, number, batch))

    def add(self, batch: Batch) -> None:
        """Take in a new batch."""
        with self._lock:
            self._diary.note("created", batch=batch.to_json())
            self.restore([batch])

    def restore(self, batches: Iterable[Batch]) -> None:
        """Take in batches as they were; the oldest first."""
        with self._lock:
            for batch in batches:
                self._batches[batch.id] = batch
                if batch.ended is None:
                    heapq.heappush(self._agenda, (batch.next_step, next(self._numbers), batch))

    def queued(self) -> tuple[int, float]:
        """How many requests wait to be processed, and when the next of them will be."""
        with self._lock:
            waiting = [batch for batch in self._batches.values() if batch.left]
            return sum(batch.left for batch in waiting), min((batch.next_step for batch in waiting), default=0)

    def find(self, batch_id: str) -> Batch:
        """The batch of this id; raises the API's 404."""
        batch = self._batches.get(batch_id)
        if batch is None:
            raise ApiError(NOT_FOUND, f"There is no message batch {batch_id}")
        return batch

    def cancel(self, batch_id: str, now: float) -> Batch:
        """Begin no more requests of a batch. Again: changes nothing; raises a 400 once it has ended."""
        with self._lock:
            batch = self.find(batch_id)
            if batch.ended is not None:
                raise invalid("", f"{batch_id} has ended and can no longer be canceled")
            if batch.cancel_initiated is None:
                self._diary.note("canceled", id=batch_id, at=now)
                batch.cancel_initiated = now
                if math.isinf(batch.due):
                    heapq.heappush(self._agenda, (batch.next_step, next(self._numbers), batch))
            return batch

    def delete(self, batch_id: str) -> None:
        """Forget a batch; raises a 400 before it has ended."""
        with self._lock:
            if self.find(batch_id).ended is None:
                raise invalid("", f"{batch_id} is still being processed; cancel it before deleting it")
            self._diary.note("deleted", id=batch_id)
            del self._batches[batch_id]

    def page(self, limit: int, *, after: str | None, before: str | None) -> tuple[list[Batch], bool]:
        """
        The newest batches, or the `limit` next to a cursor: older than `after`, or newer than `before`.

        Always the newest first; with whether there are more in that direction. Raises a 400 for a cursor that is none.
        """
        newest = list(reversed(self._batches.values()))
        if before is not None:
            end = self._place(newest, before, "before_id")
            return newest[max(end - limit, 0) : end], end > limit
        start = 0 if after is None else self._place(newest, after, "after_id") + 1
        return newest[start : start + limit], start + limit < len(newest)

    def _place(self, newest: list[Batch], cursor: str, where: str) -> int:
        batch = self._batches.get(cursor)
        if batch is None:
            raise invalid(where, f"there is no message batch {cursor}")
        return newest.index(batch)

    def _step(self, batch: Batch, at: float) -> None:
        """Finish the request in progress, and the batch with the last one to be finished."""
        if math.isinf(batch.due) and batch.cancel_initiated is not None:
            self._end(batch, at, Outcome.CANCELED)
            return
        if batch.due > batch.expires:
            self._end(batch, at, Outcome.EXPIRED)
            return
        item = batch.items[len(batch.results)]
        staged = batch.scene.fate(item.custom_id)
        idle = staged in (Fate.CANCELED, Fate.EXPIRED)
        result = Result(item.custom_id, Outcome(staged)) if idle else self._process(batch, item, at)
        batch.results.append(result)
        self._diary.note("processed", id=batch.id, result=result.to_json())
        if batch.cancel_initiated is not None or len(batch.results) == len(batch.items):
            self._end(batch, at, Outcome.CANCELED)

    def _end(self, batch: Batch, at: float, rest: Outcome) -> None:
        self._diary.note("ended", id=batch.id, at=at, rest=rest)
        batch.end(at, rest)
