"""How does what waits become a batch that the API has exactly once?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sqlite_utils import Database

from bursar.agent.batching.api import Api, NoAnswerError, NotSentError, RefusedError, Seen
from bursar.agent.batching.means import Means
from bursar.agent.batching.results import Clerk, Result
from bursar.agent.ledger import batchbook, deferralbook, deferring
from bursar.agent.ledger.batchbook import Batch, BatchState
from bursar.agent.ledger.deferralbook import Line, Waiting
from bursar.agent.ledger.deferring import Step, Terms
from bursar.policies import batchflush
from bursar.policies.batchflush import Flush, Queue, Times, flush_due

_log = logging.getLogger(__name__)

CHUNK = 500
"""Calls in one transaction: small enough that guards wait no longer than some 20 ms behind it."""
RESULTS = 40
TEXTS = 50
"""Requests in memory at once while a batch is sent."""
AT_ONCE = 4
"""Batches that are sent at the same time."""
PAUSE_SECONDS, LONG_PAUSE_SECONDS = 5.0, 60.0
_SECOND = 10**9
_TOO_LARGE, _TOO_MANY, _SERVER = 413, 429, 500
_KEYS = (401, 403)


@dataclass(slots=True)
class Limits:
    """What a credential may send now."""

    not_before_ns: int = 0
    bytes: int = batchflush.MOST_BYTES


@dataclass(slots=True)
class Sending:
    """What this process knows of batches on their way, beside the ledger."""

    batches: set[str] = field(default_factory=set[str])
    limits: dict[str, Limits] = field(default_factory=dict[str, Limits])


class Submission:
    """Forms batches of what waits, and sends each; what became of one that was not answered `Recovery` finds out."""

    def __init__(
        self, means: Means, api: Callable[[str], Api | None], clerk: Callable[[], Clerk], sending: Sending
    ) -> None:
        self._means = means
        self._api = api
        self._clerk = clerk
        self._sending = sending

    async def run(self, times: Times) -> None:
        """Send what is due."""
        now_ns = self._means.clock_ns()
        lines = await self._means.read(deferralbook.lines)
        due = [(line, why) for line in lines if (why := flush_due(_queue(line), times, now_ns)) is not None]
        able = [(line, why) for line, why in due if self._able(line, now_ns)]
        await asyncio.gather(*(self.send(line, why) for line, why in able[:AT_ONCE]))

    def _able(self, line: Line, now_ns: int) -> bool:
        limits = self._sending.limits.get(line.credential)
        return self._api(line.credential) is not None and (limits is None or limits.not_before_ns <= now_ns)

    async def send(self, line: Line, why: Flush) -> None:
        """Send what waits in a line, as one batch."""
        batch_id = f"batch-{self._means.new_id()}"
        self._sending.batches.add(batch_id)
        try:
            batch = await self._form(batch_id, line, why)
            if batch is not None:
                await self._post(batch)
        finally:
            self._sending.batches.discard(batch_id)

    async def _form(self, batch_id: str, line: Line, why: Flush) -> Batch | None:
        """Put calls into a new batch, some at a time, until it is full; None where none are left."""
        batch = Batch(
            id=batch_id,
            api_id=None,
            credential=line.credential,
            betas=line.betas,
            state=BatchState.FORMING,
            made_ns=self._means.clock_ns(),
            submitted_ns=None,
            looked_ns=0,
            ended_ns=None,
            items=0,
            bytes=0,
            counts={},
            cancelled_ns=None,
            reason=why.value,
            why="",
        )
        await self._means.step(lambda db, _: _begun(db, batch))
        self._means.at("forming")
        room = self._limits(line).bytes - len(batchflush.HEAD) - len(batchflush.TAIL)
        while batch.items < batchflush.MOST_REQUESTS:
            limit = min(CHUNK, batchflush.MOST_REQUESTS - batch.items)
            count, size = await self._put_in(batch, line, limit, room - batch.bytes)
            batch = replace(batch, items=batch.items + count, bytes=batch.bytes + size)
            if count < limit:
                break
        await self._means.step(lambda db, _: _formed(db, batch))
        self._means.at("formed")
        return replace(batch, state=BatchState.SUBMITTING) if batch.items else None

    async def _put_in(self, batch: Batch, line: Line, limit: int, room: int) -> tuple[int, int]:
        found: list[tuple[int, int]] = []

        def put(db: Database, _: Terms) -> Step:
            framing, empty = batchflush.FRAMING, not batch.items
            found.append(
                deferralbook.put_in(db, batch.id, line, limit=limit, bytes_left=room, framing=framing, empty=empty)
            )
            return Step()

        await self._means.step(put)
        self._means.at("put in")
        return found[-1]

    async def _post(self, batch: Batch) -> None:
        api = self._api(batch.credential)
        if api is None:
            await self._put_back(batch, "the agent's credential is gone", LONG_PAUSE_SECONDS)
            return
        items = await self._means.read(lambda db: deferralbook.of_batch(db, batch.id))
        length = batchflush.body_bytes(batch.items, batch.bytes)
        try:
            seen = await api.create(self._body(items), length, batch.betas)
        except NotSentError as error:
            await self._put_back(batch, str(error), PAUSE_SECONDS)
        except RefusedError as error:
            await self._refused(batch, error)
        except NoAnswerError as error:
            await self._unknown(batch, str(error))
        else:
            self._means.at("posted")
            await submitted(self._means, batch, seen)
            self._means.at("submitted")

    async def _body(self, items: list[Waiting]) -> AsyncGenerator[bytes]:
        """The batch, its requests as they were offered, byte for byte."""
        yield batchflush.HEAD
        for start in range(0, len(items), TEXTS):
            part = items[start : start + TEXTS]
            yield (b"," if start else b"") + await self._means.read(partial(self._spliced, items=part))
        yield batchflush.TAIL

    def _spliced(self, db: Database, items: list[Waiting]) -> bytes:
        return b",".join(
            batchflush.BEFORE_ID
            + item.attempt_id.encode()
            + batchflush.BEFORE_PARAMS
            + request_of(db, self._means, item.id)
            + batchflush.AFTER
            for item in items
        )

    async def _refused(self, batch: Batch, error: RefusedError) -> None:
        """What the API will not have it has not, but for errors of its own, after which it may."""
        if error.status >= _SERVER:
            await self._unknown(batch, str(error))
        elif error.status == _TOO_MANY:
            await self._put_back(batch, str(error), error.retry_after or PAUSE_SECONDS)
        elif error.status in _KEYS:
            _log.warning("no batch is taken from the agent: %s", error)
            await self._put_back(batch, str(error), LONG_PAUSE_SECONDS)
        elif error.status == _TOO_LARGE and batch.items > 1:
            limits = self._limits(batch)
            limits.bytes = batch.bytes // 2 + len(batchflush.HEAD) + len(batchflush.TAIL)
            await self._put_back(batch, str(error), 0)
        else:
            await self._fail(batch, error)

    async def _unknown(self, batch: Batch, why: str) -> None:
        now_ns = self._means.clock_ns()
        await self._means.step(lambda db, _: note(db, batch.id, looked_ns=now_ns, why=why))
        self._means.at("unanswered")

    async def _put_back(self, batch: Batch, why: str, seconds: float) -> None:
        """The API has nothing of it: its calls wait again."""
        self._limits(batch).not_before_ns = self._means.clock_ns() + int(seconds * _SECOND)
        await self._means.step(lambda db, terms: put_back(db, batch.id, why, terms))
        self._means.at("put back")

    async def _fail(self, batch: Batch, error: RefusedError) -> None:
        """The batch as such is wrong, and so is every request in it."""
        await end_all(
            self._means, batch.id, lambda attempt: Result(attempt, "errored", error=error.body), self._clerk()
        )
        await self._means.step(lambda db, _: note(db, batch.id, state=BatchState.FAILED, why=str(error)))

    def _limits(self, of: Line | Batch) -> Limits:
        return self._sending.limits.setdefault(of.credential, Limits())


async def submitted(means: Means, batch: Batch, seen: Seen) -> None:
    """The API has a batch, under this name."""

    def job(db: Database, _: Terms) -> Step:
        batchbook.change(
            db,
            batch.id,
            api_id=seen.api_id,
            state=BatchState.IN_PROGRESS,
            submitted_ns=min(max(seen.created_ns, batch.made_ns), means.clock_ns()),
            looked_ns=means.clock_ns(),
            why="",
        )
        deferralbook.started(db, batch.id)
        return Step()

    await means.step(job)


async def end_all(means: Means, batch_id: str, of: Callable[[str], Result], clerk: Clerk) -> None:
    """Book the same result for every attempt of a batch of which nothing is known, some at a time."""

    def job(db: Database, terms: Terms) -> Step:
        step = Step()
        for attempt_id in batchbook.open_tries(db, batch_id, RESULTS):
            step += clerk.result(db, of(attempt_id), terms)
        return step

    while await means.read(lambda db: batchbook.open_tries(db, batch_id, 1)):
        await means.step(job)


def put_back(db: Database, batch_id: str, why: str, terms: Terms) -> Step:
    """A batch that never left: its calls wait again under the same attempts; what nobody waits for is released."""
    step = let_strays_go(db, batch_id, terms)
    deferralbook.put_back(db, batch_id, terms.now_ns)
    batchbook.change(db, batch_id, state=BatchState.FAILED, why=why)
    return step


def let_strays_go(db: Database, batch_id: str, terms: Terms) -> Step:
    """Release the attempts of a batch that the API never had whose calls were answered otherwise, or withdrawn."""
    step = Step()
    for attempt_id in batchbook.strays(db, batch_id):
        step += Step(deferring.release(db, attempt_id, "withdrawn", "its batch never left", terms))
    return step


def _formed(db: Database, batch: Batch) -> Step:
    """Nothing more is put in: from here on it may have left. One that nothing was left for is forgotten."""
    if batch.items:
        batchbook.change(db, batch.id, state=BatchState.SUBMITTING, items=batch.items, bytes=batch.bytes)
    else:
        batchbook.forget(db, batch.id)
    return Step()


def request_of(db: Database, means: Means, deferral_id: str) -> bytes:
    """The request of a call, as it was offered."""
    kept = deferralbook.text_of(db, deferral_id, "request")
    if kept is None:
        raise LookupError(f"the request of {deferral_id} is gone")
    return means.vault.open(kept).encode()


def _queue(line: Line) -> Queue:
    return Queue(line.count, line.bytes + line.count * batchflush.FRAMING, line.flush_ns, line.due_ns)


def note(db: Database, batch_id: str, **values: Any) -> Step:
    """Change what is known of a batch: a step that moves no money."""
    batchbook.change(db, batch_id, **values)
    return Step()


def _begun(db: Database, batch: Batch) -> Step:
    batchbook.add(db, batch)
    return Step()
