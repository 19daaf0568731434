"""Reserves: what is set aside for outages, shared by the processes that live, and never more than its allowance."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import balances
from bursar.agent.ledger.lending import close_holder, sync
from bursar.agent.ledger.reserves import MET_NS
from bursar.agent.ledger.slices import WANTED_NS
from bursar.policies.amounts import Limit
from bursar.policies.balancekey import reserve_of
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction, Unreachable
from bursar.policies.protocol import RESERVES, Holder, Need, SyncRequest, SyncResponse

NOON = 1_795_262_400 * 10**9
DAY = "day|2026-11-21T00:00:00Z|"
ASIDE = reserve_of(DAY)
SECOND = 10**9
BLOCK = Step("100%", Fraction(1), None, (StepAction("block"),))


def rules(limit: int = 1_000, allowance: int = 100, **changes: Any) -> Policy:
    budget = Budget("day", Limit("usd", limit), "day", steps=(BLOCK,), **changes)
    return Policy(1, Mode.ENFORCE, on_unreachable=Unreachable("limited", allowance), budgets=(budget,))


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


class Process:
    """One that asks for 10 nano-dollars, and gives back what it is told to."""

    def __init__(self, db: Database, name: str, policy: Policy | None = None) -> None:
        self.db, self.name, self.policy, self.seq = db, name, policy or rules(), 0
        self.returned: dict[str, int] = {}

    def ask(self, most: int = 10, now_ns: int = NOON, *keys: str) -> SyncResponse:
        self.seq += 1
        return self.sync(now_ns, self.seq, needs=(Need(f"{self.name}-{self.seq}", keys or (DAY,), most, most, most),))

    def beat(self, now_ns: int = NOON, **changes: Any) -> SyncResponse:
        """What goes over in the background; and what comes back of a reserve that is too large."""
        response = self.sync(now_ns, 0, views=(DAY,), **changes)
        for reserve, most in response.reserves.items():
            kept = response.granted[reserve] - self.returned.get(reserve, 0)
            self.returned[reserve] = self.returned.get(reserve, 0) + max(kept - most, 0)
        return response

    def sync(self, now_ns: int, seq: int, **changes: Any) -> SyncResponse:
        changes = {"knows": (RESERVES,), "returned": self.returned, **changes}
        request = SyncRequest(Holder(self.name, 1, "host", NOON), seq, **changes)
        return sync(self.db, request, policy=self.policy, now_ns=now_ns)

    @property
    def aside(self) -> int:
        rows = self.db.conn.execute(
            "SELECT granted - returned - charged FROM leases WHERE balance = ? AND holder = ?", [ASIDE, self.name]
        ).fetchall()
        return sum(out for (out,) in rows)


def test_who_was_lent_money_has_the_allowance_set_aside(db: Database) -> None:
    """With the first grant, and out of the balance: 1,000 less 10 and 100 are left to lend."""
    response = Process(db, "h1").ask()
    assert (response.granted, response.reserves) == ({DAY: 10, ASIDE: 100}, {ASIDE: 100})
    balance = balances.read(db, DAY, NOON)
    assert balance is not None and balance.pool == 890


def test_processes_share_it_as_they_come_and_go(db: Database) -> None:
    """Two have half each, four a quarter, and what one leaves the others take; together never more than 100."""
    crew = [Process(db, f"h{number}") for number in range(4)]
    parts: list[list[int]] = []
    for number, process in enumerate(crew, start=1):
        process.ask()
        for _ in range(2):
            for other in crew[:number]:
                other.beat()
                assert sum(one.aside for one in crew) <= 100
        parts.append([one.aside for one in crew[:number]])
    assert parts == [[100], [50, 50], [33, 33, 33], [25, 25, 25, 25]]
    crew[0].beat(goodbye=True)
    close_holder(db, "h1", now_ns=NOON)
    for other in crew[2:]:
        other.beat()
    assert [one.aside for one in crew] == [0, 0, 50, 50]


@pytest.mark.parametrize(
    ("policy", "aside"),
    [
        (rules(limit=60), 30),
        (rules(limit=10), 0),
        (rules(on_unreachable=Unreachable("closed")), 0),
        (rules(mode=Mode.OBSERVE), 0),
        (Policy(1, Mode.ENFORCE, budgets=(Budget("day", Limit("usd", 1_000), "day", steps=(BLOCK,)),)), 0),
    ],
)
def test_how_much_is_set_aside(db: Database, policy: Policy, aside: int) -> None:
    """Half of what is unspent at most, and what is there; nothing where the budget is closed, open or only observes."""
    process = Process(db, "h1", policy)
    process.ask()
    process.beat()
    assert process.aside == aside


def test_an_overdrawn_budget_sets_aside_in_both_currencies(db: Database) -> None:
    """What a call is expected to cost must be there as well as its worst case."""
    process = Process(db, "h1", rules(overdraft_nano=500))
    twin = f"{DAY}|expected"
    assert process.ask(10, NOON, DAY, twin).reserves == {ASIDE: 100, reserve_of(twin): 100}


def test_nothing_is_set_aside_for_who_does_not_know_of_it(db: Database) -> None:
    """A process of an earlier version would send it back with every message."""
    process = Process(db, "h1")
    process.ask()
    process.beat()
    other = Process(db, "h2")
    other.sync(NOON, 1, knows=(), needs=(Need("a", (DAY,), 10, 10),))
    other.sync(NOON, 0, knows=(), views=(DAY,))
    assert other.aside == 0


def test_a_balance_that_was_only_looked_at_sets_nothing_aside(db: Database) -> None:
    """Who never was lent money of it would not be held by it either."""
    assert Process(db, "h1").beat().reserves == {}


def test_it_goes_back_before_a_call_is_refused(db: Database) -> None:
    """At 60 spent of 100 a call of 30 finds 20 to lend: the reserve is told to go, and stays away for ten seconds."""
    process = Process(db, "h1", rules(limit=100, allowance=40))
    process.ask(50)
    assert process.aside == 40
    other = Process(db, "h2", process.policy)
    assert other.ask(30).answers[0].reason == "lent"
    assert process.beat().reserves == {ASIDE: 0}
    process.beat()
    assert (process.aside, other.ask(30).answers[0].verdict) == (0, "granted")
    assert process.beat(NOON + WANTED_NS - 1).reserves == {}


def test_a_process_that_meets_no_call_of_it_any_more_gives_it_back(db: Database) -> None:
    """Ten minutes after the last; until then it need not speak of it, and a newcomer's part is made room for."""
    process, late = Process(db, "h1"), Process(db, "h2")
    process.ask()
    late.ask(10, NOON + SECOND)
    assert process.sync(NOON + 9 * SECOND, 0).reserves == {ASIDE: 50}
    assert process.sync(NOON + MET_NS, 0).reserves == {ASIDE: 0}


def test_at_the_end_of_its_window_it_goes_back(db: Database) -> None:
    """Though the process met the balance a moment before."""
    process = Process(db, "h1")
    process.ask()
    assert process.beat(NOON + 43_200 * SECOND).reserves == {ASIDE: 0}


def test_what_was_drawn_is_charged_and_filled_up_again(db: Database) -> None:
    """After an outage in which 40 of it were spent: they count, and 40 are set aside anew."""
    process = Process(db, "h1")
    process.ask()
    sent = {"kind": "sent", "attempt_id": "x", "call_id": "c", "at_ns": NOON, "route": "r", "model": "m"}
    sent |= {"requested_model": "m", "balances": [DAY], "leased": [ASIDE], "bound_nano": 60}
    usage = {"input": 1, "cache_read": 0, "cache_write_5m": 0, "cache_write_1h": 0, "output": 1}
    charge = {"attempt_id": "x", "cost_nano_usd": 40, "usage": usage, "basis": "usage", "model": "m"}
    charge |= {"requested_model": "m", "route": "r", "call_id": "c"}
    response = process.beat(records=(sent, {"kind": "settled", "charge": charge}))
    balance = balances.read(db, DAY, NOON)
    assert balance is not None
    assert (response.granted[ASIDE], process.aside, balance.spent, balance.pool) == (140, 100, 40, 1_000 - 40 - 110)
