"""`cache = "auto"` from end to end: prompts told by hashes, advice from them, requests with marks, a smaller bill."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from bursar.agent.advice.asking import AdviceCommand
from bursar.agent.advice.caching.adviser import KeptAdviser
from bursar.agent.advice.caching.automatic import Automatic
from bursar.agent.advice.caching.trial import ENOUGH_NS
from bursar.agent.advice.keeping import AFTER_START_NS, Keeping
from bursar.agent.app import Running, serving_agent
from bursar.agent.ledger import markingbook, printbook
from bursar.agent.ledger.markingbook import Pulled, State
from bursar.agent.sandbox import create_app, serving
from bursar.agent.settings import Settings, Tcp
from bursar.instrumentation import flush, instrument, route, uninstrument
from bursar.instrumentation.runtime import current_runtime
from bursar.policies.cachemarks import from_text

POLICY = """
version = 1
mode = "enforce"
[[route]]
name = "handbook"
cache = "auto"
"""
HANDBOOK = "Thank the customer, and look the account up before anything is promised. " * 200
CALLS = 40
OUTPUT_NANO = 20_000
"""A token of answer by Opus 5.5, at 20 USD per MTok."""


class House:
    """An agent, an application in this process, and a sandbox that bills."""

    def __init__(self, running: Running, settings: Settings, app: Any, url: str) -> None:
        self.running, self.app = running, app
        self.client = anthropic.Anthropic(base_url=url, api_key="sk-ant-sandbox")
        self.now_ns = time.time_ns() - AFTER_START_NS
        self.asked = 0
        clock_ns = lambda: self.now_ns  # noqa: E731 - the same for both
        self.keeping = Keeping(running.ledger, AdviceCommand(settings), clock_ns=clock_ns)
        self.automatic = Automatic(running.ledger, running.rules, KeptAdviser(running.ledger), clock_ns=clock_ns)

    def ask(self, calls: int) -> int:
        """The same system prompt, another question each time; what the prompts cost by the bill."""
        before = self.app.state.bill.totals()["nano_usd"]
        with route("handbook"):
            for _ in range(calls):
                self.asked += 1
                question = f"What about question {self.asked}?"
                self.client.messages.create(
                    model="claude-opus-5-5",
                    max_tokens=1,
                    system=HANDBOOK,
                    messages=[{"role": "user", "content": question}],
                )
        assert flush(20)
        spent: int = self.app.state.bill.totals()["nano_usd"] - before
        return spent - calls * OUTPUT_NANO

    def look(self) -> None:
        """As the agent does by the clock: work the advice out, and act on it."""
        self.now_ns += AFTER_START_NS
        self.keeping.look()
        self.automatic.look()

    def heard(self) -> None:
        """Wait until the application knows the marks."""
        runtime = current_runtime()
        assert runtime is not None
        runtime.guard.greet()
        assert runtime.rules.markings

    def fingerprints(self) -> int:
        with self.running.ledger.reading() as db:
            return printbook.count(db, 0, 2**62)

    def sent(self, told: str) -> int:
        with self.running.ledger.reading() as db:
            return sum(one.calls for one in markingbook.paid(db, told, 0))

    def pulled(self) -> Pulled:
        with self.running.ledger.reading() as db:
            (found,) = markingbook.all_pulled(db)
        return found

    def saved(self, each: float, spent: int, marked: int) -> float:
        """The share of what the marked prompts would have cost that the bill does not have."""
        return (2 * CALLS * each - spent) / (marked * each)


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    policy = tmp_path / "bursar.toml"
    policy.write_text(POLICY)
    settings = Settings(tmp_path, tmp_path / "bursar.sqlite", listen=(Tcp(port=0),), policy=policy)
    app = create_app()
    with serving(app) as url, serving_agent(settings) as running:
        instrument(environ={"BURSAR_STATE_DIR": str(tmp_path), "BURSAR_AGENT": running.url})
        try:
            yield House(running, settings, app, url)
        finally:
            uninstrument()


def test_marks_come_of_the_routes_own_traffic_and_the_bill_falls(house: House) -> None:
    """
    As predicted, but for those held out; and after an hour they are known to pay.

    About 3,661 tokens are in each prompt, of which 3,600 are read at a twentieth: about 92% of it is saved.
    """
    plain = house.ask(CALLS)
    assert house.fingerprints() == CALLS
    house.look()
    (marking,) = from_text(house.running.rules.current.snapshot.markings or "[]")
    assert [(mark.place, mark.ttl) for mark in marking.marks] == [("system", "5m")]
    house.heard()

    marked = house.ask(2 * CALLS)
    with_marks, held_out = house.sent(marking.id), house.sent(f"-{marking.id}")
    assert (with_marks + held_out, with_marks >= CALLS) == (2 * CALLS, True)
    assert house.saved(plain / CALLS, marked, with_marks) == pytest.approx(house.pulled().predicted, rel=0.02)

    house.now_ns += ENOUGH_NS
    house.automatic.look()
    pulled = house.pulled()
    assert pulled.state is State.KEPT
    assert pulled.realised == pytest.approx(pulled.predicted, rel=0.02)
