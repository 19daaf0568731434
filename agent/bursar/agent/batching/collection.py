"""How far are the batches, and what came of everything in those that have ended?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlite_utils import Database

from bursar.agent.batching.api import Api, NoAnswerError, NotSentError, RefusedError, Seen
from bursar.agent.batching.means import Means
from bursar.agent.batching.results import Clerk, Result, parse_result
from bursar.agent.batching.submission import end_all
from bursar.agent.ledger import batchbook
from bursar.agent.ledger.batchbook import Batch, BatchState
from bursar.agent.ledger.deferring import Step, Terms

_log = logging.getLogger(__name__)

CHUNK = 40
"""Results in one transaction: small enough that guards wait no longer than some 20 ms behind it."""
AT_ONCE = 4
MOST_LOOKS = 50
"""At most so many batches are asked about in one round; those not asked for longest come first."""
SHORTEST_SECONDS, LONGEST_SECONDS, PART = 1.0, 60.0, 20
"""A batch is asked about after a twentieth of its age, within these bounds."""
AGAIN_SECONDS = 5.0
"""Results that could not be read are asked for again after this."""
COMPLETE_SECONDS = 3_600.0
"""Results that are still not complete so long after the batch's end never will be."""
_SECOND = 10**9
_GONE = 404
_TROUBLE = (RefusedError, NotSentError, NoAnswerError)


class Collection:
    """Asks about batches, books the results of those that have ended, and cancels those that nobody waits for."""

    def __init__(self, means: Means, api: Callable[[str], Api | None], clerk: Callable[[], Clerk]) -> None:
        self._means = means
        self._api = api
        self._clerk = clerk
        self._asked_ns: dict[str, int] = {}
        self._collecting = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """One round. What fails is tried again in a later one."""
        for batch in await self._means.read(batchbook.unwanted):
            await self._cancel(batch)
        found = await self._means.read(batchbook.unfinished)
        due = [batch for batch in found if batch.api_id is not None and self._due(batch)]
        due.sort(key=lambda batch: batch.looked_ns)
        await asyncio.gather(*(self._advance(batch) for batch in due[:MOST_LOOKS]))

    def _due(self, batch: Batch) -> bool:
        now_ns = self._means.clock_ns()
        if batch.state is BatchState.ENDED:
            return now_ns - self._asked_ns.get(batch.id, 0) >= AGAIN_SECONDS * _SECOND
        age = (now_ns - (batch.submitted_ns or batch.made_ns)) / _SECOND
        wait = min(max(age / PART, SHORTEST_SECONDS), LONGEST_SECONDS)
        return now_ns - self._asked_ns.get(batch.id, 0) >= wait * _SECOND

    async def _advance(self, batch: Batch) -> None:
        api = self._api(batch.credential)
        if api is None or batch.api_id is None:
            return
        self._asked_ns[batch.id] = self._means.clock_ns()
        try:
            async with self._collecting:
                if batch.state is BatchState.ENDED or await self._ended(api, batch, batch.api_id):
                    await self._collect(api, batch, batch.api_id)
        except RefusedError as error:
            if error.status == _GONE:
                await self._gone(batch, str(error))
            else:
                _log.info("batch %s is not collected yet: %s", batch.api_id, error)
        except _TROUBLE as error:
            _log.info("batch %s is not collected yet: %s", batch.api_id, error)

    async def _ended(self, api: Api, batch: Batch, api_id: str) -> bool:
        seen = await api.retrieve(api_id)
        now_ns = self._means.clock_ns()
        await self._means.step(lambda db, _: _looked(db, batch, seen, now_ns))
        self._means.at("looked")
        return seen.ended

    async def _collect(self, api: Api, batch: Batch, api_id: str) -> None:
        """Book every result, some at a time. Fewer than there were requests are read again: the end was cut off."""
        told = 0
        async with api.results(api_id) as lines:
            chunk: list[Result] = []
            async for line in lines:
                result = parse_result(line)
                told += result is not None
                chunk += [] if result is None else [result]
                if len(chunk) == CHUNK:
                    await self.book(chunk)
                    chunk = []
            await self.book(chunk)
        if told >= batch.items:
            await self._close(batch)
        elif self._means.clock_ns() - (batch.ended_ns or self._means.clock_ns()) < COMPLETE_SECONDS * _SECOND:
            raise NoAnswerError(f"{told} of {batch.items} results came")
        else:
            await self._gone(batch, f"{told} of {batch.items} results came")

    async def book(self, chunk: list[Result]) -> None:
        """Book these results in one transaction."""
        clerk = self._clerk()

        def job(db: Database, terms: Terms) -> Step:
            step = Step()
            for result in chunk:
                step += clerk.result(db, result, terms)
            return step

        await self._means.step(job)
        self._means.at("booked")
        self._means.tidings.work.set()

    async def _gone(self, batch: Batch, why: str) -> None:
        """Deleted, or older than results are kept: what came of it nobody will know."""
        _log.warning("the results of batch %s are gone (%s): what was in it counts as its bound", batch.api_id, why)
        await end_all(self._means, batch.id, lambda attempt: Result(attempt, "unknown"), self._clerk())
        await self._close(batch, why)

    async def _close(self, batch: Batch, why: str = "") -> None:
        def job(db: Database, _: Terms) -> Step:
            batchbook.change(db, batch.id, state=BatchState.COLLECTED, why=why)
            return Step()

        await self._means.step(job)
        self._asked_ns.pop(batch.id, None)
        self._means.at("collected")

    async def _cancel(self, batch: Batch) -> None:
        api = self._api(batch.credential)
        if api is None or batch.api_id is None:
            return
        try:
            await api.cancel(batch.api_id)
        except RefusedError as error:
            _log.info("batch %s is not cancelled: %s", batch.api_id, error)  # it has ended, or is gone
        except _TROUBLE as error:
            _log.info("batch %s is not cancelled yet: %s", batch.api_id, error)
            return
        self._means.at("cancelled")
        now_ns = self._means.clock_ns()

        def job(db: Database, _: Terms) -> Step:
            batchbook.change(db, batch.id, cancelled_ns=now_ns)
            return Step()

        await self._means.step(job)


def _looked(db: Database, batch: Batch, seen: Seen, now_ns: int) -> Step:
    batchbook.change(db, batch.id, looked_ns=now_ns, counts=seen.counts)
    if seen.ended:
        batchbook.change(db, batch.id, state=BatchState.ENDED, ended_ns=seen.ended_ns or now_ns)
    return Step()
