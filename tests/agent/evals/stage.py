"""A stage for runs of evals: the sandbox for an API, one clock, and accounts that only remember."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

import httpx
from tests.agent.batching.house import SECOND, Clock, Wire

from bursar.agent.batching.api import Api
from bursar.agent.credentials import Credential
from bursar.agent.evals.asks import Terms
from bursar.agent.evals.purse import Purse
from bursar.agent.evals.run import Known, Order, Ran, Run, pairs_of
from bursar.agent.evals.sending import Answer, Sender
from bursar.agent.sandbox.app import create_app
from bursar.policies.pricefile import shipped_book
from bursar.policies.records import Record

T = TypeVar("T")

OPUS, HAIKU, SONNET = "claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-5-5"
USD = 10**9
TERMS = Terms.shipped(shipped_book(), date(2026, 11, 21), lossy=False, batch=True)
SCHEMA = {
    "type": "object",
    "properties": {"queue": {"type": "string"}, "total": {"type": "number"}},
    "required": ["queue", "total"],
    "additionalProperties": False,
}
FORMAT = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
STRUCTURED = '{"queue":"sandbox","total":0}'
"""What the sandbox answers such a request, on whatever model; in words each model has its own."""


def sample(number: int, answer: str = STRUCTURED, *, plain: bool = False, **changes: Any) -> Known:
    """One that any model answers alike; `plain`: one that no two models do."""
    body = {
        "model": OPUS,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": f"ticket {number}"}],
        **({} if plain else FORMAT),
        **changes,
    }
    return Known(f"a-{number}", OPUS, "", json.dumps(body), answer)


class Notes:
    """Books that only remember."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def book(self, found: Iterable[Record]) -> None:
        self.records.extend(found)

    @property
    def kinds(self) -> Counter[str]:
        return Counter(type(record).__name__ for record in self.records)


class Stage:
    """The sandbox, and a run that is carried out on it."""

    def __init__(self) -> None:
        self.clock = Clock()
        numbers = itertools.count()
        self.sandbox = create_app(clock=self.clock.seconds, sleep=self._no_time, new_id=lambda: f"{next(numbers):024x}")
        self.wire = Wire(self.sandbox)
        self.notes = Notes()
        self.told: list[Answer] = []
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.now_ns += int(seconds * SECOND)
        await asyncio.sleep(0)

    async def _no_time(self, _: float) -> None:
        await asyncio.sleep(0)

    def with_api(self, work: Callable[[Api], Coroutine[Any, Any, T]]) -> T:
        async def done() -> T:
            async with httpx.AsyncClient(transport=self.wire) as client:
                return await work(Api(client, Credential("", "http://sandbox", {"x-api-key": "sk-ant-test-012345"})))

        return asyncio.run(done())

    def ran(
        self,
        samples: Iterable[Known],
        *,
        budget: int = USD,
        reference: str | None = None,
        batch: bool = True,
        candidate: str = HAIKU,
    ) -> Ran:
        """A run of these samples to its end."""
        order = Order("triage", candidate, reference, budget)
        names = itertools.count()
        terms = replace(TERMS, batch=batch)
        pairs, unasked = pairs_of(samples, order, terms, lambda: f"eval-{next(names)}")
        ran = Ran(pairs, unasked, Purse(budget))
        run = Run(order, ran, terms, self.notes, self.clock.ns, self.told.append)
        return self.with_api(lambda api: run.carry_out(Sender(api, run.told, sleep=self.sleep)))

    @property
    def bill(self) -> int:
        """What the API asks for, in nano-dollars."""
        total: int = self.sandbox.state.bill.totals()["nano_usd"]
        return total
