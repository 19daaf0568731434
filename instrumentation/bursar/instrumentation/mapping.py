"""
What does a list of requests go through until each has its message? As steps, which threads and event loops carry out.

Asked of the budgets one by one, put into batches, journalled before each batch is created, and put in their places as
results are read. The charges are made by whoever reads results (`batches.observe`), here as anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any

from anthropic import APIConnectionError, APIStatusError

from bursar.instrumentation.batchitem import BatchItem
from bursar.instrumentation.context import Work
from bursar.instrumentation.errand import Admission
from bursar.instrumentation.hands import Hands
from bursar.instrumentation.itemerror import BatchItemError, ended, error_of
from bursar.instrumentation.itemid import digest_of, item_id
from bursar.instrumentation.orders import BETAS, Order, order_of
from bursar.instrumentation.outcome import never_sent
from bursar.instrumentation.parcels import Parcels
from bursar.instrumentation.progress import Progress
from bursar.instrumentation.quiet import tell_once
from bursar.instrumentation.runtime import Runtime
from bursar.instrumentation.stream import http
from bursar.policies.errors import BudgetExceeded
from bursar.policies.unbatched import Unbatched

Step = Callable[[], Any]
Steps = Generator[Step, Any, list[Any]]
"""Each step is done by its carrier, which sends back what came of it, or throws the error."""
Part = Generator[Step, Any, Any]

FIRST_SECONDS, MOST_SECONDS = 1.0, 60.0
"""How long until a batch is looked at again: at first, and at most."""
FACTOR = 1.5
TROUBLE_SECONDS = 3_600.0
"""How long the API may fail to say how a batch is."""
READINGS = 5
"""How often results are read again that broke off."""
SEARCHES = (1.0, 2.0, 4.0)
"""Seconds before each look for a batch that may have been created."""
SKEW_SECONDS = 120.0
"""By how much the API's clock may be behind ours."""
BREATH = 64
"""Requests after which an event loop gets its turn."""
_NOTHING = LookupError()
_LARGE = "this request is larger than any batch: call messages.create, or upload its files"
_TOO_MANY, _BROKEN = 429, 500
_AGAIN = frozenset({408, 409, _TOO_MANY})


class BatchMapping:
    """One list on its way. `answers` has what is known so far."""

    def __init__(
        self,
        client: Any,
        hands: Hands,
        requests: Sequence[Any],
        *,
        work: Work,
        runtime: Runtime | None,
        new_id: Callable[[], str],
        now: Callable[[], float],
        clock: Callable[[], float],
        progress: Progress,
        timeout: float | None = None,
        batch_ids: Sequence[str] = (),
    ) -> None:
        self._client, self._hands, self._requests = client, hands, requests
        self._work, self._runtime, self._new_id = work, runtime, new_id
        self._now, self._clock, self._progress = now, clock, progress
        self._until = None if timeout is None else clock() + timeout
        self._timeout = timeout
        self.batch_ids = list(dict.fromkeys(batch_ids))
        """Every batch that has answers for this list."""
        self.answers: dict[int, Any] = {}
        self._betas = str(_header(client) or "")
        self._parcels: Parcels[BatchItem] = Parcels()
        self._creating: list[BatchItem] = []
        self._waiting: BatchItem | None = None
        self._sent: dict[str, BatchItem] = {}
        self._lost: dict[str, Exception] = {}
        """Why nobody knows whether the batch of a request was created."""
        beta = any("betas" in request for request in requests if isinstance(request, dict))
        self._open: dict[str, bool] = dict.fromkeys(self.batch_ids, beta)
        """Batches whose results are not read yet, and whether each is of the beta resource."""
        self._troubled: float | None = None

    def run(self) -> Steps:
        """From the list to its answers, in its order."""
        if self._open:
            yield from self._collect()
        yield from self._submit()
        yield from self._collect()
        for item in self._sent.values():
            if item.order.place not in self.answers:
                item.unknown()
                self._put(item.order.place, self._lost.get(item.id) or ended("missing", item.id))
        return [self.answers[place] for place in range(len(self._requests))]

    def __enter__(self) -> BatchMapping:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.close()
        if error is not None:
            self._abandon(error)

    def _abandon(self, error: BaseException) -> None:
        """Broken off: what was not sent gives its money back, and the error tells how to go on."""
        unsent = [item for parcel in self._parcels.rest() for item in parcel]
        for item in (*unsent, *filter(None, [self._waiting])):
            item.never_sent("never sent")
        self._waiting = None
        if self.batch_ids:
            error.add_note(
                f"map_batch: {len(self.answers)} of {len(self._requests)} requests are answered. To go on, without "
                f"paying anything twice: map_batch(client, requests, batch_ids={self.batch_ids!r})"
            )
        if self._creating:
            error.add_note(
                f"map_batch: a batch of {len(self._creating)} requests was being created, and may exist: look for it "
                "in client.messages.batches.list(), and add its id to batch_ids"
            )

    def _submit(self) -> Part:
        self._progress.stage("asking the budgets")
        for place, request in enumerate(self._requests):
            if place in self.answers:
                continue
            item = yield from self._admitted(place, request)
            if item is None:
                continue
            full, self._waiting = self._parcels.add(item), None
            if full:
                yield from self._send(full)
            if place % BREATH == 0:
                yield partial(self._hands.sleep, 0)
        for parcel in self._parcels.rest():
            yield from self._send(parcel)

    def _admitted(self, place: int, request: Any) -> Generator[Step, Any, BatchItem | None]:
        """A request that may be sent; None for one whose answer is an error already."""
        try:
            order = order_of(place, request, betas=self._betas)
        except Exception as error:  # noqa: BLE001 - what the SDK cannot read it raises for the call, too
            self._put(place, error)
            return None
        item = BatchItem(order, self._new_id(), self._work, self._runtime)
        if not self._parcels.takes(item):
            self._put(place, BatchItemError(_LARGE, reason=str(Unbatched.LARGE)))
            return None
        if self._runtime is not None:
            try:
                errand = item.errand(self._runtime, self._client, order.betas or self._betas or None)
                item.admitted((yield partial(self._hands.admit, self._runtime.guard, errand)))
            except BudgetExceeded as refusal:
                item.refused(refusal)
                self._put(place, refusal)
                return None
            except Exception:  # noqa: BLE001 - the guest never breaks its host
                tell_once("admit", "bursar could not judge a call; it goes on unjudged", exc_info=True)
                item.admitted(Admission())
        self._waiting = item
        return item

    def _send(self, parcel: list[BatchItem]) -> Part:
        """Create a batch of these, or put the API's error in the place of each."""
        self._progress.stage(f"submitting {len(parcel):,} requests")
        self._creating = parcel
        for item in parcel:
            item.sent()
        since = self._now()
        try:
            batch = yield from self._created(parcel)
        except APIConnectionError as error:
            if not never_sent(error, self._client):
                yield from self._search(parcel, since, error)
                return
            self._failed(parcel, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of these requests
            self._failed(parcel, error)
        else:
            self._opened(parcel, batch.id)

    def _created(self, parcel: Sequence[BatchItem]) -> Part:
        """The batch, asked for again where it is known that none was created, as often as the client tries."""
        order, tries = parcel[0].order, 0
        requests = [item.request for item in parcel]
        while True:
            try:
                return (yield partial(self._hands.create, requests, dict(order.headers), beta=order.beta))
            except (APIStatusError, APIConnectionError) as error:
                if tries >= self._client.max_retries or not self._is_worth_another_try(error):
                    raise
                seconds = _delay(error, tries)
            tries += 1
            yield partial(self._hands.sleep, seconds)

    def _is_worth_another_try(self, error: APIStatusError | APIConnectionError) -> bool:
        if isinstance(error, APIStatusError):
            return error.status_code in _AGAIN or error.status_code >= _BROKEN
        return never_sent(error, self._client)

    def _failed(self, parcel: Sequence[BatchItem], error: Exception) -> None:
        why = f"http {error.status_code}" if isinstance(error, APIStatusError) else type(error).__name__
        for item in parcel:
            item.never_sent(why)
            self._put(item.order.place, error)
        self._creating = []

    def _search(self, parcel: Sequence[BatchItem], since: float, error: Exception) -> Part:
        """Find out whether a batch was created that was never told of; its results say whether it is this one."""
        order = parcel[0].order
        for seconds in SEARCHES:
            yield partial(self._hands.sleep, seconds)
            try:
                newest = yield partial(self._hands.newest, beta=order.beta)
            except (APIStatusError, APIConnectionError):
                continue
            found = [batch.id for batch in newest if self._may_be(batch, len(parcel), since)]
            if found:
                self._opened(parcel, *found)
                break
        self._sent.update({item.id: item for item in parcel})
        self._lost.update({item.id: error for item in parcel})
        self._creating = []

    def _may_be(self, batch: Any, count: int, since: float) -> bool:
        counts = batch.request_counts
        total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
        created: datetime = batch.created_at
        return batch.id not in self.batch_ids and total == count and created.timestamp() >= since - SKEW_SECONDS

    def _opened(self, parcel: Sequence[BatchItem], *batch_ids: str) -> None:
        self.batch_ids += batch_ids
        self._open.update(dict.fromkeys(batch_ids, parcel[0].order.beta))
        self._sent.update({item.id: item for item in parcel})
        self._creating = []

    def _collect(self) -> Part:
        """Wait for the batches that are open, and read each as soon as it has ended."""
        delay = FIRST_SECONDS
        while self._open:
            count = len(self._open)
            self._progress.stage(f"waiting for {count} batch{'es' if count > 1 else ''}")
            for batch_id, beta in tuple(self._open.items()):
                if (yield from self._has_ended(batch_id, beta=beta)):
                    yield from self._read(batch_id, beta=beta)
                    del self._open[batch_id]
            if self._open:
                yield partial(self._hands.sleep, self._within(delay))
                delay = min(delay * FACTOR, MOST_SECONDS)

    def _within(self, delay: float) -> float:
        """Of this delay, what is left of the time. Raises `TimeoutError`."""
        if self._until is None:
            return delay
        left = self._until - self._clock()
        if left <= 0:
            raise TimeoutError(f"map_batch: {len(self._open)} of its batches have not ended within {self._timeout:g} s")
        return min(delay, left)

    def _has_ended(self, batch_id: str, *, beta: bool) -> Generator[Step, Any, bool]:
        try:
            batch = yield partial(self._hands.retrieve, batch_id, beta=beta)
        except (APIStatusError, APIConnectionError) as error:
            now = self._clock()
            self._troubled = now if self._troubled is None else self._troubled
            if not _passes(error) or now - self._troubled > TROUBLE_SECONDS:
                raise
            return False
        self._troubled = None
        return bool(batch.processing_status == "ended")

    def _read(self, batch_id: str, *, beta: bool) -> Part:
        """All results of a batch; again from the beginning where they broke off, since each is charged once."""
        self._progress.stage(f"reading {batch_id}")
        for left in reversed(range(READINGS)):
            try:
                yield partial(self._hands.results, batch_id, partial(self._take, batch_id), beta=beta)
                return
            except (APIStatusError, APIConnectionError, http.TransportError) as error:
                if not left or not _passes(error):
                    raise
            yield partial(self._hands.sleep, FIRST_SECONDS)

    def _take(self, batch_id: str, line: Any) -> None:
        """Put a result in its place."""
        item = self._sent.get(line.custom_id)
        place = item.order.place if item is not None else self._place(batch_id, line.custom_id)
        if place is None:
            return
        if line.result.type == "succeeded":
            self._put(place, line.result.message)
        elif isinstance(self.answers.get(place, _NOTHING), Exception):
            self._put(place, error_of(self._client, line.result, line.custom_id, batch_id))

    def _place(self, batch_id: str, custom_id: str) -> int | None:
        """Of a batch that was taken up again; None for one that only might have been ours. Raises `ValueError`."""
        if self._lost:
            return None
        found = item_id(custom_id)
        if found is None:
            raise ValueError(f"map_batch: {batch_id} was not made by map_batch: {custom_id} is none of its custom ids")
        order = self._ordered(found.place)
        if order is None or digest_of(found.attempt, order.digest) != found.digest:
            raise ValueError(
                f"map_batch: {batch_id} is not of this list: request {found.place} is another than it was. Give the "
                "list that the batch was made of, in its order"
            )
        return found.place

    def _ordered(self, place: int) -> Order | None:
        if place >= len(self._requests):
            return None
        try:
            return order_of(place, self._requests[place], betas=self._betas)
        except BatchItemError:
            return None

    def _put(self, place: int, answer: Any) -> None:
        new = place not in self.answers
        # A traceback would hold these frames, and so the answers themselves, until a collection.
        self.answers[place] = answer.with_traceback(None) if isinstance(answer, Exception) else answer
        if new:
            self._progress.done(1)


def _header(client: Any) -> str | None:
    """The betas that a client asks for with every call."""
    headers: Any = getattr(client, "_custom_headers", None)
    told: Iterator[Any] = (text for name, text in headers.items() if name.lower() == BETAS) if headers else iter(())
    return next((text for text in told if isinstance(text, str)), None)


def _passes(error: Exception) -> bool:
    """Whether it may be over after a while."""
    if isinstance(error, APIStatusError):
        return error.status_code in _AGAIN or error.status_code >= _BROKEN
    return True


def _delay(error: APIStatusError | APIConnectionError, tries: int) -> float:
    """As long as the API asks for, up to a minute; else twice as long each time."""
    headers: Mapping[str, str] = error.response.headers if isinstance(error, APIStatusError) else {}
    try:
        asked = float(headers.get("retry-after", ""))
    except ValueError:
        asked = 0.0
    return asked if 0 < asked <= MOST_SECONDS else min(FIRST_SECONDS * 2**tries, MOST_SECONDS)
