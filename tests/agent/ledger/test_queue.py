"""Claims about the queue for money: who came later does not overtake, and nobody waits for who is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import queue
from bursar.agent.ledger.lending import lend_exactly, sync
from bursar.agent.ledger.queue import LIVE_NS
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import Answer, Holder, Need, SyncRequest, Verdict

NOON = 1_795_262_400 * 10**9
KEY, OTHER = "day|2026-11-21T00:00:00Z|", "side|2026-11-21T00:00:00Z|"
BUDGET = """
[[budget]]
name = "{name}"
limit = "{limit} USD"
every = "day"
at = {{ "100%" = "block" }}
"""
POLICY = parse_policy(
    'version = 1\nmode = "enforce"\n'
    + BUDGET.format(name="day", limit="0.0000001")
    + BUDGET.format(name="side", limit="0.0000001"),
    file="p",
)


class Desk:
    """An agent whose balances pay 100 nano-dollars each."""

    def __init__(self, db: Database) -> None:
        self.db, self.now, self.seq = db, NOON, 0

    def ask(self, attempt: str, most: int, *keys: str) -> Answer:
        self.seq += 1
        request = SyncRequest(
            Holder("h", 1, "host", NOON), self.seq, needs=(Need(attempt, keys or (KEY,), most, most, 1),)
        )
        return sync(self.db, request, policy=POLICY, now_ns=self.now).answers[0]

    def granted(self, attempt: str, most: int, *keys: str) -> bool:
        return self.ask(attempt, most, *keys).verdict is Verdict.GRANTED

    def give_back(self, amount: int) -> None:
        self.seq += 1
        request = SyncRequest(Holder("h", 1, "host", NOON), self.seq, returned={KEY: amount})
        sync(self.db, request, policy=POLICY, now_ns=self.now)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with fresh.ledger() as db:
        yield Desk(db)


def test_what_may_wait_for_hours_does_not_overtake_either(desk: Desk) -> None:
    """A call that is put off is lent what those leave who wait for their turn: of 60, 40 are spoken for."""
    assert desk.granted("a", 80)
    assert not desk.granted("1st", 40)
    desk.give_back(40)
    desk.now += 20_000_000
    put_off = (
        lend_exactly(desk.db, "deferrals", Need(name, (KEY,), most, most, 1), policy=POLICY, now_ns=desk.now)
        for name, most in (("large", 21), ("small", 20))
    )
    assert [answer.verdict for answer in put_off] == [Verdict.WAIT, Verdict.GRANTED]
    assert desk.granted("1st", 40)


def test_who_came_later_does_not_overtake(desk: Desk) -> None:
    """Of 100, 80 are out; two want 40. The second comes first once 40 are free, and waits until the first has its."""
    assert desk.granted("a", 80)
    assert not desk.granted("1st", 40)
    desk.now += 1
    assert not desk.granted("2nd", 40)
    desk.give_back(20)
    desk.now += 20_000_000
    assert [desk.granted(name, 40) for name in ("2nd", "1st")] == [False, True]
    desk.give_back(60)
    desk.now += 20_000_000
    assert desk.granted("2nd", 40)
    assert desk.db.conn.execute("SELECT count(*) FROM waiting").fetchone() == (0,)


def test_what_is_beyond_the_queue_is_had_at_once(desk: Desk) -> None:
    """Where 100 are left for one that wants 60, others may have 40, and no more."""
    queue.wait(desk.db, KEY, "first", 60, NOON)
    desk.now += 1
    assert desk.granted("b", 25)
    assert desk.granted("c", 15)
    assert not desk.granted("d", 15)


@pytest.mark.parametrize("later", [LIVE_NS, -LIVE_NS])
def test_who_asks_no_more_waits_no_more(desk: Desk, later: int) -> None:
    """After 150 ms; also where the clock was set back meanwhile."""
    queue.wait(desk.db, KEY, "gone", 100, NOON)
    desk.now += later
    assert desk.granted("b", 50)
    assert desk.db.conn.execute("SELECT count(*) FROM waiting").fetchone() == (0,)


def test_who_is_refused_does_not_wait(desk: Desk) -> None:
    """Nothing will come back for it."""
    assert desk.ask("never", 101).verdict is Verdict.REFUSED
    desk.now += 1
    assert desk.granted("b", 100)


def test_one_large_call_holds_up_no_small_ones(desk: Desk) -> None:
    """Who wants more than four times as much is overtaken."""
    queue.wait(desk.db, KEY, "large", 81, NOON)
    desk.now += 1
    assert desk.granted("b", 20)
    assert not desk.granted("c", 21)


def test_it_waits_only_where_it_is_short(desk: Desk) -> None:
    """The other balance of its call is free for others: it may wait there for nothing."""
    assert desk.granted("a", 90, KEY)
    refusal = desk.ask("both", 40, KEY, OTHER)
    assert (refusal.verdict, refusal.balance) == (Verdict.WAIT, KEY)
    desk.now += 1
    assert desk.granted("b", 100, OTHER)


def test_a_place_is_kept_by_asking(desk: Desk) -> None:
    """Each ask renews it; a pause loses it."""
    queue.wait(desk.db, KEY, "a", 60, NOON)
    queue.wait(desk.db, KEY, "b", 60, NOON + 1)
    queue.wait(desk.db, KEY, "a", 60, NOON + LIVE_NS - 1)
    queue.wait(desk.db, KEY, "b", 60, NOON + LIVE_NS)
    assert queue.ahead(desk.db, KEY, "b", 60, NOON + LIVE_NS) == 60
    queue.wait(desk.db, KEY, "b", 60, NOON + 2 * LIVE_NS - 2)
    queue.wait(desk.db, KEY, "a", 60, NOON + 2 * LIVE_NS)
    assert queue.ahead(desk.db, KEY, "b", 60, NOON + 2 * LIVE_NS) == 0
    assert queue.ahead(desk.db, KEY, "a", 60, NOON + 2 * LIVE_NS) == 60
