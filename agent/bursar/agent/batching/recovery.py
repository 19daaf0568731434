"""
What became of a batch whose submission nobody saw answered: does the API have it, or must it be sent again?

Its id was never told, but its items' custom ids are in its results. So every batch of the workspace that was created
since, is not known as ours and has as many requests may be it until it has ended and shows whose it is. Only when no
such batch is left, a while after it was sent, are its calls sent again, under new attempts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from functools import partial

from sqlite_utils import Database

from bursar.agent.batching.api import Api, NoAnswerError, NotSentError, RefusedError, Seen
from bursar.agent.batching.means import Means
from bursar.agent.batching.results import Clerk, parse_result
from bursar.agent.batching.submission import Sending, let_strays_go, note, put_back, submitted
from bursar.agent.ledger import batchbook, deferralbook, deferring
from bursar.agent.ledger.batchbook import Batch, BatchState
from bursar.agent.ledger.deferring import Step, Terms

_log = logging.getLogger(__name__)

GRACE_SECONDS = 60.0
"""So long after it was sent a batch may still turn up in the list."""
SKEW_SECONDS = 300.0
"""By so much the API's clock may be behind ours."""
LOOK_SECONDS = 5.0
CHUNK = 40
ENOUGH = 20
"""Results by which a batch is known: ids are unique, so one would do."""
_SECOND = 10**9


class Found(Enum):
    """What looking came to."""

    HERE = "here"
    PENDING = "pending"
    """A batch may be it, and will not show before it ends."""
    NOWHERE = "nowhere"


class Recovery:
    """Finds batches again that may have been submitted."""

    def __init__(
        self, means: Means, api: Callable[[str], Api | None], clerk: Callable[[], Clerk], sending: Sending
    ) -> None:
        self._means = means
        self._api = api
        self._clerk = clerk
        self._sending = sending
        self._others: set[str] = set()
        """Batches that have shown to be somebody else's."""
        self._looked_ns: dict[str, int] = {}

    async def run(self) -> None:
        """Look for every batch that this process is not sending itself."""
        for batch in await self._means.read(batchbook.unfinished):
            if batch.id in self._sending.batches:
                continue
            if batch.state is BatchState.FORMING:
                await self._means.step(partial(_unformed, batch.id))
                self._means.at("unformed")
            elif batch.state is BatchState.SUBMITTING and self._due(batch):
                await self._recover(batch)

    def _due(self, batch: Batch) -> bool:
        now_ns = self._means.clock_ns()
        if now_ns - self._looked_ns.get(batch.id, 0) < LOOK_SECONDS * _SECOND:
            return False
        self._looked_ns[batch.id] = now_ns
        return True

    async def _recover(self, batch: Batch) -> None:
        api = self._api(batch.credential)
        if api is None:
            return
        try:
            found = await self._look(api, batch)
        except (RefusedError, NotSentError, NoAnswerError) as error:
            _log.info("whether the API has batch %s is not known yet: %s", batch.id, error)
            return
        if found is Found.NOWHERE:
            await self._send_again(batch)

    async def _look(self, api: Api, batch: Batch) -> Found:
        known = await self._means.read(batchbook.known)
        pending = False
        for seen in await api.created_since(batch.made_ns - int(SKEW_SECONDS * _SECOND)):
            if seen.api_id in known or seen.api_id in self._others or sum(seen.counts.values()) != batch.items:
                continue
            if not seen.ended:
                pending = True
            elif await self._is_ours(api, seen, batch):
                await submitted(self._means, batch, seen)
                self._means.at("found again")
                return Found.HERE
            else:
                self._others.add(seen.api_id)
        return Found.PENDING if pending else Found.NOWHERE

    async def _is_ours(self, api: Api, seen: Seen, batch: Batch) -> bool:
        ids: list[str] = []
        async with api.results(seen.api_id) as lines:
            async for line in lines:
                result = parse_result(line)
                ids += [] if result is None else [result.attempt_id]
                if len(ids) == ENOUGH:
                    break
        return await self._means.read(lambda db: batchbook.is_of(db, batch.id, ids))

    async def _send_again(self, batch: Batch) -> None:
        """Queue its calls anew, once it can no longer turn up."""
        now_ns = self._means.clock_ns()
        if not batch.looked_ns:
            why = "the agent ended before the API answered"
            await self._means.step(lambda db, _: note(db, batch.id, looked_ns=now_ns, why=why))
            return
        if now_ns - batch.looked_ns < GRACE_SECONDS * _SECOND:
            return
        while await self._means.read(lambda db: deferralbook.in_batch(db, batch.id, 1)):
            await self._means.step(lambda db, terms: self._queue_again(db, batch, terms))
            self._means.at("queued again")
        await self._means.step(lambda db, terms: _lost(db, batch.id, terms))
        self._means.at("lost")

    def _queue_again(self, db: Database, batch: Batch, terms: Terms) -> Step:
        step, clerk = Step(), self._clerk()
        for deferral in deferralbook.in_batch(db, batch.id, CHUNK):
            freed = deferring.release(db, deferral.attempt_id, "withdrawn", "its batch never arrived", terms)
            deferring.free(db, freed)
            lent = deferring.again(db, deferral, terms, failed=False, flush_ns=terms.now_ns)
            step += Step(freed | lent.balances)
            if not lent.granted:
                step += clerk.refused(db, deferral, lent, deferral.most, terms)
        return step


def _unformed(batch_id: str, db: Database, terms: Terms) -> Step:
    return put_back(db, batch_id, "the agent ended while it was made", terms)


def _lost(db: Database, batch_id: str, terms: Terms) -> Step:
    step = let_strays_go(db, batch_id, terms)
    batchbook.change(db, batch_id, state=BatchState.FAILED, why="it never arrived: what was in it was sent again")
    return step
