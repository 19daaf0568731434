"""An agent's room for what is put off, in this process: a real ledger, the sandbox for an API, and one clock."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
from starlette.applications import Starlette
from tests.agent.ledger import fresh

from bursar.agent.batching.means import Means
from bursar.agent.batching.office import Office, prepare
from bursar.agent.batching.vault import Vault
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.sandbox.app import create_app
from bursar.agent.settings import Settings
from bursar.policies.deferral import Offer, Outcome, Taken, WaitRequest
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot

T = TypeVar("T")

SECOND = 10**9
USD = 10**9
NOON = 1_795_262_400 * SECOND
KEY = "sk-ant-test-0123456789"
DAY = "day|2026-11-21T00:00:00Z|"
POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
[budget.at]
"50%" = "batch"
"100%" = "block"
[[route]]
name = "digest"
may_wait = "2h"
"""
MOST = 1_000_000
"""What an offer of these tests holds: a thousandth of a dollar."""


class Died(BaseException):
    """The agent is killed at this very step."""


@dataclass
class Clock:
    """One clock for the agent and the API."""

    now_ns: int = NOON

    def ns(self) -> int:
        return self.now_ns

    def seconds(self) -> float:
        return self.now_ns / SECOND


class Wire(httpx.AsyncBaseTransport):
    """The way to the sandbox. `stage` may answer in its place, or add headers to what it is sent."""

    def __init__(self, app: Starlette) -> None:
        self._sandbox = httpx.ASGITransport(app)
        self.headers: Callable[[httpx.Request, bytes], Mapping[str, str]] = lambda _request, _body: {}
        self.before: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None
        self.after: Callable[[httpx.Request], None] = lambda _request: None
        self.requests: list[tuple[str, str, bytes]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        self.requests.append((request.method, request.url.path, body))
        instead = self.before(request)
        if instead is not None:
            return instead
        headers = {**request.headers, **self.headers(request, body)}
        sent = httpx.Request(request.method, request.url, headers=headers, content=body)
        response = await self._sandbox.handle_async_request(sent)
        self.after(request)
        return response

    def posts(self, path: str) -> list[bytes]:
        """The bodies of all that was posted there."""
        return [body for method, at, body in self.requests if method == "POST" and at == path]


@dataclass
class House:
    """Everything, and a way to kill it at any step and start it again on the same ledger."""

    folder: Path
    policy: str | None = POLICY
    vault: Vault = field(default_factory=Vault)
    clock: Clock = field(default_factory=Clock)
    die: Callable[[str], bool] = lambda _step: False
    steps: list[str] = field(default_factory=list[str])
    copied: bool = True
    """Whether its ledger begins as a copy of an empty one, or is made by itself."""

    def __post_init__(self) -> None:
        numbers = itertools.count()
        self.sandbox = create_app(clock=self.clock.seconds, sleep=_no_time, new_id=lambda: f"01{next(numbers):022x}")
        self.wire = Wire(self.sandbox)
        self.names = itertools.count()
        self.open()

    def open(self) -> None:
        path = self.folder / "db"
        self.ledger = Ledger(fresh.file(path) if self.copied else path, clock_ns=self.clock.ns)
        settings = Settings(
            self.folder,
            self.folder / "db",
            secrets={"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://sandbox"},
        )
        policy = None if self.policy is None else parse_policy(self.policy, file="f")
        rules = Rules(policy, shipped_book(), Snapshot("s", self.policy))
        self.rules = RulesInForce(settings, lambda _: rules, clock_ns=self.clock.ns)
        prepare(self.ledger, self.rules, self.vault, self.clock.ns())
        self.bookkeeper = Bookkeeper(self.ledger, self.rules, clock_ns=self.clock.ns, on_alert=lambda: None)

    def close(self) -> None:
        self.ledger.close()

    def restart(self) -> None:
        """The agent is gone, and another one starts."""
        self.close()
        self.open()

    def run(self, work: Callable[[Office], Coroutine[Any, Any, T]]) -> T:
        """Have something done by an office, which lives as long as that."""

        async def done() -> T:
            async with httpx.AsyncClient(transport=self.wire) as client:
                office = Office(self.means(), client, sleep=_no_time)
                try:
                    return await work(office)
                finally:
                    await office.close()

        return asyncio.run(done())

    def means(self) -> Means:
        return Means(self.bookkeeper, self.clock.ns, self.vault, lambda: f"{next(self.names):04x}", at=self._at)

    def _at(self, step: str) -> None:
        self.steps.append(step)
        if self.die(step):
            raise Died(step)

    def offer(self, name: str = "a", **other: Any) -> Offer:
        """An offer that may wait for two hours."""
        return replace(made(self, name), **other)

    def bill(self) -> int:
        """What the API asks for, in nano-dollars."""
        total: int = self.sandbox.state.bill.totals()["nano_usd"]
        return total

    def spent(self, key: str = DAY) -> int:
        """What the ledger has booked."""
        with self.ledger.reading() as db:
            row = db.conn.execute("SELECT spent_nano FROM balances WHERE key = ?", [key]).fetchone()
        return 0 if row is None else int(row[0])

    def held(self) -> int:
        """What is lent to the agent for attempts in flight."""
        with self.ledger.reading() as db:
            query = "SELECT coalesce(sum(granted - returned - charged), 0) FROM leases WHERE holder = 'deferrals'"
            return int(db.conn.execute(query).fetchone()[0])

    def later(self, seconds: float) -> None:
        self.clock.now_ns += int(seconds * SECOND)


def made(house: House, name: str) -> Offer:
    now_ns = house.clock.ns()
    return Offer(
        id=f"d-{name}",
        call_id=f"call-{name}",
        attempt_id=f"try-{name}",
        at_ns=now_ns,
        due_ns=now_ns + 7_200 * SECOND,
        route="digest",
        model="claude-haiku-4-5",
        requested_model="claude-haiku-4-5",
        body=request(name),
        credential=house.rules.current.snapshot.credentials[0],
        balances=(DAY,),
        hard=(DAY,),
        most=MOST,
        expected=MOST // 2,
        sync_most=2 * MOST,
        sync_expected=MOST,
        reason="step",
    )


def request(name: str) -> str:
    """A request, written as no encoder of ours would write it."""
    return f'{{ "model":"claude-haiku-4-5",  "max_tokens":50,"messages":[{{"role":"user","content":"{name} é"}}]}}'


async def turn(office: Office) -> None:
    """Every chore once."""
    await office.send()
    await office.recovery.run()
    await office.collection.run()
    await office.fallback.run()
    await office.fallback.idle()


async def take(office: Office, *offers: Offer) -> list[Taken]:
    return [await office.desk.offer(offer) for offer in offers]


async def outcomes(office: Office, *ids: str) -> list[Outcome]:
    return list((await office.desk.wait(WaitRequest(ids, 0.0))).outcomes)


def staged(of: Callable[[str], str], batch_ms: int = 0) -> Callable[[httpx.Request, bytes], Mapping[str, str]]:
    """Headers that have the sandbox do to each custom id of a batch what `of` says."""

    def headers(http: httpx.Request, body: bytes) -> Mapping[str, str]:
        if http.method != "POST" or http.url.path != "/v1/messages/batches":
            return {}
        ids = [item["custom_id"] for item in json.loads(body)["requests"]]
        wanted = ", ".join(f"{one}={of(one)}" for one in ids if of(one) != "succeeded")
        return {"x-sandbox-batch-ms": str(batch_ms), **({"x-sandbox-batch-outcomes": wanted} if wanted else {})}

    return headers


async def _no_time(_seconds: float) -> None:
    """What waits does not."""


Work = Callable[[Office], Awaitable[Any]]
