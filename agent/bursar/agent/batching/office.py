"""How do the parts of this room come together?"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import httpx
from sqlite_utils import Database
from starlette.routing import BaseRoute

from bursar.agent.batching.api import Api
from bursar.agent.batching.collection import Collection
from bursar.agent.batching.desk import Desk
from bursar.agent.batching.fallback import Fallback
from bursar.agent.batching.means import Means
from bursar.agent.batching.recovery import Recovery
from bursar.agent.batching.results import Clerk
from bursar.agent.batching.routes import routes
from bursar.agent.batching.submission import Sending, Submission
from bursar.agent.batching.vault import Vault
from bursar.agent.ledger import Ledger, LedgerError, deferralbook, deferring, identity
from bursar.agent.ledger.deferring import Step, Terms
from bursar.agent.rules import RulesInForce
from bursar.agent.scheduler import Chore

_log = logging.getLogger(__name__)

ROUND_SECONDS = 1
PURGE_SECONDS = 60
GRACE_SECONDS = 3_600
"""So long an answer that was handed over can be fetched again."""
KEPT_DAYS = 29
"""So long the API keeps results, and so long anything of a call is kept here."""
PURGED_AT_ONCE = 500
_PURGE = "purge what was put off"
_SALT = "deferrals_salt"
_SECOND = 10**9


class Office:
    """Takes calls, and sees to it that each gets its answer. Lives in one event loop."""

    def __init__(
        self,
        means: Means,
        client: httpx.AsyncClient,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.means = means
        self._client = client
        self._closed = False
        self._under_way: set[asyncio.Task[None]] = set()
        sending = Sending()
        self.desk = Desk(means)
        self.submission = Submission(means, self._api, self._clerk, sending)
        self.recovery = Recovery(means, self._api, self._clerk, sending)
        self.collection = Collection(means, self._api, self._clerk)
        self.fallback = Fallback(means, self._api, self._clerk, sleep)

    def routes(self) -> list[BaseRoute]:
        """Where it is reached."""
        return routes(self.desk)

    def chores(self) -> list[Chore]:
        """What it does by the clock. None waits for another: a slow upload keeps no call from falling back."""
        rounds = {
            "send batches": self.send,
            "find batches again": self.recovery.run,
            "collect batches": self.collection.run,
            "watch deadlines": self.fallback.run,
        }
        chores = [Chore(name, ROUND_SECONDS, partial(self.carry_out, name, work)) for name, work in rounds.items()]
        return [*chores, Chore(_PURGE, PURGE_SECONDS, partial(self.carry_out, _PURGE, self.purge))]

    async def send(self) -> None:
        """Count what waits, and send what is due."""
        await self.desk.learn()
        await self.submission.run(self.desk.times)

    async def purge(self) -> None:
        """Forget what need not be kept, some at a time."""
        while await self._purge() == PURGED_AT_ONCE:
            pass

    def release(self) -> None:
        """Let those who wait go: held requests would keep the agent from its end."""
        self.means.tidings.close()

    async def close(self) -> None:
        """Break off what is under way: every step leaves what the next start goes on from."""
        self._closed = True
        for work in tuple(self._under_way):
            work.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self.fallback.stop()

    async def carry_out(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do a chore until it is done or the office closes; a ledger that cannot be written is left for the next."""
        if self._closed:
            return
        task = asyncio.create_task(work())
        self._under_way.add(task)
        try:
            await asyncio.wait([task])
        finally:
            self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, LedgerError):
            _log.warning("%s: left for later, %s", name, error)
        elif error is not None:
            raise error

    def _api(self, credential: str) -> Api | None:
        known = self.means.bookkeeper.rules.current.credentials
        return next((Api(self._client, one) for one in known if one.id == credential), None)

    def _clerk(self) -> Clerk:
        return Clerk(self.means.bookkeeper.rules.current.prices, self.means.vault)

    async def _purge(self) -> int:
        counts: list[int] = []

        def job(db: Database, terms: Terms) -> Step:
            counts.append(
                deferralbook.purge(
                    db,
                    delivered_before_ns=terms.now_ns - GRACE_SECONDS * _SECOND,
                    taken_before_ns=terms.now_ns - KEPT_DAYS * 86_400 * _SECOND,
                    limit=PURGED_AT_ONCE,
                )
            )
            return Step()

        await self.means.step(job)
        return counts[-1]


def prepare(ledger: Ledger, rules: RulesInForce, vault: Vault, now_ns: int) -> None:
    """
    Make a ledger ready for what is put off: its salt, the agent as a holder, and the proof of its key.

    Blocks on the ledger. Raises `VaultError` for another key than the ledger's, and `LedgerError`.
    """
    salt = ledger.submit(partial(_prepare, vault=vault, now_ns=now_ns)).result()
    rules.put_off(salt)


def _prepare(db: Database, *, vault: Vault, now_ns: int) -> str:
    vault.prove(db)
    deferring.open_own(db, now_ns)
    return identity.kept(db, _SALT, secrets.token_hex(16))
