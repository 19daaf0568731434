"""How does an application put a call off by itself, and fetch its answer, from another process too?"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from inspect import isawaitable
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from anthropic import APIError
from anthropic._models import construct_type
from anthropic.types import Message

from bursar.instrumentation.answer import is_refused, raised_by, refusal_of
from bursar.instrumentation.asking import Asking, Deferred
from bursar.instrumentation.awaiting import awaited, tell_alone
from bursar.instrumentation.context import Work, current_work, doing
from bursar.instrumentation.quiet import quiet
from bursar.instrumentation.runtime import Runtime, current_runtime
from bursar.instrumentation.waiter import Waits, is_unknown, through, through_async
from bursar.policies.deferral import Outcome, WithdrawRequest
from bursar.policies.errors import BudgetExceeded
from bursar.policies.unbatched import Unbatched

P = ParamSpec("P")
T = TypeVar("T")
Given = tuple[Any, Exception | None]
"""An answer, or the error that stands for one."""

_FOR_EVER_NS = 2**62
_NO_AGENT = "no agent is configured here: set BURSAR_AGENT and call `instrument()`"
_ANSWERS = (APIError, BudgetExceeded)
"""Errors that are what the API or a budget answered; any other is the application's own mistake."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The call that was put off: to be made again once its answer is there, which it is then given."""

    deferred: Deferred
    again: Callable[[], Any]
    work: Work
    is_async: bool


class Deferral(Generic[T]):
    """
    A call that was put off, or could not be: then it was sent at once, is over already, and `reason` says why.

    `result()` is its answer, as is `await` of it. `Deferral("d-…")` is one that another process made: its answer is a
    `Message`.
    """

    def __init__(
        self, deferral_id: str = "", *, reason: str = "", origin: Origin | None = None, given: Given | None = None
    ) -> None:
        """`origin`: the call that was put off here. `given`: the answer of one that was sent at once, or its error."""
        self.id = deferral_id
        """By which any process can ask for the answer; empty where it was sent at once."""
        self.reason = reason
        """Why it was not put off, in the words of docs/deferrals.md; empty where it was."""
        self._origin = origin
        self._outcome: Outcome | None = None
        self._given = given
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Deferral({self.id!r})" if self.id else f"Deferral(reason={self.reason!r})"

    @property
    def over(self) -> bool:
        """Whether its answer has been fetched, or came at once."""
        return self._given is not None or self._outcome is not None

    def done(self) -> bool:
        """Whether `result()` would not have to wait; asks the agent, and is False while it cannot be reached."""
        if self.over:
            return True
        desk = _runtime().desk
        with quiet("look for a deferral"):
            return desk is not None and any(found.state.over for found in desk.look((self.id,)))
        return False

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. One that is in a batch already may still be paid for."""
        line = _runtime().waiter
        if not self.over and line is not None:
            line.withdraw(WithdrawRequest(self.id, why="cancelled"))

    def result(self, timeout: float | None = None) -> T:
        """
        The answer, waited for up to `timeout` seconds.

        Raises what the call itself would have raised, `BudgetExceeded` where it could not be answered, and
        `TimeoutError`.
        """
        if self._given is None:
            if self._origin is not None and self._origin.is_async:
                raise TypeError("this call was made by an async client: await the deferral instead")
            outcome = through(self._waits(timeout))
            with self._lock:
                self._given = self._given or _tried(partial(self._fetched, outcome))
        return self._or_raised(self._given)

    def __await__(self) -> Generator[Any, None, T]:
        return self._result_async().__await__()

    def brought(self, outcome: Outcome) -> None:
        """Its outcome has come, by way of somebody who waited for several."""
        self._outcome = outcome

    async def _result_async(self) -> T:
        if self._given is None:
            outcome = await through_async(self._waits(None))
            given = await _tried_async(partial(self._fetched, outcome))
            self._given = self._given or given
        return self._or_raised(self._given)

    def _or_raised(self, given: Given) -> T:
        answer, error = given
        if error is not None:
            raise error
        return cast(T, answer)

    def _waits(self, timeout: float | None) -> Waits[Outcome]:
        """What is waited for, and how long each time. Raises `TimeoutError`."""
        if self._outcome is not None:
            return self._outcome
        runtime = _runtime()
        if runtime.waiter is None:
            raise TimeoutError(_NO_AGENT)
        ends = None if timeout is None else time.monotonic() + timeout
        deferred = self._origin.deferred if self._origin is not None else Deferred(self.id, 0, _FOR_EVER_NS)
        waits, found = awaited(runtime.waiter, deferred, runtime.clock_ns), None
        while True:
            try:
                future, seconds = waits.send(found)
            except StopIteration as stop:
                return cast("Outcome | None", stop.value)
            left = seconds if ends is None else min(seconds or 0.0, max(ends - time.monotonic(), 0.0))
            found = yield future, left
            if found is None and ends is not None and time.monotonic() >= ends:
                raise TimeoutError(f"{self!r} is not answered yet")

    def _fetched(self, outcome: Outcome | None) -> Any:
        """The answer as the SDK makes it: the call is made again, and given what has come. Or it is sent now."""
        origin, runtime = self._origin, _runtime()
        if origin is None:
            if outcome is None or is_unknown(outcome):
                raise LookupError(f"{self!r}: the agent has no such call, or keeps its answer no longer")
            return _told(runtime, outcome)
        if outcome is not None and is_unknown(outcome):
            outcome = None
        if outcome is None and runtime.waiter is not None:
            runtime.waiter.withdraw(WithdrawRequest(self.id, sends=True, why="late"))
        asking = Asking(tries=False, outcome=outcome, deferred=origin.deferred)
        return _inside(replace(origin.work, key="", caller=None, asking=asking), origin.again)


@overload
def defer(  # type: ignore[overload-overlap]
    create: Callable[P, Awaitable[T]], /, *args: P.args, **params: P.kwargs
) -> Awaitable[Deferral[T]]: ...


@overload
def defer(create: Callable[P, T], /, *args: P.args, **params: P.kwargs) -> Deferral[T]: ...


def defer(create: Callable[..., Any], /, *args: Any, **params: Any) -> Any:
    """
    Put a call off to a Message Batch, at half the price: `defer(client.messages.create, model=..., ...)`.

    Returns at once; with an async client it is awaited, and then returns at once. Where the call cannot be put off (no
    agent, or one with another key) it is sent now, and the deferral is over already.
    """
    asking = Asking()
    work = replace(current_work(), asking=asking)
    again = partial(create, *args, **params)
    given = _tried(partial(_inside, work, again), asking)
    if isawaitable(given[0]):
        return _defer_async(asking, given[0], again)
    if asking.deferred is not None:
        _close(given[0])
    return _made(asking, again, given, is_async=False)


def result(deferral: Deferral[T] | str, timeout: float | None = None) -> T | Message:
    """The answer of a deferral, or of one that another process made, by its id. Waits up to `timeout` seconds."""
    return (Deferral[Any](deferral) if isinstance(deferral, str) else deferral).result(timeout)


async def _defer_async(asking: Asking, answer: Awaitable[Any], again: Callable[[], Any]) -> Deferral[Any]:
    given = await _tried_async(lambda: answer, asking)
    if asking.deferred is not None and isawaitable(closing := _close(given[0])):
        await closing
    return _made(asking, again, given, is_async=True)


def _made(asking: Asking, again: Callable[[], Any], given: Given, *, is_async: bool) -> Deferral[Any]:
    if asking.deferred is None:
        return Deferral(reason=asking.why or str(Unbatched.NO_AGENT), given=given)
    origin = Origin(asking.deferred, again, asking.work or Work(), is_async)
    return Deferral(asking.deferred.id, origin=origin)


def _runtime() -> Runtime:
    runtime = current_runtime()
    if runtime is None:
        raise TimeoutError(_NO_AGENT)
    return runtime


def _told(runtime: Runtime, outcome: Outcome) -> Message:
    """The answer of a call that another process made, its cost told here too."""
    charge = tell_alone(runtime, outcome)
    route, model = (charge.route, charge.requested_model) if charge is not None else ("", "")
    if is_refused(outcome):
        raise refusal_of(outcome, route=route, model=model, standing=None, decision_id=outcome.id)
    if outcome.message is None:
        raise raised_by(outcome)
    message = cast(Message, construct_type(type_=Message, value=json.loads(outcome.message)))
    message._request_id = outcome.request_id  # pyright: ignore[reportPrivateUsage] - as the SDK sets it
    return message


def _inside(work: Work, call: Callable[[], Any]) -> Any:
    """What a call returns that is made for this work; the work of a coroutine is the same while it runs."""
    with doing(work):
        answer = call()
    if not isawaitable(answer):
        return answer

    async def inside() -> Any:
        with doing(work):
            return await answer

    return inside()


def _tried(call: Callable[[], Any], asking: Asking | None = None) -> Given:
    """What a call returned, or the error that is its answer; any other is raised."""
    try:
        return call(), None
    except Exception as error:
        if _is_answer(error, asking):
            return None, error
        raise


async def _tried_async(call: Callable[[], Any], asking: Asking | None = None) -> Given:
    try:
        answer = call()
        return await answer if isawaitable(answer) else answer, None
    except Exception as error:
        if _is_answer(error, asking):
            return None, error
        raise


def _is_answer(error: Exception, asking: Asking | None) -> bool:
    """A call that was put off may fail as it likes: it is the application that stumbles over a stand-in."""
    return isinstance(error, _ANSWERS) or (asking is not None and asking.deferred is not None)


def _close(answer: Any) -> Any:
    """A stream that nobody will read."""
    close = getattr(answer, "close", None)
    return close() if callable(close) else None
