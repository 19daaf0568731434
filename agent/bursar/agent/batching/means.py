"""What do all parts of this room work with?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlite_utils import Database

from bursar.agent.batching.tidings import Tidings
from bursar.agent.batching.vault import Vault
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import deferring
from bursar.agent.ledger.deferring import Step, Terms
from bursar.agent.rules import Rules

T = TypeVar("T")


def _pass(_step: str) -> None:
    """Nothing happens between two steps."""


@dataclass(frozen=True, slots=True)
class Means:
    """Ledger, rules, clock and vault; and `at`, which is told of every step that was just taken."""

    bookkeeper: Bookkeeper
    clock_ns: Callable[[], int]
    vault: Vault
    new_id: Callable[[], str]
    tidings: Tidings = field(default_factory=Tidings)
    at: Callable[[str], None] = _pass
    """For tests that kill the agent between any two steps."""

    async def step(self, take: Callable[[Database, Terms], Step]) -> Step:
        """Take a step in one transaction, free what nothing holds any more, and tell those who wait for its end."""

        def job(db: Database, rules: Rules, now_ns: int) -> Step:
            step = take(db, Terms(rules.policy, now_ns))
            deferring.free(db, step.balances)
            return step

        step = await asyncio.wrap_future(self.bookkeeper.watched(job))
        self.tidings.over(step.over)
        return step

    async def read(self, look: Callable[[Database], T]) -> T:
        """Look at the accounts as last committed, in a thread of its own."""

        def looked() -> T:
            with self.bookkeeper.ledger.reading() as db:
                return look(db)

        return await asyncio.to_thread(looked)

    def with_steps(self, at: Callable[[str], None]) -> Means:
        """The same, telling somebody of each step."""
        return replace(self, at=at)
