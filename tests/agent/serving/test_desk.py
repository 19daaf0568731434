"""Claims about orders to a running agent: kept before they hold, told, and refused with a remedy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.agent.ledger import fresh

from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger, outbox, overridebook
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.serving import desk
from bursar.agent.serving.server import ServerState, create_app
from bursar.agent.settings import Settings
from bursar.policies.policy import Mode
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot

NOON = 1_795_262_400 * 10**9
HOUR = 3_600 * 10**9
POLICY = """\
version = 1
mode = "enforce"
[[channel]]
name = "team"
kind = "webhook"
url_env = "TEAM"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
[budget.at]
"50%" = "alert team"
"100%" = "block"
[[budget]]
name = "calls"
limit = "100 calls"
every = "day"
"""
PAUSE = {"kind": "pause", "budget": "day", "seconds": 3_600, "reason": "launch", "by": "ada"}
RAISE = {"kind": "raise", "budget": "day", "amount": 5 * 10**9, "unit": "usd", "seconds": 3_600}


class House:
    """An agent's desk over a real ledger, with a clock that stands still until it is moved."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = NOON
        self.ledger = Ledger(fresh.file(folder / "db"), clock_ns=lambda: self.now_ns)
        rules = Rules(parse_policy(POLICY, file="f"), shipped_book(), Snapshot("s", POLICY))
        self.rules = RulesInForce(Settings(folder, folder / "db"), lambda _: rules, clock_ns=lambda: self.now_ns)
        self.bookkeeper = Bookkeeper(self.ledger, self.rules, clock_ns=lambda: self.now_ns, on_alert=lambda: None)

    def post(self, path: str, order: Any) -> httpx.Response:
        app = create_app(ServerState(self.bookkeeper), desk.routes(self.bookkeeper, lambda: self.now_ns))

        async def sent() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
                return await client.post(path, json=order)

        return asyncio.run(sent())

    def mode(self) -> Mode | None:
        policy = self.rules.current.policy
        return None if policy is None else policy.budgets[0].mode


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.ledger.close()


def test_a_pause_holds_at_once_and_ends_by_itself(house: House) -> None:
    """The budget observes as soon as the order is answered; after its hour the next look at the rules ends it."""
    assert house.post(desk.OVERRIDES, PAUSE).status_code == 201
    assert house.mode() is Mode.OBSERVE
    house.now_ns += HOUR
    house.rules.reload()
    assert house.mode() is None


def test_the_rules_have_another_id_while_it_holds(house: House) -> None:
    """So that every process is told of it; afterwards they are the ones from before."""
    before = house.rules.current.snapshot.id
    house.post(desk.OVERRIDES, PAUSE)
    assert house.rules.current.snapshot.id != before
    house.post(desk.END, {"budget": "day", "by": "bob"})
    assert house.rules.current.snapshot.id == before


def test_a_raise_adds_to_the_limit(house: House) -> None:
    """10 USD and 5 more."""
    house.post(desk.OVERRIDES, RAISE)
    policy = house.rules.current.policy
    assert policy is not None
    assert policy.budgets[0].limit_of("") == 15 * 10**9


def test_an_agent_that_starts_again_takes_them_up(house: House, tmp_path: Path) -> None:
    """What is on the disk holds until its end, not until the process's."""
    house.post(desk.OVERRIDES, PAUSE)
    house.ledger.close()
    again = House(tmp_path)
    assert again.mode() is None
    again.bookkeeper.take_up_overrides()
    assert again.mode() is Mode.OBSERVE
    again.ledger.close()


def test_it_is_announced_to_whom_the_budget_alerts(house: House) -> None:
    """Once for the order and once for its end, with reason and name; a budget that alerts nobody tells the log."""
    house.post(desk.OVERRIDES, PAUSE)
    house.post(desk.END, {"budget": "day", "by": "bob"})
    house.post(desk.OVERRIDES, {**PAUSE, "budget": "calls"})
    with house.ledger.reading() as db:
        told = {(alert.step, alert.channel, alert.payload["by"]) for alert in outbox.recent(db, 0)}
    assert told == {
        ('budget "day" is paused: it observes, and changes nothing', "team", "ada"),
        ('no longer: budget "day" is paused: it observes, and changes nothing', "team", "bob"),
        ('budget "calls" is paused: it observes, and changes nothing', "log", "ada"),
    }


def test_it_is_on_record(house: House) -> None:
    """Who, why, and when it was taken back."""
    house.post(desk.OVERRIDES, PAUSE)
    house.now_ns += 60
    house.post(desk.END, {"budget": "day", "by": "bob"})
    with house.ledger.reading() as db:
        entry = overridebook.history(db)[0]
    assert (entry.override.by, entry.override.reason, entry.ended_by) == ("ada", "launch", "bob")
    assert (entry.override.since_ns, entry.override.until_ns, entry.ended_ns) == (NOON, NOON + HOUR, NOON + 60)


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({**PAUSE, "budget": "other"}, 'there is no budget "other": the policy has day, calls'),
        ({**PAUSE, "seconds": 0}, "write --for 1h"),
        ({**PAUSE, "seconds": 367 * 86_400}, "at most 366 days"),
        ({**PAUSE, "kind": "halt"}, 'the kind of an override is "pause" or "raise"'),
        ({**PAUSE, "seconds": "1h"}, "seconds must be a whole number"),
        ({**PAUSE, "budget": 7}, "budget must be a text"),
        ({**RAISE, "amount": 0}, 'a raise adds something: write an amount, as in "20 USD"'),
        ({**RAISE, "budget": "calls"}, 'the limit of "calls" is in calls: raise it by an amount of that'),
        ({**RAISE, "budget": "*"}, "one budget is raised at a time: name it"),
        ({**RAISE, "amount": 2**62}, "would be more than the ledger can hold: raise it by less"),
        ([], "the body is no JSON object: send one"),
    ],
)
def test_an_order_that_would_do_nothing_is_refused(house: House, order: Any, told: str) -> None:
    """With 400 and what to write instead, and nothing of it is kept."""
    answer = house.post(desk.OVERRIDES, order)
    assert (answer.status_code, told in answer.text) == (400, True)
    with house.ledger.reading() as db:
        assert overridebook.history(db) == []


def test_nothing_to_take_back(house: House) -> None:
    """An empty list: the command says so."""
    assert house.post(desk.END, {"budget": "day", "by": ""}).json() == []
