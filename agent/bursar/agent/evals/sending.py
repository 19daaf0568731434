"""How do asks reach the API, in batches or at once, and what became of each?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from bursar.agent.batching.api import Api, NoAnswerError, NotSentError, RefusedError, Seen, kind_of
from bursar.agent.batching.results import Result, parse_result
from bursar.agent.evals.asks import Ask
from bursar.policies import batchflush
from bursar.policies.elapsed import elapsed

AT_ONCE = 8
"""Asks that are sent at the ordinary price at the same time."""
TRIES = 3
LOOK_SECONDS, SELDOM_SECONDS = 2.0, 30.0
"""How soon a batch is looked at first, and how often at last."""
GRACE_SECONDS = 30.0
"""So long a run that is broken off waits for what its batches had answered already."""
_INVALID = (400, 413)
_PASSING = (408, 409, 429)
_SERVER = 500
_GONE = 404


class Fate(StrEnum):
    """What became of an ask."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The API says that such a request is none for this model: so it would say to the application. Costs nothing."""
    FAILED = "failed"
    """An error, an expired batch, or one that was broken off. Costs nothing."""
    UNKNOWN = "unknown"
    """It may have been answered, and nobody knows."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one ask."""

    ask: Ask
    fate: Fate
    message: Mapping[str, Any] | None = None
    batch: bool = False
    request_id: str | None = None
    why: str = ""
    duration_ns: int | None = None
    """From the last try until it was answered; None in a batch."""


class Sender:
    """Sends asks and tells of each as soon as it is known what became of it."""

    def __init__(
        self,
        api: Api,
        told: Callable[[Answer], object],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        counted: Callable[[int], object] = lambda _: None,
        timer_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """`counted` hears, while a batch is under way, of how many requests in it are over."""
        self._api = api
        self._told = told
        self._sleep = sleep
        self._counted = counted
        self._timer_ns = timer_ns
        self._room = asyncio.Semaphore(AT_ONCE)

    async def send(self, asks: Sequence[Ask]) -> None:
        """
        All of these, until all are known.

        Broken off, what batches had answered is still fetched; of what is not told then nobody knows.
        """
        ordered = sorted((ask for ask in asks if ask.batch), key=lambda ask: ask.betas)
        batches = [self._batch(betas, list(group)) for betas, group in groupby(ordered, key=lambda ask: ask.betas)]
        await asyncio.gather(*batches, *(self._at_once(ask) for ask in asks if not ask.batch))

    async def _at_once(self, ask: Ask) -> None:
        async with self._room:
            left = TRIES
            while True:
                left -= 1
                sent_ns = self._timer_ns()
                try:
                    answer = await self._api.message(ask.body, ask.betas)
                except RefusedError as error:
                    if not left or not (error.status in _PASSING or error.status >= _SERVER):
                        fate = Fate.REFUSED if error.status in _INVALID else Fate.FAILED
                        self._told(Answer(ask, fate, why=f"{error.status} {kind_of(error.body)}"))
                        return
                    await self._sleep(min(error.retry_after or 1.0, 10.0))
                except NotSentError as error:
                    if not left:
                        self._told(Answer(ask, Fate.FAILED, why=str(error)))
                        return
                    await self._sleep(1.0)
                except NoAnswerError as error:
                    self._told(Answer(ask, Fate.UNKNOWN, why=str(error)))
                    return
                else:
                    took_ns = elapsed(sent_ns, self._timer_ns())
                    request_id = answer.request_id
                    self._told(Answer(ask, Fate.ANSWERED, answer.message, request_id=request_id, duration_ns=took_ns))
                    return

    async def _batch(self, betas: str, asks: list[Ask]) -> None:
        size = sum(len(ask.body) + len(ask.attempt_id) + batchflush.FRAMING for ask in asks)
        try:
            seen = await self._api.create(_body(asks), batchflush.body_bytes(len(asks), size), betas)
        except (RefusedError, NotSentError) as error:
            self._tell_all(asks, Fate.FAILED, str(error))
            return
        except NoAnswerError as error:
            self._tell_all(asks, Fate.UNKNOWN, str(error))
            return
        try:
            await self._until_ended(seen)
        except asyncio.CancelledError:
            await self._break_off(seen, asks)
            raise
        await self._collect(seen, asks)

    async def _until_ended(self, seen: Seen) -> None:
        """A batch that nobody can be asked about is asked about again; one that is gone has ended."""
        wait = LOOK_SECONDS
        while not seen.ended:
            await self._sleep(wait)
            wait = min(wait * 1.5, SELDOM_SECONDS)
            try:
                seen = await self._api.retrieve(seen.api_id)
            except RefusedError as error:
                if error.status == _GONE:
                    return
            except (NotSentError, NoAnswerError):
                continue
            self._counted(sum(count for name, count in seen.counts.items() if name != "processing"))

    async def _break_off(self, seen: Seen, asks: list[Ask]) -> None:
        """Have the API begin no more of it, and fetch what it had answered, if that comes soon."""
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await self._api.cancel(seen.api_id)
                await self._until_ended(seen)
                await self._collect(seen, asks)
        except (TimeoutError, RefusedError, NotSentError, NoAnswerError):
            return  # of what is not told nobody knows

    async def _collect(self, seen: Seen, asks: list[Ask]) -> None:
        """Tell of every result; of what has none nobody knows."""
        left = {ask.attempt_id: ask for ask in asks}
        for _ in range(TRIES):
            try:
                async with self._api.results(seen.api_id) as lines:
                    async for line in lines:
                        result = parse_result(line)
                        if result is not None and result.attempt_id in left:
                            self._told(_answer(left.pop(result.attempt_id), result))
            except (RefusedError, NotSentError, NoAnswerError) as error:
                why = str(error)
                await self._sleep(LOOK_SECONDS)
                continue
            why = "the batch told of no result"
            break
        else:
            why = "the results of the batch did not come"
        self._tell_all(left.values(), Fate.UNKNOWN, why)

    def _tell_all(self, asks: Sequence[Ask] | Any, fate: Fate, why: str) -> None:
        for ask in asks:
            self._told(Answer(ask, fate, batch=True, why=why))


def _answer(ask: Ask, result: Result) -> Answer:
    if result.kind == "succeeded" and result.message is not None:
        return Answer(ask, Fate.ANSWERED, result.message, batch=True)
    kind = kind_of(result.error or {})
    fate = Fate.REFUSED if kind in ("invalid_request_error", "request_too_large") else Fate.FAILED
    return Answer(ask, fate, batch=True, why=kind or result.kind)


async def _body(asks: Sequence[Ask]) -> AsyncGenerator[bytes]:
    yield batchflush.HEAD
    for number, ask in enumerate(asks):
        head = b"," if number else b""
        yield head + batchflush.BEFORE_ID + ask.attempt_id.encode() + batchflush.BEFORE_PARAMS + ask.body
        yield batchflush.AFTER
    yield batchflush.TAIL
