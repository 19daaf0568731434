"""How is a large export booked without anybody having to wait for all of it?"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial

from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import LedgerError
from bursar.agent.spans import intake
from bursar.agent.spans.intake import Counted
from bursar.agent.spans.receiver import BehindError
from bursar.agent.spans.seenevent import SeenEvent, SeenPoint
from bursar.agent.spans.seenspan import SeenSpan

SLICE = 128
"""Spans or events that the ledger's writer is given at a time: some tens of milliseconds, which a guard may wait."""
RETRY_SECONDS = 5
_INLINE = 64
"""So few are read where they are: going to another thread and back takes as long."""


class Slicing:
    """
    Books exports slice by slice, each in a transaction of its own, and those of several senders in turns.

    An export is acknowledged once its last slice is on the disk. Where one fails, none is given back: the sender is
    told to send all of it again, and what was booked already counts once, as it does after any export that is repeated.
    """

    def __init__(self, bookkeeper: Bookkeeper, clock_ns: Callable[[], int], size: int = SLICE) -> None:
        self._bookkeeper = bookkeeper
        self._clock_ns = clock_ns
        self._size = size
        self._turns = Turns(size)
        self._hearing = asyncio.Lock()

    async def spans(self, spans: Sequence[SeenSpan]) -> None:
        """Book what spans tell. Raises `BehindError` where not all of it is on the disk."""
        for part in (await self._heard(spans)).slices(self._size):
            await self._booked(part.spans, partial(self._bookkeeper.book_spans, part))

    async def events(self, events: Sequence[SeenEvent]) -> None:
        """Book what events tell; the same."""
        for start in range(0, len(events), self._size):
            part = events[start : start + self._size]
            await self._booked(len(part), partial(self._bookkeeper.book_events, part))

    async def points(self, points: Sequence[SeenPoint]) -> None:
        """Book what metrics tell: in one go, since those of one instant are one charge."""
        await self._booked(len(points), partial(self._bookkeeper.book_points, points))

    async def _heard(self, spans: Sequence[SeenSpan]) -> intake.Heard:
        """What can be told of spans without the ledger, off its thread."""
        rules, now_ns = self._bookkeeper.rules.current, self._clock_ns()

        def hear() -> intake.Heard:
            return intake.heard(spans, policy=rules.policy, book=rules.prices, now_ns=now_ns)

        if len(spans) <= _INLINE:
            return hear()
        async with self._hearing:  # two at a time are no faster, and others would have to wait for both
            return await asyncio.to_thread(hear)

    async def _booked(self, size: int, book: Callable[[], Future[Counted]]) -> None:
        async with self._turns.of(size):
            try:
                await asyncio.wrap_future(book())
            except LedgerError as error:
                raise BehindError(str(error), retry_after_seconds=RETRY_SECONDS) from error


class Turns:
    """Who is under way together is no more than `most` in all, or alone. First come, first served; one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncGenerator[None]:
        """The block's turn."""
        if self._waiting or not self._fits(size):
            await self._stand_in_line(size)
        else:
            self._under_way += size
        try:
            yield
        finally:
            self._leave(size)

    async def _stand_in_line(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(size)
            raise

    def _fits(self, size: int) -> bool:
        return not self._under_way or self._under_way + size <= self._most

    def _leave(self, size: int) -> None:
        self._under_way -= size
        while self._waiting and (self._waiting[0][1].done() or self._fits(self._waiting[0][0])):
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._under_way += size
                turn.set_result(None)
