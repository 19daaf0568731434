"""
An hour in which nobody takes a message, while guards go on crossing steps and the agent restarts: then what arrives?

Everything but the clock and the network is real: ledger, bookkeeper, outbox, delivery, channels. The hour lies around
midnight, so that every budget crosses the same steps in two windows.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.agent.alerting.slackserver import Mood, Slack
from tests.agent.ledger import fresh
from tests.agent.ledger.flowing import spend

from bursar.agent.alerting import channels
from bursar.agent.alerting.channels import open_channel
from bursar.agent.alerting.delivery import Delivery
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger, outbox
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.settings import Settings
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Holder, Snapshot, SyncRequest
from bursar.policies.records import Settled, to_json
from bursar.policies.usage import Usage

SECOND = 10**9
MIDNIGHT = 1_795_219_200
"""2026-11-21 in UTC."""
BEGINS, HOUR = MIDNIGHT - 1800, 3600
RECOVERY = 900
"""Seconds after the hour within which all must have arrived: the longest delay is ten minutes."""
GUARDS, TENANTS = 4, 3
STEPS = ("50%", "80%", "100%")
WINDOWS = ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z")
POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "all"
limit = "0.000001 USD"
every = "day"
[budget.at]
"50%" = ["alert team", "alert pager"]
"80%" = ["alert team", "alert pager"]
"100%" = ["alert team", "alert pager"]
[[budget]]
name = "each"
match = { tenant = "*" }
per = ["tenant"]
limit = "0.0000001 USD"
every = "day"
[budget.at]
"50%" = ["alert team", "alert pager"]
"80%" = ["alert team", "alert pager"]
"100%" = ["alert team", "alert pager"]
[[channel]]
name = "team"
kind = "slack"
url_env = "TEAM"
[[channel]]
name = "pager"
kind = "webhook"
url_env = "PAGER"
"""

Told = tuple[str, str, str]
"""Balance, step and channel."""


def expected() -> set[Told]:
    """One message for each balance (and so window), step and channel."""
    scopes = [("all", ""), *(("each", f"tenant=t{number}") for number in range(TENANTS))]
    keys = [f"{budget}|{window}|{scope}" for budget, scope in scopes for window in WINDOWS]
    return {(key, step, channel) for key in keys for step in STEPS for channel in ("team", "pager")}


@dataclass
class Figures:
    """What came of it."""

    crossings: int = 0
    restarts: int = 0
    taken: Counter[Told] = field(default_factory=Counter[Told])
    """How often each message was taken."""
    taken_during: int = 0
    """Messages taken within the hour: there should be none."""
    answers: Counter[str] = field(default_factory=Counter[str])
    tries: int = 0
    """Of the audit."""
    accepted: int = 0
    broken_off: int = 0
    pending: int = 0
    recovered_after: int = 0
    """Seconds from recovery until the last message arrived."""
    seconds: float = 0.0
    """How long it took, by a real clock."""


class Outage:
    """One such hour in a folder; `step` is how far its clock moves between two looks, in seconds."""

    def __init__(self, folder: Path, *, crossings: int, restarts: Sequence[int] = (HOUR // 2,), step: int = 5) -> None:
        self._folder = folder
        self._restarts = list(restarts)
        self._step = step
        self._now = BEGINS
        self._chance = random.Random(7)
        self._slack = Slack(self._mood)
        self._pager: list[Told] = []
        self._figures = Figures()
        self._on_its_way = asyncio.Event()
        self._costs = iter(_charges(crossings))
        self._each_look = -(-crossings * step // HOUR)

    def run(self) -> Figures:
        """All of it."""
        began, patience = time.monotonic(), channels.TIMEOUT_SECONDS
        channels.TIMEOUT_SECONDS = 0.005
        try:
            asyncio.run(self._hour())
        finally:
            channels.TIMEOUT_SECONDS = patience
        self._figures.answers = self._slack.answers
        self._figures.seconds = time.monotonic() - began
        return self._figures

    def _mood(self) -> Mood:
        if self._now >= BEGINS + HOUR:
            return "well"
        moods: list[Mood] = ["500", "429", "hangs"]
        return self._chance.choice(moods)

    async def _hour(self) -> None:
        transport = httpx.MockTransport(self._answer)
        async with httpx.AsyncClient(transport=transport) as client:
            with ThreadPoolExecutor(GUARDS) as guards:
                house = _House(self._folder, lambda: self._now * SECOND, client)
                while self._now < BEGINS + HOUR + RECOVERY:
                    house = await self._look(house, guards, client)
                    self._now += self._step
        self._audit(house)
        await house.close()

    async def _look(self, house: _House, guards: ThreadPoolExecutor, client: httpx.AsyncClient) -> _House:
        if self._restarts and self._now >= BEGINS + self._restarts[0]:
            self._restarts.pop(0)
            self._figures.restarts += 1
            await self._break_off(house)
            house = _House(self._folder, lambda: self._now * SECOND, client)
        await self._cross(house, guards)
        before = len(self._slack.taken) + len(self._pager)
        await house.delivery.tell_due()
        taken = len(self._slack.taken) + len(self._pager) - before
        if taken:
            self._figures.recovered_after = self._now - BEGINS - HOUR
        self._figures.taken_during += taken if self._now < BEGINS + HOUR else 0
        return house

    async def _break_off(self, house: _House) -> None:
        """End the agent while a message is on its way, if one is due at all."""
        self._on_its_way.clear()
        house.delivery.nudge()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._on_its_way.wait(), 1)
        await house.close()

    async def _cross(self, house: _House, guards: ThreadPoolExecutor) -> None:
        """Every guard books its part of what is spent until the next look, all at once, and every charge twice."""
        charges = [charge for _, charge in zip(range(self._each_look), self._costs, strict=False)]
        parts = [charges[number::GUARDS] for number in range(GUARDS)]
        loop = asyncio.get_running_loop()
        asked = [
            loop.run_in_executor(guards, house.book, f"g{number}", part, self._now) for number, part in enumerate(parts)
        ]
        for futures in await asyncio.gather(*asked):
            await asyncio.gather(*map(asyncio.wrap_future, futures))
        self._figures.crossings += len(charges)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self._on_its_way.set()
        if request.url.host == "pager":
            response = await Slack(self._mood, answers=self._slack.answers)(request)
            if response.is_success:
                body = json.loads(request.content)
                self._pager.append((body["balance"], body["step"], "pager"))
            return response
        return await self._slack(request)

    def _audit(self, house: _House) -> None:
        figures = self._figures
        figures.taken = Counter([*self._pager, *map(_told, self._slack.taken)])
        with house.ledger.reading() as db:
            tries = outbox.tries(db, 0)
            figures.pending = sum(alert.sent_ns is None for alert in outbox.recent(db, 0))
        figures.tries = len(tries)
        figures.accepted = sum(one.outcome == "accepted" for one in tries)
        figures.broken_off = sum(one.outcome == "begun" for one in tries)


class _House:
    """One life of the agent's inner parts."""

    def __init__(self, folder: Path, clock_ns: Callable[[], int], client: httpx.AsyncClient) -> None:
        rules = Rules(
            parse_policy(POLICY, file="bursar.toml"),
            shipped_book(),
            Snapshot("id"),
            {"team": "http://slack", "pager": "http://pager"},
        )
        in_force = RulesInForce(Settings(state_dir=folder, db=folder / "db"), read=lambda _: rules)
        self.ledger = Ledger(fresh.file(folder / "db"), clock_ns=clock_ns)
        self.ledger.submit(lambda db: spend(db, "none", "", {})).result()
        self._bookkeeper = Bookkeeper(self.ledger, in_force, clock_ns=clock_ns, on_alert=lambda: None)
        self.delivery = Delivery(
            self.ledger, lambda name: open_channel(name, rules, client), clock_ns=clock_ns, rules=lambda: rules
        )

    def book(self, guard: str, charges: Sequence[tuple[str, str, int]], at: int) -> list[Future[Any]]:
        """Tell of charges sent at an instant as a guard would, one message for each."""
        messages = (_message(guard, *charge, at=at) for charge in charges)
        return [self._bookkeeper.sync(message) for message in messages]

    async def close(self) -> None:
        """What a stop does."""
        await self.delivery.aclose()
        await asyncio.to_thread(self.ledger.close)


def _charges(count: int) -> Iterator[tuple[str, str, int]]:
    """Attempt, tenant and cost: so that every balance passes all of its steps in each window, over and over."""
    each = max(1, 40_000 // count)
    return ((f"a{number}", f"t{number % TENANTS}", each) for number in range(count))


def _message(guard: str, attempt: str, tenant: str, cost: int, *, at: int) -> SyncRequest:
    charge = Charge(
        attempt,
        cost,
        Usage(),
        Basis.USAGE,
        "m",
        "m",
        "desk",
        attempt,
        labels={"tenant": tenant},
        at_ns=at * SECOND,
    )
    return SyncRequest(Holder(guard, 1, "host", 0), 0, records=(to_json(Settled(charge)),) * 2)


def _told(body: Any) -> Told:
    """Which alert a message in Slack is about: its header has the step, its last line the balance."""
    header, footer = body["blocks"][0]["text"]["text"], body["blocks"][-1]["elements"][0]["text"]
    step, balance = re.search(r" has reached (\S+)$", header), re.search(r"explain '(.*)'$", footer)
    return (balance[1] if balance else "", step[1] if step else "", "team")
