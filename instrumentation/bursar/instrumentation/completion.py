"""In which order are deferrals answered?"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

from bursar.instrumentation import waiter
from bursar.instrumentation.deferral import Deferral
from bursar.instrumentation.runtime import current_runtime
from bursar.policies.deferral import Outcome

T = TypeVar("T")


class as_completed(Generic[T]):  # noqa: N801 - reads as in `concurrent.futures`
    """
    Deferrals in the order in which they are answered: `for deferral in as_completed(deferrals):`, or `async for`.

    `TimeoutError` once `timeout` seconds have passed without all of them.
    """

    def __init__(self, deferrals: Iterable[Deferral[T]], timeout: float | None = None) -> None:
        self._deferrals = tuple(deferrals)
        self._timeout = timeout

    def __iter__(self) -> Iterator[Deferral[T]]:
        pending = _Pending(self._deferrals, self._timeout)
        try:
            while (bell := pending.bell()) is not None:
                waiter.now(bell, pending.left())
                yield pending.next()
        finally:
            pending.leave()

    async def __aiter__(self) -> AsyncIterator[Deferral[T]]:
        pending = _Pending(self._deferrals, self._timeout)
        try:
            while (bell := pending.bell()) is not None:
                await waiter.later(bell, pending.left())
                yield pending.next()
        finally:
            pending.leave()


class _Pending(Generic[T]):
    """Those that are not answered yet, and a bell that rings for the next one that is."""

    def __init__(self, deferrals: Iterable[Deferral[T]], timeout: float | None) -> None:
        self._ends = None if timeout is None else time.monotonic() + timeout
        self._done: SimpleQueue[Deferral[T]] = SimpleQueue()
        self._lock = threading.Lock()
        self._bell: Future[None] = Future()
        self._futures: list[Future[Outcome]] = []
        self._left = 0
        runtime = current_runtime()
        for deferral in dict.fromkeys(deferrals):
            self._left += 1
            line = runtime.waiter if runtime is not None and not deferral.over else None
            if line is None:
                self._done.put(deferral)
                continue
            future = line.wait(deferral.id)
            self._futures.append(future)
            future.add_done_callback(partial(self._ring, deferral))

    def bell(self) -> Future[None] | None:
        """What to wait for; None: all of them were told."""
        if not self._left:
            return None
        with self._lock:
            self._bell = bell = Future[None]()
            if not self._done.empty():
                bell.set_result(None)
        return bell

    def left(self) -> float | None:
        """Seconds."""
        return None if self._ends is None else max(self._ends - time.monotonic(), 0.0)

    def next(self) -> Deferral[T]:
        """The next one. Raises `TimeoutError` where there is none yet."""
        if self._done.empty():
            raise TimeoutError(f"{self._left} of the deferrals are not answered yet")
        self._left -= 1
        return self._done.get()

    def leave(self) -> None:
        """Wait no more."""
        for future in self._futures:
            future.cancel()

    def _ring(self, deferral: Deferral[T], future: Future[Outcome]) -> None:
        if future.cancelled():
            return
        deferral.brought(future.result())
        with self._lock:
            self._done.put(deferral)
            if not self._bell.done():
                self._bell.set_result(None)
