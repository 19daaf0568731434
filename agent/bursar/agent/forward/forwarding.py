"""How do spans get from the receiver to those who are to have them too?"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bursar.agent.forward.answers import LONGEST_DELAY_SECONDS, Answer, Verdict, delay_ns
from bursar.agent.forward.bundle import MOST_BYTES, MOST_SPANS, pack, parcels, unpack
from bursar.agent.forward.calls import Called, calls_of
from bursar.agent.forward.keeping import Keeping
from bursar.agent.forward.outlets import Outlets, address_of
from bursar.agent.ledger import LedgerError
from bursar.agent.ledger.forwardqueue import Fate, ForwardQueue, Parcel
from bursar.agent.rules import Rules
from bursar.agent.spans.receiver import BehindError, OnSpans
from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies.forward import Forward

_log = logging.getLogger(__name__)

RETRY_SECONDS = 5
ABANDON_SECONDS = 86_400
"""How long spans wait for a receiver that the policy has no longer: it may come back."""

_MB, _SECOND = 10**6, 10**9


class Forwarding:
    """
    Keeps spans for every receiver of the policy, and sends them, each receiver by itself and in order.

    A span is in the queue on the disk before its sender is told that it was taken, and leaves it once its receiver
    has answered: between that answer and its note lies the one moment after which it is sent twice.
    """

    def __init__(
        self,
        path: Path,
        rules: Callable[[], Rules],
        outlets: Outlets,
        *,
        clock_ns: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        """`path` is the queue's file, made with the first span; `chance` from 0 to 1 spreads tries over time."""
        self._path = path
        self._rules = rules
        self._outlets = outlets
        self._clock_ns = clock_ns
        self._chance = chance
        self._queue: ForwardQueue | None = None
        self._keeping = Keeping(self._put)
        self._known: tuple[Forward, ...] | None = None
        self._opening = threading.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, int] = {}
        """Until when a receiver is left alone, where that is known without the queue."""
        self._closed = False

    def after(self, on_spans: OnSpans) -> OnSpans:
        """Take spans as `on_spans` does, and keep them for the receivers once it has."""

        async def take(spans: Sequence[SeenSpan]) -> None:
            await on_spans(spans)
            await self.take(spans)

        return take

    async def take(self, spans: Sequence[SeenSpan]) -> None:
        """Keep spans for every receiver; on the disk on return. Raises `BehindError` where they cannot be kept."""
        if not self._forwards():
            return
        try:
            await self._keeping.keep(spans)
        except LedgerError as error:
            raise BehindError(str(error), retry_after_seconds=RETRY_SECONDS) from error
        self.nudge()

    async def _put(self, spans: Sequence[SeenSpan]) -> None:
        limits = [(forward.name, forward.queue_mb * _MB) for forward in self._forwards()]
        lost = await asyncio.to_thread(lambda: self._opened().put(limits, parcels(spans)))
        for name, count in lost.items():
            _log.warning('forward "%s": its queue is full, and its %d oldest spans were dropped', name, count)

    def nudge(self) -> None:
        """Send soon what waits. To be called in the event loop; comes back at once."""
        if self._closed:
            return
        for forward in self._forwards():
            task = self._tasks.get(forward.name)
            self._look_at(forward.name, task)
            resting = self._clock_ns() < self._resting.get(forward.name, 0)
            if (task is None or task.done()) and not resting:
                self._tasks[forward.name] = asyncio.get_running_loop().create_task(self._run(forward))

    async def tend(self) -> None:
        """By the clock: let go of what nobody is to have any more, and send what waits."""
        if self._queue is None and not self._forwards() and not self._path.exists():
            return
        try:
            gone = await asyncio.to_thread(self._look_over)
        except LedgerError as error:
            _log.warning("spans wait to be passed on: %s", error)
            return
        for name, count in gone.items():
            _log.warning('forward "%s" is not in the policy any more: %d spans for it were dropped', name, count)
        self.nudge()

    async def idle(self) -> None:
        """Wait until every receiver has what it can have now."""
        await asyncio.gather(*self._tasks.values())

    async def aclose(self) -> None:
        """Break off; what no receiver has answered for stays in the queue for the next start."""
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._outlets.aclose()
        if self._queue is not None:
            await asyncio.to_thread(self._queue.close)

    async def _run(self, forward: Forward) -> None:
        try:
            queue = await asyncio.to_thread(self._opened)
            while forward in self._forwards() and await self._send_next(forward, queue):
                pass
        except LedgerError as error:
            _log.warning('forward "%s" waits: %s', forward.name, error)

    async def _send_next(self, forward: Forward, queue: ForwardQueue) -> bool:
        """Send one request's worth; whether more may follow at once."""
        rules = self._rules()
        outlet = self._outlets.of(forward, rules.headers.get(forward.name, {}))
        found = await asyncio.to_thread(queue.next, forward.name, most_spans=MOST_SPANS, most_bytes=MOST_BYTES)
        if not found:
            return False
        spans, calls = await asyncio.to_thread(_read, found, rules)
        answer = await outlet.send(spans, calls)
        return await asyncio.to_thread(self._settle, queue, found, len(spans), answer)

    def _settle(self, queue: ForwardQueue, found: Sequence[Parcel], spans: int, answer: Answer) -> bool:
        """Note what became of it; whether more may follow at once."""
        name = found[0].target
        fates: list[tuple[Fate, int]] = [
            ("sent", answer.sent),
            ("refused", answer.refused),
            ("passed_over", answer.passed_over),
        ]
        if answer.verdict is Verdict.POISON:
            _part(queue, found, spans, answer.said or "")
            return True
        left = range(spans) if answer.left is None else answer.left
        if answer.verdict is Verdict.DONE:
            queue.settle(found, fates, error=answer.said)
        else:
            if len(left) < spans:
                queue.settle(found, fates, error=answer.said, left=[_picked(found, left)])
            self._put_off(queue, name, answer)
        if answer.refused:
            _log.warning('forward "%s": %d spans were dropped: %s', name, answer.refused, answer.said)
        return answer.verdict is Verdict.DONE

    def _look_at(self, name: str, task: asyncio.Task[None] | None) -> None:
        """Tell of a task that ended by a fault of ours, and leave its receiver alone for a while."""
        if task is None or not task.done() or task.cancelled() or task.exception() is None:
            return
        del self._tasks[name]
        self._resting[name] = self._clock_ns() + LONGEST_DELAY_SECONDS * _SECOND
        _log.error(
            'forward "%s" is left alone for %d s after a fault of Bursar; please report it',
            name,
            LONGEST_DELAY_SECONDS,
            exc_info=task.exception(),
        )

    def _look_over(self) -> Mapping[str, int]:
        """Tell the queue whom the policy has, where that has changed; what it lets go of."""
        queue, forwards = self._opened(), self._forwards()
        if forwards != self._known:
            queue.know((forward.name, forward.kind, address_of(forward), forward.protocol) for forward in forwards)
            self._known = forwards
        return queue.abandon(self._clock_ns() - ABANDON_SECONDS * _SECOND)

    def _put_off(self, queue: ForwardQueue, name: str, answer: Answer) -> None:
        waited = queue.put_off(
            name, answer.said or "", lambda tries: delay_ns(tries, answer.retry_after, self._chance())
        )
        self._resting[name] = self._clock_ns() + waited
        _log.warning('forward "%s": %s; the next try in %.1f s', name, answer.said, waited / _SECOND)

    def _forwards(self) -> tuple[Forward, ...]:
        policy = self._rules().policy
        return () if policy is None else policy.forwards

    def _opened(self) -> ForwardQueue:
        with self._opening:
            if self._queue is None:
                self._queue = ForwardQueue(self._path, clock_ns=self._clock_ns)
            return self._queue


def _read(found: Sequence[Parcel], rules: Rules) -> tuple[tuple[SeenSpan, ...], Mapping[int, Called]]:
    spans = unpack(parcel.body for parcel in found)
    return spans, calls_of(spans, rules)


def _part(queue: ForwardQueue, found: Sequence[Parcel], spans: int, said: str) -> None:
    """Come nearer to what was refused: parcels one by one, then halves of one, until a single span is left to drop."""
    if len(found) > 1:
        queue.isolate(found, said)
    elif spans > 1:
        half = spans // 2
        queue.settle(found, [], error=said, left=[_picked(found, range(half)), _picked(found, range(half, spans))])
    else:
        queue.settle(found, [("refused", 1)], error=said)
        _log.warning('forward "%s": one span was dropped: %s', found[0].target, said)


def _picked(found: Sequence[Parcel], places: Sequence[int]) -> tuple[int, bytes]:
    """Some spans of parcels as they came, without what is written onto them for their receiver."""
    spans = unpack(parcel.body for parcel in found)
    return len(places), pack(spans[place] for place in places)
