"""Which batches are there, how far is each, and what came of its requests? Time moves them on when somebody looks."""

import heapq
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from bursar.agent.sandbox.errors import NOT_FOUND, ApiError, invalid
from bursar.agent.sandbox.fields import Json
from bursar.agent.sandbox.scene import BatchScene, Outcome

EXPIRES_S = 24 * 3_600.0
KEPT_S = 29 * 24 * 3_600.0  # how long after its creation the results of a batch can be had


@dataclass(frozen=True, slots=True)
class Item:
    """One request of a batch; `params` are looked at only when its turn comes, as with the API."""

    custom_id: str
    params: Json


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request; `members` are those of the result object beside its type."""

    custom_id: str
    outcome: Outcome
    members: Json = field(default_factory=dict[str, object])


@dataclass(slots=True)
class Batch:
    """
    One batch; times are seconds on the caller's clock.

    Its requests are processed in the order they were asked in, one after the other, evenly spaced over the time that
    the batch takes. Once it is canceled, the one in progress is finished and the others are not begun; after a day the
    rest expires.
    """

    id: str
    key: str  # a label of the API key that pays
    version: str  # of the API, as the creation's header says
    items: Sequence[Item]
    scene: BatchScene
    created: float
    results: list[Result] = field(default_factory=list[Result])  # in the order of processing
    cancel_initiated: float | None = None
    ended: float | None = None

    @property
    def expires(self) -> float:
        return self.created + EXPIRES_S

    @property
    def archived(self) -> float:
        """When the results are no longer to be had."""
        return self.created + KEPT_S

    @property
    def due(self) -> float:
        """When the request in progress is finished, if the batch lives so long."""
        return self.created + self.scene.takes_s * (len(self.results) + 1) / len(self.items)

    @property
    def next_step(self) -> float:
        """When the request in progress is finished, or the batch expires."""
        return min(self.due, self.expires)

    @property
    def in_other_order(self) -> list[Result]:
        """The results as they are handed out: never in the order of asking, where there are two or more."""
        return [*self.results[1::2], *self.results[::2]]

    def counts(self) -> dict[str, int]:
        """How many requests stand where; all are processing until the whole batch has ended."""
        told = Counter(result.outcome for result in self.results) if self.ended is not None else Counter[Outcome]()
        return {"processing": len(self.items) - told.total(), **{outcome: told[outcome] for outcome in Outcome}}


Process = Callable[[Batch, Item, float], Result]
"""What comes of a request whose turn it is, at that time; succeeded or errored, and billed if it succeeds."""


class Batches:
    """All batches since the sandbox began, unless deleted. May be asked from several threads."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._batches: dict[str, Batch] = {}  # the oldest first
        self._agenda: list[tuple[float, int, Batch]] = []
        self._numbers = count()
        self._lock = threading.RLock()

    def advance(self, now: float) -> None:
        """Process all that is due by now, across batches in the order of time."""
        with self._lock:
            while self._agenda and self._agenda[0][0] <= now:
                at, number, batch = heapq.heappop(self._agenda)
                self._step(batch, at)
                if batch.ended is None:
                    heapq.heappush(self._agenda, (batch.next_step, number, batch))

    def add(self, batch: Batch) -> None:
        """Take in a new batch."""
        with self._lock:
            self._batches[batch.id] = batch
            heapq.heappush(self._agenda, (batch.next_step, next(self._numbers), batch))

    def find(self, batch_id: str) -> Batch:
        """The batch of this id; raises the API's 404."""
        batch = self._batches.get(batch_id)
        if batch is None:
            raise ApiError(NOT_FOUND, f"There is no message batch {batch_id}")
        return batch

    def cancel(self, batch_id: str, now: float) -> Batch:
        """Begin no more requests of a batch. Again: changes nothing; raises a 400 once it has ended."""
        batch = self.find(batch_id)
        if batch.ended is not None:
            raise invalid("", f"{batch_id} has ended and can no longer be canceled")
        if batch.cancel_initiated is None:
            batch.cancel_initiated = now
        return batch

    def delete(self, batch_id: str) -> None:
        """Forget a batch; raises a 400 before it has ended."""
        if self.find(batch_id).ended is None:
            raise invalid("", f"{batch_id} is still being processed; cancel it before deleting it")
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
        if batch.due > batch.expires:
            self._end(batch, at, Outcome.EXPIRED)
            return
        item = batch.items[len(batch.results)]
        staged = batch.scene.outcome(item.custom_id)
        idle = staged in (Outcome.CANCELED, Outcome.EXPIRED)
        batch.results.append(Result(item.custom_id, staged) if idle else self._process(batch, item, at))
        if batch.cancel_initiated is not None or len(batch.results) == len(batch.items):
            self._end(batch, at, Outcome.CANCELED)

    def _end(self, batch: Batch, at: float, rest: Outcome) -> None:
        left = batch.items[len(batch.results) :]
        batch.results.extend(Result(item.custom_id, rest) for item in left)
        batch.ended = at
