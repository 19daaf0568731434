"""How do many calls of one process wait for their answers? One thread asks for all of them together."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Any, Protocol, TypeVar, cast

import anyio

from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.quiet import quiet
from bursar.policies import deferral
from bursar.policies.deferral import DeferralError, Outcome, State, WaitRequest, WithdrawRequest

T = TypeVar("T")

FIRST_SECONDS = 0.25
"""How long the first request for new ids is held; each later one twice as long, while no more are added."""
MARGIN_SECONDS = 10.0
"""How much longer than it may be held a request is waited for: its answer may be large."""
PAUSE_SECONDS = 0.5
"""How long to wait before asking again an agent that is away."""
AT_A_TIME = 5_000
"""Ids asked for in one request; with more of them each request is short, and they take turns."""
TURN_SECONDS = 0.5
CLOSING_SECONDS = 0.5


def unknown(deferral_id: str) -> Outcome:
    """What is said of a call that the agent does not have, or no longer."""
    return Outcome(deferral_id, State.EXPIRED, _UNKNOWN)


def is_unknown(outcome: Outcome) -> bool:
    """Whether the agent has no such call, or has handed its answer over so long ago that it is gone."""
    return outcome.reason == _UNKNOWN or (outcome.state is State.DELIVERED and outcome.message is None)


_UNKNOWN = "the agent has no such call, or keeps its answer no longer"


class Line(Protocol):
    """A connection of its own to the agent."""

    def post(self, path: str, body: bytes, *, seconds: float) -> Any:
        """Raises `Unreachable`."""
        ...

    def hang_up(self) -> None:
        """Make a request under way fail, from another thread."""
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...

    def abandon(self) -> None:
        """Forget it after a fork."""
        ...


class Waiter:
    """
    Futures for those who wait, and one thread that fills them, for as long as anybody does.

    Asking twice for the same id is no harm: the agent keeps what it has handed over for a while.
    """

    def __init__(self, line: Line, withdraw: Callable[[WithdrawRequest], None]) -> None:
        self._line = line
        self._withdraw = withdraw
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Future[Outcome]]] = {}
        self._leaving: deque[WithdrawRequest] = deque()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._hold = FIRST_SECONDS
        self._holding = False
        """Whether a request is being held at the agent, for longer than new ids can wait."""
        self._away = False

    @property
    def away(self) -> bool:
        """Whether the agent did not answer the last time."""
        return self._away

    def wait(self, deferral_id: str) -> Future[Outcome]:
        """The outcome, once it is over. Cancel it to wait no more."""
        future: Future[Outcome] = Future()
        with self._lock:
            self._waiting.setdefault(deferral_id, []).append(future)
            self._hold = FIRST_SECONDS
            interrupt = self._holding
        future.add_done_callback(lambda done: self._left(deferral_id, done))
        self._start()
        if interrupt:
            self._line.hang_up()
        return future

    def withdraw(self, request: WithdrawRequest) -> None:
        """Tell the agent so, as soon as it can be told."""
        self._leaving.append(request)
        self._start()

    def close(self) -> None:
        """Stop, unless somebody still waits; what is to be said is said now or never."""
        with self._lock:
            if self._waiting:
                return
        self._stopping.set()
        self._wake.set()
        self._line.hang_up()
        if self._thread is not None:
            self._thread.join(CLOSING_SECONDS)
        with quiet("withdraw a call that was put off"):
            self._tell_withdrawn()

    def abandon(self) -> None:
        """Forget the parent's connection after a fork."""
        self._line.abandon()

    def _left(self, deferral_id: str, future: Future[Outcome]) -> None:
        with self._lock:
            left = [one for one in self._waiting.get(deferral_id, ()) if one is not future]
            if left:
                self._waiting[deferral_id] = left
            else:
                self._waiting.pop(deferral_id, None)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="bursar-waiter", daemon=True)
                self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                idle = not self._waiting and not self._leaving
                if idle:
                    self._wake.clear()
            if idle:
                self._wake.wait()
                continue
            with quiet("wait for calls that were put off"):
                try:
                    self._tell_withdrawn()
                    self._ask()
                    self._away = False
                except Unreachable:
                    if not self._interrupted():
                        self._away = True
                        self._stopping.wait(PAUSE_SECONDS)
        self._line.close()

    def _interrupted(self) -> bool:
        """Whether it was this process that broke off a request, to ask for more in the next one."""
        with self._lock:
            interrupted, self._holding = self._holding and self._hold == FIRST_SECONDS, False
        return interrupted

    def _tell_withdrawn(self) -> None:
        while self._leaving:
            self._withdraw(self._leaving[0])
            self._leaving.popleft()

    def _ask(self) -> None:
        with self._lock:
            ids = tuple(self._waiting)
            hold = min(self._hold, deferral.WAIT_SECONDS)
            if len(ids) > AT_A_TIME:
                ids, hold = self._turn(ids), TURN_SECONDS
            self._hold = hold * 2
            self._holding = hold > 2 * FIRST_SECONDS
        if not ids:
            return
        body = json.dumps(deferral.to_json(WaitRequest(ids, seconds=hold))).encode()
        answer = self._line.post(deferral.WAIT_PATH, body, seconds=hold + MARGIN_SECONDS)
        with self._lock:
            self._holding = False
        try:
            outcomes = deferral.wait_response_from_json(answer).outcomes
        except DeferralError as error:
            raise Unreachable(str(error)) from error
        told = {outcome.id for outcome in outcomes}
        self._hand_out([*outcomes, *(unknown(one) for one in ids if one not in told)])

    def _turn(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Those whose turn it is; they go to the end of the line."""
        turn = ids[:AT_A_TIME]
        for deferral_id in turn:
            self._waiting[deferral_id] = self._waiting.pop(deferral_id)
        return turn

    def _hand_out(self, outcomes: Collection[Outcome]) -> None:
        for outcome in outcomes:
            if not outcome.state.over:
                continue
            with self._lock:
                futures = self._waiting.pop(outcome.id, [])
            for future in futures:
                with suppress(InvalidStateError):  # whoever waited has just gone
                    future.set_result(outcome)


Waits = Generator[tuple["Future[T]", "float | None"], "T | None", "T | None"]
"""A wait in progress: what for, and how long at most; it is sent what has come, or None."""


def through(waits: Waits[T]) -> T | None:
    """What a wait comes to. Blocks."""
    found: T | None = None
    while True:
        try:
            future, seconds = waits.send(found)
        except StopIteration as stop:
            return cast("T | None", stop.value)
        found = now(future, seconds)


async def through_async(waits: Waits[T]) -> T | None:
    """The same without blocking the event loop."""
    found: T | None = None
    while True:
        try:
            future, seconds = waits.send(found)
        except StopIteration as stop:
            return cast("T | None", stop.value)
        found = await later(future, seconds)


POLL_SECONDS = 0.05
"""How often a task looks whose event loop is not asyncio's."""


def now(future: Future[T], seconds: float | None) -> T | None:
    """What a future brings within so many seconds; None where it brings nothing: then it is cancelled. Blocks."""
    try:
        return future.result(timeout=_bearable(seconds))
    except (FutureTimeoutError, CancelledError):
        return None
    finally:
        future.cancel()


async def later(future: Future[T], seconds: float | None) -> T | None:
    """The same without blocking the event loop."""
    try:
        with anyio.move_on_after(seconds):
            if _is_asyncio():
                return await asyncio.wrap_future(future)
            while not future.done():
                await anyio.sleep(POLL_SECONDS)
            return future.result()
        return None
    finally:
        future.cancel()


def _bearable(seconds: float | None) -> float | None:
    """No longer than a lock can wait."""
    return None if seconds is None else min(seconds, threading.TIMEOUT_MAX)


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
