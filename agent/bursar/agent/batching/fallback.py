"""What happens to a call that no batch will answer in time?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from sqlite_utils import Database

from bursar.agent.batching.api import Answered, Api, NoAnswerError, NotSentError, RefusedError
from bursar.agent.batching.means import Means
from bursar.agent.batching.results import Clerk
from bursar.agent.batching.submission import request_of
from bursar.agent.ledger import deferralbook, deferring
from bursar.agent.ledger.deferralbook import Deferral
from bursar.agent.ledger.deferring import Step, Terms
from bursar.policies.deferral import State

AT_ONCE = 8
"""Calls that are asked at the ordinary price at the same time."""
CHUNK = 50
TRIES = 3
_PASSING = (408, 409, 429)
_SERVER = 500
_NO_KEY = "the agent has no longer the credential that it was put off with"
_NO_KEY_ERROR = {"type": "error", "error": {"type": "authentication_error", "message": _NO_KEY}}
_DIED = "the agent ended while it was being sent at the ordinary price"


class Fallback:
    """Sends what is due at the ordinary price, if its balances lend that; else it fails with the reason."""

    def __init__(
        self,
        means: Means,
        api: Callable[[str], Api | None],
        clerk: Callable[[], Clerk],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._means = means
        self._api = api
        self._clerk = clerk
        self._sleep = sleep
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Let go of batches that come too late, and begin to send what is to be sent instead."""
        now_ns = self._means.clock_ns()
        due = await self._means.read(lambda db: deferralbook.due_to_fall_back(db, now_ns, CHUNK))
        for deferral in due:
            await self._means.step(partial(self._fall_back, deferral.id))
            self._means.at("fell back")
        for deferral in await self._means.read(deferralbook.fallen):
            if deferral.id in self._sending:
                continue
            if deferral.fallback_sent:
                await self._means.step(partial(self._unknown, deferral.id, _DIED))
            else:
                self._sending[deferral.id] = asyncio.create_task(self._send(deferral))

    async def idle(self) -> None:
        """Until nothing is being sent; what one of them raises is raised here."""
        while self._sending:
            await asyncio.gather(*list(self._sending.values()))

    async def stop(self) -> None:
        """Break off."""
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fall_back(self, deferral_id: str, db: Database, terms: Terms) -> Step:
        deferral = deferralbook.find(db, deferral_id)
        if deferral is None or deferral.state not in deferralbook.WAITING:
            return Step()
        if self._api(deferral.credential) is None:
            return deferring.give_up(db, deferral, State.ERRORED, _NO_KEY, terms)
        lent = deferring.fall_back(db, deferral, terms)
        if lent.granted:
            return Step(lent.balances)
        return self._clerk().refused(db, deferral, lent, deferral.sync_most, terms)

    async def _send(self, deferral: Deferral) -> None:
        try:
            async with self._room:
                await self._ask(deferral)
        finally:
            self._sending.pop(deferral.id, None)

    async def _ask(self, deferral: Deferral) -> None:
        api = self._api(deferral.credential)
        if api is None:
            await self._means.step(partial(self._failed, deferral.id, _NO_KEY_ERROR, 0))
            return
        begun: list[bool] = []
        await self._means.step(lambda db, _: _begin(db, deferral.id, begun))
        if not begun:
            return  # answered by its batch, or withdrawn
        self._means.at("falling back")
        body = await self._means.read(lambda db: request_of(db, self._means, deferral.id))
        await self._means.step(await self._asked(api, deferral, body))
        self._means.at("fallen back")

    async def _asked(self, api: Api, deferral: Deferral, body: bytes) -> Callable[[Database, Terms], Step]:
        """Ask, a few times where that may help; how what came of it is booked."""
        left = TRIES
        while True:
            left -= 1
            try:
                answer = await api.message(body, deferral.betas)
            except RefusedError as error:
                if not left or not (error.status in _PASSING or error.status >= _SERVER):
                    return partial(self._failed, deferral.id, error.body, error.status)
                await self._sleep(min(error.retry_after or 1.0, 10.0))
            except NotSentError as error:
                if not left:
                    said = {"type": "error", "error": {"type": "api_error", "message": str(error)}}
                    return partial(self._failed, deferral.id, said, 0)
                await self._sleep(1.0)
            except NoAnswerError as error:
                return partial(self._unknown, deferral.id, str(error))
            else:
                self._means.at("answered")
                return partial(self._answered, deferral.id, answer)

    def _answered(self, deferral_id: str, answer: Answered, db: Database, terms: Terms) -> Step:
        deferral = deferralbook.find(db, deferral_id)
        if deferral is None or deferral.fallback is None:
            return Step()
        attempt_id, message, request_id = deferral.fallback, answer.message, answer.request_id
        return self._clerk().answered(db, deferral, attempt_id, message, terms, batch=False, request_id=request_id)

    def _failed(self, deferral_id: str, error: Mapping[str, Any], status: int, db: Database, terms: Terms) -> Step:
        deferral = deferralbook.find(db, deferral_id)
        if deferral is None or deferral.fallback is None:
            return Step()
        step = Step(deferring.release(db, deferral.fallback, "errored", "", terms))
        return step + self._clerk().failed(db, deferral, deferral.fallback, error, status, terms)

    def _unknown(self, deferral_id: str, why: str, db: Database, terms: Terms) -> Step:
        deferral = deferralbook.find(db, deferral_id)
        if deferral is None or deferral.fallback is None:
            return Step()
        return self._clerk().unknown(db, deferral, deferral.fallback, why, terms)


def _begin(db: Database, deferral_id: str, begun: list[bool]) -> Step:
    """From here on it may have been sent, and is not sent again."""
    deferral = deferralbook.find(db, deferral_id)
    if deferral is not None and deferral.state is State.FALLEN_BACK and not deferral.fallback_sent:
        deferralbook.change(db, deferral_id, fallback_sent=True)
        begun.append(True)
    return Step()
