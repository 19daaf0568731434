"""Whether a call may leave: its admission, carried through on the caller's thread or event loop."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Protocol, cast

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from bursar.instrumentation.admitting import Admitter, Count, Reply, Told
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.leases import Leases
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.postponing import Counter, Looking, Offering, carried
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.sync import Ask
from bursar.policies.deferral import WithdrawRequest
from bursar.policies.protocol import Answer, Verdict
from bursar.policies.records import Decided


class Carrier(Protocol):
    """Who brings an ask to the agent and its answer back. Raises `Unreachable`."""

    def ask(self, ask: Ask) -> Answer | None:
        """None: the ask had no need, or a later message overtook it."""
        ...


CARRIERS = 32
"""Threads of one event loop that carry asks; those that wait ride along with whoever is on the way."""
_carriers: RunVar[anyio.CapacityLimiter] = RunVar("bursar_carriers")


class _Way:
    """Where an admission's asks are: one on its way, and whether any has brought money."""

    def __init__(self) -> None:
        self.ask: Ask | None = None
        self.lent = False
        self.offering: Offering | Looking | None = None
        """What is being offered to the agent just now."""

    def leave(self, ask: Ask) -> None:
        """An ask goes out."""
        self.ask = ask

    def back(self, reply: Reply) -> Reply:
        """Its answer is here."""
        self.ask = None
        self.lent = self.lent or _lent(reply)
        return reply


def _limiter() -> anyio.CapacityLimiter:
    """Of the threads of this event loop."""
    try:
        return _carriers.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(CARRIERS)
        _carriers.set(limiter)
        return limiter


def _lent(reply: Reply) -> bool:
    return isinstance(reply, Answer) and reply.verdict is Verdict.GRANTED


class Guard:
    """Admits attempts over the rules in force and this process's leases. Raises only `BudgetExceeded`."""

    def __init__(
        self,
        leases: Leases,
        rules: Callable[[], Rules],
        carrier: Carrier | None,
        counter: Counter | None = None,
        *,
        enforce: bool,
        without_rules: str,
        on_release: Callable[[str], None],
        on_loop: Callable[[Decided], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        sleep_async: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._sleep = sleep
        self._sleep_async = sleep_async
        self._leases = leases
        self._rules = rules
        self._carrier = carrier
        self._counter = counter
        self._on_release = on_release
        self._admitter = admitter = Admitter(
            leases,
            rules,
            clock,
            has_agent=carrier is not None,
            enforce=enforce,
            without_rules=without_rules,
            on_loop=on_loop,
        )
        self.standings = admitter.standings
        self.estimates = admitter.estimates
        self.durations = admitter.durations
        self.moves = admitter.moves

    @property
    def is_new(self) -> bool:
        """Whether an agent is configured and has not told its rules yet."""
        return self._carrier is not None and not self._rules().heard

    def greet(self) -> None:
        """Ask the agent for its rules, so that the first call is named and judged by them. Never raises."""
        self._carry(Ask())

    async def greet_async(self) -> None:
        """The same without blocking the event loop."""
        await self._carry_async(Ask())

    def admit(self, errand: Errand) -> Admission:
        """Decide on the caller's thread. Raises `BudgetExceeded`."""
        repeats = self._admitter.repeats(errand)
        admission = None if repeats else self._admitter.at_once(errand)
        if admission is not None:
            return admission
        admitting = self._admitter.admitting(errand, repeats)
        reply: Told = None
        with self._released_unless_admitted(errand) as way:
            while True:
                try:
                    step = admitting.send(reply)
                except StopIteration as stop:
                    return cast(Admission, stop.value)
                if isinstance(step, Ask):
                    way.leave(step)
                    reply = way.back(self._carry(step))
                elif isinstance(step, Count):
                    reply = step.counting.now(step.model)
                elif isinstance(step, Offering | Looking):
                    way.offering = step
                    reply = carried(self._counter, step)
                    way.offering = None
                else:
                    self._sleep(step)
                    reply = None

    async def admit_async(self, errand: Errand) -> Admission:
        """The same without ever blocking the event loop. Raises `BudgetExceeded`."""
        repeats = self._admitter.repeats(errand)
        admission = None if repeats else self._admitter.at_once(errand)
        if admission is not None:
            return admission
        admitting = self._admitter.admitting(errand, repeats)
        reply: Told = None
        with self._released_unless_admitted(errand) as way:
            while True:
                try:
                    step = admitting.send(reply)
                except StopIteration as stop:
                    return cast(Admission, stop.value)
                if isinstance(step, Ask):
                    way.leave(step)
                    reply = way.back(await self._carry_async(step))
                elif isinstance(step, Count):
                    reply = await step.counting.later(step.model)
                elif isinstance(step, Offering | Looking):
                    way.offering = step
                    reply = await anyio.to_thread.run_sync(carried, self._counter, step, limiter=_limiter())
                    way.offering = None
                else:
                    await self._sleep_async(step)
                    reply = None

    @contextmanager
    def _released_unless_admitted(self, errand: Errand) -> Generator[_Way]:
        """
        A refusal, or a task cancelled while it waited, keeps no money; the agent is told if it had lent any.

        A cancelled task may leave its ask on the way: what that still brings is released when it comes.
        """
        way = _Way()
        try:
            yield way
        except BaseException:  # a cancelled task too gives its money back; raised again in any case
            if way.ask is not None and not way.ask.reply.cancel():
                way.ask.reply.add_done_callback(lambda reply: self._release_late(errand, reply))
            if self._counter is not None and isinstance(way.offering, Offering) and not way.offering.offer.key:
                self._counter.give_up(WithdrawRequest(way.offering.offer.id, why="cancelled"))
            self._leases.release(errand.attempt_id)
            if way.lent:
                self._on_release(errand.attempt_id)
            raise

    def _release_late(self, errand: Errand, reply: Future[Answer | None]) -> None:
        self._leases.release(errand.attempt_id)
        if not reply.cancelled() and reply.exception() is None and _lent(reply.result()):
            self._on_release(errand.attempt_id)

    async def _carry_async(self, ask: Ask) -> Reply:
        """In a thread of our own: the application's may all be waiting for its event loop."""
        return await anyio.to_thread.run_sync(self._carry, ask, limiter=_limiter())

    def _carry(self, ask: Ask) -> Reply:
        if self._carrier is None:
            return Unreachable("no agent is configured")
        try:
            return self._carrier.ask(ask)
        except Unreachable as error:
            # Its traceback holds this frame, and so itself: the caller's frames would live on until a collection.
            return error.with_traceback(None)
