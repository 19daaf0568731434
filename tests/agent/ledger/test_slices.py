"""Slices: who asks again and again is lent ahead, as long as nobody else could miss it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import balances
from bursar.agent.ledger.lending import sync
from bursar.agent.ledger.slices import PART, REGULAR, ROOMY, WANTED_NS, bonuses
from bursar.policies.amounts import Limit
from bursar.policies.balancekey import Amounts
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction
from bursar.policies.protocol import Holder, Need, SyncRequest, SyncResponse, Verdict

NOON = 1_795_262_400 * 10**9
ALL = "all|2026-11-21T00:00:00Z|"
SMALL = "small|2026-11-21T00:00:00Z|"
BLOCK = Step("100%", Fraction(1), None, (StepAction("block"),))


def rules(limit: int, small: int | None = None) -> Policy:
    budgets = [Budget("all", Limit("usd", limit), "day", steps=(BLOCK,))]
    if small is not None:
        budgets.append(Budget("small", Limit("usd", small), "day", steps=(BLOCK,)))
    return Policy(version=1, mode=Mode.ENFORCE, budgets=tuple(budgets))


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


class Asker:
    """A process that asks for 100 nano-dollars at a time, and returns nothing."""

    def __init__(self, db: Database, policy: Policy, name: str = "h1") -> None:
        self.db, self.policy, self.name, self.seq = db, policy, name, 0

    def ask(self, *keys: str, most: int = 100, now_ns: int = NOON) -> SyncResponse:
        self.seq += 1
        need = Need(f"{self.name}-{self.seq}", keys or (ALL,), most, most)
        return self.sync(needs=(need,), now_ns=now_ns)

    def sync(self, *, now_ns: int = NOON, goodbye: bool = False, needs: tuple[Need, ...] = ()) -> SyncResponse:
        request = SyncRequest(
            Holder(self.name, 1, "host", NOON), self.seq, needs=needs, granted_seen={ALL: 0}, goodbye=goodbye
        )
        return sync(self.db, request, policy=self.policy, now_ns=now_ns)


def test_a_bonus_comes_with_the_third_ask_and_doubles(db: Database) -> None:
    """Four needs, then eight, then sixteen: on top of the 100 that each ask needs."""
    asker = Asker(db, rules(10_000_000))
    granted = [asker.ask().granted[ALL] for _ in range(5)]
    assert granted == [100, 200, 300 + 400, 800 + 800, 1_700 + 1_600]


def test_what_is_granted_for_the_call_itself_stays_its_need(db: Database) -> None:
    """The hold is no larger for what the process may keep beside it."""
    asker = Asker(db, rules(10_000_000))
    answers = [asker.ask().answers[0] for _ in range(4)]
    assert [(answer.verdict, answer.amount) for answer in answers] == [(Verdict.GRANTED, 100)] * 4


def bonus(db: Database, pool: int, times: int) -> int:
    """What a balance of this pool lends on top of a need of 100."""
    return bonuses(db, {ALL: pool}, Amounts(usd=100), times).get(ALL, 0)


@pytest.mark.parametrize(
    ("pool", "times", "amount"),
    [
        (25_600, REGULAR, 400),  # exactly roomy
        (25_599, REGULAR, 0),
        (1_000_000, REGULAR - 1, 0),
        (1_000_000, REGULAR + 4, 6_400),
        (10_000_000, REGULAR + 6, 25_600),
        (10_000_000, REGULAR + 60, 25_600),  # at most 256 needs
        (30_000, REGULAR + 60, 3_000),  # at most a tenth of what may be lent
    ],
)
def test_how_large_a_bonus_is(db: Database, pool: int, times: int, amount: int) -> None:
    """By what is left, by the need, and by how often it was asked."""
    assert bonus(db, pool, times) == amount
    assert (ROOMY, PART) == (256, 10)


TOKENS, CALLS, HOPED = f"{SMALL}|tokens", f"{SMALL}|calls", f"{ALL}|expected"
NEED = Amounts(usd=100, tokens=2_000, calls=1, expected=40)


@pytest.mark.parametrize(
    ("pools", "amounts"),
    [
        ({ALL: 1_000_000, TOKENS: 512_000}, {ALL: 400, TOKENS: 8_000}),
        ({ALL: 1_000_000, TOKENS: 511_999}, {}),  # the shortest balance decides for all
        ({ALL: 1_000_000, CALLS: 256}, {ALL: 400, CALLS: 4}),
        ({ALL: 1_000_000, CALLS: 255}, {}),
        ({ALL: 1_000_000, HOPED: 10_240}, {ALL: 400, HOPED: 160}),
        ({ALL: 1_000_000, HOPED: 10_239}, {}),
        ({}, {}),
    ],
)
def test_each_balance_lends_ahead_in_its_unit(db: Database, pools: dict[str, int], amounts: dict[str, int]) -> None:
    """Four needs of its own kind, where every balance holds 256 of them."""
    assert bonuses(db, pools, NEED, REGULAR) == amounts


def test_processes_share_the_tenth(db: Database) -> None:
    """Each active one may have its part of it; one that said goodbye has none."""
    policy = rules(30_000)
    for name in ("h1", "h2", "h3"):
        Asker(db, policy, name).sync()
    assert bonus(db, 30_000, REGULAR + 60) == 1_000
    Asker(db, policy, "h3").sync(goodbye=True)
    assert bonus(db, 30_000, REGULAR + 60) == 1_500


def test_a_regular_asker_may_keep_what_is_free(db: Database) -> None:
    """From the ask on that brings a bonus; one that is seen once or twice leaves nothing lying about."""
    asker = Asker(db, rules(10_000_000))
    assert [asker.ask().keep for _ in range(3)] == [(), (), (ALL,)]
    assert asker.sync().keep == (ALL,)
    assert asker.sync(goodbye=True).keep == ()


def test_a_balance_that_is_no_longer_roomy_is_recalled(db: Database) -> None:
    """Less than 256 of the largest need that was asked for are left to lend."""
    policy = rules(40_000)
    asker = Asker(db, policy)
    for _ in range(3):
        assert asker.ask().answers[0].verdict is Verdict.GRANTED
    assert asker.sync().keep == (ALL,)
    assert Asker(db, policy, "h2").ask(most=14_000).answers[0].verdict is Verdict.GRANTED
    assert balances.views(db, (ALL,), policy, NOON)[0].lent == 300 + 400 + 14_000
    assert asker.sync().keep == ()


def test_who_went_away_without_money_recalls_it_for_everybody(db: Database) -> None:
    """For ten seconds; the balances that were short of it, and no other."""
    policy = rules(10_000_000, small=100_000)
    asker = Asker(db, policy)
    for _ in range(3):
        asker.ask(ALL, SMALL)
    assert asker.sync().keep == (ALL,), "of the other it was told nothing"
    assert asker.ask(ALL, SMALL).keep == (ALL, SMALL)
    refused = Asker(db, policy, "h2").ask(ALL, SMALL, most=99_900).answers[0]
    assert (refused.verdict, refused.balance) == (Verdict.WAIT, SMALL)
    assert asker.ask(ALL, SMALL).keep == (ALL,)
    assert asker.ask(ALL, SMALL, now_ns=NOON + WANTED_NS - 1).keep == (ALL,)
    assert asker.ask(ALL, SMALL, now_ns=NOON + WANTED_NS).keep == (ALL, SMALL)
