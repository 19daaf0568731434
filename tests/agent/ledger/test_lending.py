"""Claims about lending: no money is lent twice, none is lost, and nobody spends what is not there."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import attempts, balances, holders
from bursar.agent.ledger.booking import book
from bursar.agent.ledger.holders import HolderState
from bursar.agent.ledger.lending import close_holder, lend_exactly, sync
from bursar.agent.ledger.life import State
from bursar.policies.amounts import Limit
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction
from bursar.policies.protocol import Answer, Holder, Need, SyncRequest, SyncResponse, Verdict
from bursar.policies.records import Record, Released, Sent, Settled, to_json
from bursar.policies.usage import Usage

NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
DAY = "2026-11-21T00:00:00Z"
ALL = f"all|{DAY}|"
ACME = f"tenants|{DAY}|tenant=acme"
BLOCK = Step("100%", Fraction(1), None, (StepAction("block"),))


def policy(limit: int, tenant_limit: int = 10**9, *, overdraft: int = 0) -> Policy:
    every = Budget("all", Limit("usd", limit), "day", steps=(BLOCK,), overdraft_nano=overdraft)
    tenants = Budget("tenants", Limit("usd", tenant_limit), "day", per=("tenant",), steps=(BLOCK,))
    return Policy(version=1, mode=Mode.ENFORCE, budgets=(every, tenants))


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def holder(name: str) -> Holder:
    return Holder(name, 42, "host", NOON)


def message(name: str, seq: int, **changes: Any) -> SyncRequest:
    return SyncRequest(holder(name), seq, **changes)


def need(attempt_id: str, most: int, least: int | None = None, *keys: str) -> Need:
    return Need(attempt_id, keys or (ALL,), most, most if least is None else least, expected=most // 2)


def asked(db: Database, rules: Policy, name: str, seq: int, *needs: Need, **changes: Any) -> SyncResponse:
    return sync(db, message(name, seq, needs=needs, **changes), policy=rules, now_ns=NOON)


def sent(attempt_id: str, bound: int, *keys: str) -> Sent:
    named = keys or (ALL,)
    return Sent(attempt_id, attempt_id, NOON, "r", "opus", "opus", {}, named, named, bound, bound // 2)


def settled(attempt_id: str, cost: int | None, basis: Basis = Basis.USAGE) -> Settled:
    return Settled(Charge(attempt_id, cost, Usage(), basis, "opus", "opus", "r", attempt_id, at_ns=NOON))


def told(*records: Record) -> tuple[Mapping[str, Any], ...]:
    return tuple(to_json(record) for record in records)


def pool(db: Database, key: str = ALL) -> int | None:
    balance = balances.read(db, key, NOON)
    return None if balance is None else balance.pool


def out(db: Database, key: str = ALL) -> int:
    balance = balances.read(db, key, NOON)
    return 0 if balance is None else balance.out


@pytest.mark.parametrize(
    ("limit", "most", "least", "verdict", "amount"),
    [
        (256_000, 1_000, 10, Verdict.GRANTED, 1_000),  # 256 such needs fit: the whole of it
        (255_999, 1_000, 10, Verdict.GRANTED, 999),  # tight: the 256th part
        (25_600, 1_000, 10, Verdict.GRANTED, 100),
        (2_560, 1_000, 10, Verdict.GRANTED, 10),
        (10, 1_000, 10, Verdict.GRANTED, 10),  # never below what the route needs
        (9, 1_000, 10, Verdict.REFUSED, 0),
        (1_000, 1_000, 1_000, Verdict.GRANTED, 1_000),  # may not be trimmed
        (999, 1_000, 1_000, Verdict.REFUSED, 0),
        (0, 1_000, 1, Verdict.REFUSED, 0),  # a limit of zero blocks
        (100, 5, 50, Verdict.GRANTED, 5),  # a least above the most is the most
    ],
)
def test_how_much_a_need_is_granted(
    db: Database, limit: int, most: int, least: int, verdict: Verdict, amount: int
) -> None:
    """Between the least and the most, by what is left."""
    answer = asked(db, policy(limit), "h1", 1, need("a1", most, least)).answers[0]
    assert (answer.verdict, answer.amount) == (verdict, amount)
    assert (answer.reason, answer.balance) == (("spent", ALL) if verdict is Verdict.REFUSED else ("", ""))
    assert out(db) == amount


def test_a_grant_is_cumulative_and_the_attempt_is_held(db: Database) -> None:
    """The second grant adds to the first; both attempts stand as held, with what they are expected to cost."""
    rules = policy(10_000)
    asked(db, rules, "h1", 1, need("a1", 100))
    response = asked(db, rules, "h1", 2, need("a2", 60), granted_seen={ALL: 100})
    assert response.granted == {ALL: 160}
    view = response.views[0]
    assert (view.key, view.limit, view.ceiling, view.spent, view.expected, view.lent) == (
        ALL,
        10_000,
        10_000,
        0,
        80,
        160,
    )
    assert view.window_end == "2026-11-22T00:00:00Z"
    held = attempts.load(db, "a2")
    assert held is not None
    assert (held.state, held.bound_nano, held.leased, held.holder) == (State.HELD, 60, (ALL,), "h1")


def test_all_balances_of_a_need_or_none(db: Database) -> None:
    """Where one cannot lend, the others lend nothing, and the one in the way is named."""
    response = asked(db, policy(1_000, 50), "h1", 1, need("a1", 60, None, ALL, ACME), need("a2", 50, None, ALL, ACME))
    assert response.answers == (
        Answer("a1", Verdict.REFUSED, 0, "spent", ACME),
        Answer("a2", Verdict.GRANTED, 50),
    )
    assert (out(db, ALL), out(db, ACME)) == (50, 50)


def test_the_scarcest_balance_decides_the_share(db: Database) -> None:
    """A 256th part of what is left where least is left."""
    response = asked(db, policy(256_000, 5_120), "h1", 1, need("a1", 1_000, 10, ALL, ACME))
    assert response.answers == (Answer("a1", Verdict.GRANTED, 20),)


def test_who_waits_and_who_is_refused(db: Database) -> None:
    """Money in flight may come back, so one waits; money that is spent does not, so one is refused."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 80))
    assert asked(db, rules, "h2", 1, need("b1", 100)).answers == (Answer("b1", Verdict.WAIT, 0, "held", ALL),)
    assert asked(db, rules, "h2", 2, need("b2", 101)).answers == (Answer("b2", Verdict.REFUSED, 0, "spent", ALL),)
    asked(db, rules, "h1", 2, records=told(sent("a1", 80), settled("a1", 80)))
    assert asked(db, rules, "h2", 3, need("b3", 21)).answers == (Answer("b3", Verdict.REFUSED, 0, "spent", ALL),)
    assert asked(db, rules, "h2", 4, need("b4", 20)).answers == (Answer("b4", Verdict.GRANTED, 20),)


def test_what_comes_back_can_be_lent_again(db: Database) -> None:
    """The rest of a hold, once its charge is booked and the process has returned it."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 80))
    asked(db, rules, "h1", 2, records=told(sent("a1", 80), settled("a1", 30)), returned={ALL: 50})
    assert (pool(db), out(db)) == (70, 0)
    assert asked(db, rules, "h2", 1, need("b1", 70)).answers[0].verdict is Verdict.GRANTED


def test_a_process_cannot_return_more_than_is_out(db: Database) -> None:
    """What exceeds it is a charge on its way, and is told again with the next message."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 80), returned={ALL: 30})
    asked(db, rules, "h1", 2, returned={ALL: 999})
    assert (pool(db), out(db)) == (100, 0)
    asked(db, rules, "h1", 3, returned={ALL: 10})
    assert out(db) == 0


def test_a_lost_response_is_repaired_by_the_next(db: Database) -> None:
    """The same attempt asks again: the grant it never saw is told once more, and is not made twice."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 60))
    again = asked(db, rules, "h1", 2, need("a1", 60), granted_seen={})
    assert (again.answers, again.granted) == ((Answer("a1", Verdict.GRANTED, 60),), {ALL: 60})
    assert out(db) == 60


def test_a_grant_that_was_seen_and_returned_is_made_anew(db: Database) -> None:
    """The attempt gave its money back while it waited for another balance, and asks again."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 60))
    again = asked(db, rules, "h1", 2, need("a1", 60), granted_seen={ALL: 60}, returned={ALL: 60})
    assert again.granted == {ALL: 120}
    assert out(db) == 60


def test_a_grant_that_was_seen_in_part_is_made_anew(db: Database) -> None:
    """What was seen in one balance may be gone there; nothing is answered that might not be held."""
    rules = policy(200, 200)
    asked(db, rules, "h1", 1, need("a1", 60, None, ALL, ACME))
    again = asked(db, rules, "h1", 2, need("a1", 60, None, ALL, ACME), granted_seen={ALL: 1})
    assert again.granted == {ALL: 120, ACME: 120}


def test_a_stale_message_delivers_and_is_granted_nothing(db: Database) -> None:
    """Also one that comes twice."""
    rules = policy(100)
    asked(db, rules, "h1", 5)
    for seq in (5, 4):
        stale = asked(db, rules, "h1", seq, need("a9", 10), records=told(sent("a1", 20), settled("a1", 20)))
        assert stale.answers == ()
    balance = balances.read(db, ALL, NOON)
    assert balance is not None
    assert (balance.spent, balance.out) == (20, 0)
    assert asked(db, rules, "h1", 6, need("a9", 10)).answers[0].verdict is Verdict.GRANTED


def test_an_attempt_that_has_left_is_not_answered(db: Database) -> None:
    """A question that was overtaken by its own attempt lends nothing."""
    response = asked(db, policy(100), "h1", 1, need("a1", 10), records=told(sent("a1", 10)))
    assert response.answers == ()
    assert out(db) == 0


def test_an_agent_restored_from_an_old_copy_is_mended(db: Database) -> None:
    """What the process has been granted counts as lent, though the agent forgot; no other message lowers it."""
    rules = policy(100)
    asked(db, rules, "h1", 1, granted_seen={ALL: 50})
    asked(db, rules, "h1", 2, granted_seen={ALL: 70})
    assert asked(db, rules, "h2", 1, need("b1", 40)).answers[0].verdict is Verdict.WAIT
    asked(db, rules, "h1", 3, granted_seen={ALL: 10, f"gone|{DAY}|": 5})
    assert (out(db), holders.granted(db, "h1")) == (70, {ALL: 70})


def test_a_bad_record_is_skipped_and_counted(db: Database) -> None:
    """The good ones around it are booked."""
    bad: tuple[Mapping[str, Any], ...] = (
        {"kind": "poem"},
        {**to_json(sent("a2", 5)), "labels": ["no", "labels"]},
        {**to_json(sent("a3", 5)), "route": None},
        to_json(settled("a4", -7)),
        {**to_json(sent("a5", 5)), "at_ns": "noon"},
        {**to_json(sent("a6", 5)), "action": "downgrade", "decision": ["no", "numbers"]},
    )
    records = (*told(sent("a1", 20)), *bad, *told(settled("a1", 15)))
    asked(db, policy(100), "h1", 1, records=records)
    known = holders.find(db, "h1")
    balance = balances.read(db, ALL, NOON)
    assert known is not None
    assert balance is not None
    assert (known.skipped, balance.spent) == (6, 15)
    assert balances.expected(db, ALL) == 0


def test_a_balance_the_policy_does_not_have_is_worth_waiting_for(db: Database) -> None:
    """The asker decided by another version of the policy; the new one comes with the response."""
    gone = f"gone|{DAY}|"
    response = asked(db, policy(100), "h1", 1, need("a1", 10, None, gone))
    assert response.answers == (Answer("a1", Verdict.WAIT, 0, "no_balance", gone),)
    assert response.views == ()


def test_views_come_without_asking_for_money(db: Database) -> None:
    """Also of a balance that nobody has touched yet, and of each once."""
    response = asked(db, policy(100, overdraft=7), "h1", 1, views=(ALL, ALL, f"gone|{DAY}|"))
    assert [(view.key, view.limit, view.ceiling) for view in response.views] == [(ALL, 100, 107)]


def test_an_overrun_is_granted_by_the_fact(db: Database) -> None:
    """The balance shows it, and the process learns it with the response, even when the first one is lost."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 60))
    records = told(sent("a1", 60), settled("a1", 75))
    for seq in (2, 3):
        assert asked(db, rules, "h1", seq, records=records, granted_seen={ALL: 60}).granted == {ALL: 75}
    assert (pool(db), out(db)) == (25, 0)


def test_a_lease_that_a_charge_touched_is_told(db: Database) -> None:
    """A process that only reports learns what its overrun added."""
    response = asked(db, policy(100), "h1", 1, records=told(sent("a1", 60), settled("a1", 75)))
    assert response.granted == {ALL: 75}


def test_figures_of_a_need_that_cannot_be_true_lend_nothing(db: Database) -> None:
    """A negative amount takes nothing back; a least above the most is the most, also for who has to wait."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 90), need("a2", -50))
    assert out(db) == 90
    odd = asked(db, rules, "h2", 1, need("b1", 20, 200), need("b2", 20, -5))
    assert odd.answers == (Answer("b1", Verdict.WAIT, 0, "held", ALL), Answer("b2", Verdict.GRANTED, 0))


def test_no_attempt_is_expected_to_cost_more_than_it_holds(db: Database) -> None:
    """A trimmed need is expected to cost at most what it was granted."""
    asked(db, policy(2_560), "h1", 1, Need("a1", (ALL,), 1_000, 10, expected=400))
    assert balances.expected(db, ALL) == 10


def test_a_balance_named_twice_lends_and_pays_once(db: Database) -> None:
    """In a need, and in the record of what was sent."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 60, None, ALL, ALL))
    assert out(db) == 60
    asked(db, rules, "h1", 2, records=told(settled("a1", 20)))
    asked(db, rules, "h1", 3, records=told(sent("a2", 10, ALL, ALL), settled("a2", 5)))
    balance = balances.read(db, ALL, NOON)
    assert balance is not None
    assert (balance.spent, balance.out) == (25, 35)


def test_goodbye_returns_all_but_what_is_in_flight(db: Database) -> None:
    """A hold that never left is released; one that left keeps its bound until the journal is read."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 20), need("a2", 30), need("a3", 10))
    asked(db, rules, "h1", 2, records=told(sent("a1", 20)), goodbye=True)
    assert out(db) == 20
    known = holders.find(db, "h1")
    assert known is not None
    assert known.state is HolderState.CLOSED
    held = attempts.load(db, "a2")
    assert held is not None
    assert held.state is State.RELEASED
    assert balances.expected(db, ALL) == 10


def test_a_closed_process_is_lent_nothing_and_its_charges_are_booked(db: Database) -> None:
    """A message overtaken by the goodbye, with the last charge."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 20))
    asked(db, rules, "h1", 2, records=told(sent("a1", 20)), goodbye=True)
    late = asked(db, rules, "h1", 3, need("a9", 10), records=told(settled("a1", 12)), returned={ALL: 20})
    assert late.answers == ()
    assert (pool(db), out(db)) == (88, 0)


def test_a_dead_process_costs_at_most_its_bounds(db: Database) -> None:
    """Read its journal, then close it: what it sent counts as its bound, all else comes back."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 20), need("a2", 30), need("a3", 10))
    book(db, [sent("a1", 20), sent("a2", 30), settled("a2", 5)], holder="h1", policy=rules, now_ns=NOON)
    closed = close_holder(db, "h1", policy=rules, now_ns=NOON)
    assert closed.balances == {ALL}
    assert (pool(db), out(db)) == (75, 0)
    assert holders.unfinished(db) == []
    close_holder(db, "h1", policy=rules, now_ns=NOON)
    assert (pool(db), out(db)) == (75, 0)


def test_what_turns_up_after_recovery_is_exact(db: Database) -> None:
    """The figures of an orphan correct its bound; a call that nobody knew of is an orphan at once."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 20))
    book(db, [sent("a1", 20)], holder="h1", policy=rules, now_ns=NOON)
    close_holder(db, "h1", policy=rules, now_ns=NOON)
    asked(db, rules, "h1", 2, records=told(settled("a1", 8), sent("a2", 15)))
    assert (pool(db), out(db)) == (100 - 8 - 15, 0)
    asked(db, rules, "h1", 3, records=told(settled("a2", 4)))
    assert (pool(db), out(db)) == (88, 0)
    known = holders.find(db, "h1")
    assert known is not None
    assert known.state is HolderState.RECOVERED


def test_a_lease_of_yesterday_is_settled_yesterday(db: Database) -> None:
    """Asked before midnight, charged after it: the new day begins unspent."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 60))
    tomorrow = NOON + 13 * 3600 * 10**9
    new_day = f"all|{DAY.replace('21', '22')}|"
    late = message("h1", 2, records=told(sent("a1", 60), settled("a1", 60)), needs=(need("a2", 100, None, new_day),))
    response = sync(db, late, policy=rules, now_ns=tomorrow)
    assert response.answers[0].verdict is Verdict.GRANTED
    assert (pool(db), pool(db, new_day)) == (40, 0)


def test_what_is_in_flight_of_yesterday_is_not_missing_today(db: Database) -> None:
    """A call that was sent before midnight and is not over: the new day lends all it has, whoever asks."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 60))
    asked(db, rules, "h1", 2, records=told(sent("a1", 60)))
    new_day = f"all|{DAY.replace('21', '22')}|"
    request = message("h2", 1, needs=(need("b1", 100, None, new_day),))
    response = sync(db, request, policy=rules, now_ns=NOON + 13 * 3600 * 10**9)
    assert response.answers == (Answer("b1", Verdict.GRANTED, 100),)
    assert (out(db), out(db, new_day)) == (60, 100)


# A process as the protocol asks it to be: journal first, counters that only grow, no fragment kept while asking.


@dataclass
class Process:
    name: str
    journal: list[Record] = field(default_factory=list[Record])
    told: int = 0
    seq: int = 0
    granted: dict[str, int] = field(default_factory=dict[str, int])
    returned: dict[str, int] = field(default_factory=dict[str, int])
    charged: dict[str, int] = field(default_factory=dict[str, int])
    holds: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict[str, tuple[int, tuple[str, ...]]])

    def free(self, key: str) -> int:
        held = sum(bound for bound, keys in self.holds.values() if key in keys)
        return self.granted.get(key, 0) - self.returned.get(key, 0) - self.charged.get(key, 0) - held

    def request(self, *needs: Need) -> SyncRequest:
        for key in self.granted:
            self.returned[key] = self.returned.get(key, 0) + max(self.free(key), 0)
        self.seq += 1
        records = told(*self.journal[self.told :])
        seen, back = dict(self.granted), dict(self.returned)
        return message(self.name, self.seq, records=records, returned=back, granted_seen=seen, needs=needs)

    def hear(self, response: SyncResponse, journal_length: int) -> None:
        self.told = max(self.told, journal_length)
        for key, amount in response.granted.items():
            self.granted[key] = max(self.granted.get(key, 0), amount)

    def send(self, attempt_id: str, bound: int, keys: tuple[str, ...]) -> bool:
        if any(self.free(key) < bound for key in keys):
            self.journal.append(Released(attempt_id))
            return False
        self.journal.append(sent(attempt_id, bound, *keys))
        self.holds[attempt_id] = (bound, keys)
        return True

    def settle(self, attempt_id: str, cost: int | None) -> None:
        bound, keys = self.holds.pop(attempt_id)
        for key in keys:
            self.charged[key] = self.charged.get(key, 0) + (bound if cost is None else cost)
        self.journal.append(settled(attempt_id, cost, Basis.UNKNOWN if cost is None else Basis.USAGE))


@pytest.mark.parametrize(
    ("limit", "bound", "cost", "admitted"),
    [
        (500, 10, 10, 50),
        (1_000, 68, 22, 43),  # floor((1000 - 68) / 22) + 1
        (1_000, 68, 0, 60),  # free of charge: as often as it is tried
        (67, 68, 22, 0),
        (68, 68, 68, 1),
    ],
)
def test_exactly_as_many_calls_are_admitted_as_the_money_bounds(
    db: Database, limit: int, bound: int, cost: int, admitted: int
) -> None:
    """One after the other: floor((B - W) / A) + 1, and the next is refused as spent."""
    rules, process = policy(limit), Process("h1")
    done = 0
    for number in range(60):
        request = process.request(need(f"a{number}", bound))
        response = sync(db, request, policy=rules, now_ns=NOON)
        process.hear(response, len(process.journal))
        if response.answers[0].verdict is not Verdict.GRANTED:
            assert response.answers[0].reason == "spent"
            break
        assert process.send(f"a{number}", bound, (ALL,))
        process.settle(f"a{number}", cost)
        done += 1
    assert done == admitted


@dataclass
class World:
    """The provider's truth beside several processes and one agent, with messages lost, doubled and late."""

    db: Database
    rules: Policy
    rng: random.Random
    processes: list[Process] = field(default_factory=list[Process])
    dead: list[Process] = field(default_factory=list[Process])
    old_messages: list[SyncRequest] = field(default_factory=list[SyncRequest])
    billed: dict[str, int] = field(default_factory=dict[str, int])
    may_bill: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict[str, tuple[int, tuple[str, ...]]])
    births: int = 0
    sent: int = 0

    def step(self) -> None:
        while len(self.processes) < 4:
            self.births += 1
            self.processes.append(Process(f"h{self.births}"))
        process = self.rng.choice(self.processes)
        self.rng.choices(
            [self.ask, self.settle, self.beat, self.repeat, self.die, self.recover, self.leave],
            weights=[40, 40, 10, 5, 2, 3, 1],
        )[0](process)

    def deliver(self, request: SyncRequest) -> SyncResponse:
        self.old_messages.append(request)
        return sync(self.db, request, policy=self.rules, now_ns=NOON)

    def ask(self, process: Process) -> None:
        attempt_id = f"{process.name}-{process.seq}"
        keys = (ALL, f"tenants|{DAY}|tenant={self.rng.choice('abc')}")
        most = self.rng.randint(1, 60)
        least = self.rng.choice([most, self.rng.randint(1, most)])
        request = process.request(Need(attempt_id, keys, most, least, most // 2))
        if self.rng.random() < 0.05:
            return
        length = len(process.journal)
        response = self.deliver(request)
        if self.rng.random() < 0.05:
            return
        process.hear(response, length)
        granted = [answer for answer in response.answers if answer.verdict is Verdict.GRANTED]
        if granted and process.send(attempt_id, granted[0].amount, keys):
            self.sent += 1
            self.may_bill[attempt_id] = (granted[0].amount, keys)

    def settle(self, process: Process) -> None:
        if not process.holds:
            return
        attempt_id = self.rng.choice(list(process.holds))
        bound, keys = process.holds[attempt_id]
        cost = self.rng.randint(0, bound)
        known = self.rng.random() < 0.9
        process.settle(attempt_id, cost if known else None)
        if known:
            self.bill(attempt_id, cost, keys)
        if self.rng.random() < 0.2 and known:
            span = settled(attempt_id, cost, Basis.SPAN)
            book(self.db, [span], holder=None, policy=self.rules, now_ns=NOON)

    def bill(self, attempt_id: str, cost: int, keys: tuple[str, ...]) -> None:
        del self.may_bill[attempt_id]
        for key in keys:
            self.billed[key] = self.billed.get(key, 0) + cost

    def beat(self, process: Process) -> None:
        length = len(process.journal)
        process.hear(self.deliver(process.request()), length)

    def repeat(self, _: Process) -> None:
        if self.old_messages:
            sync(self.db, self.rng.choice(self.old_messages), policy=self.rules, now_ns=NOON)

    def die(self, process: Process) -> None:
        self.processes.remove(process)
        self.dead.append(process)

    def recover(self, _: Process) -> None:
        if self.dead:
            process = self.dead.pop(0)
            book(self.db, process.journal, holder=process.name, policy=self.rules, now_ns=NOON)
            close_holder(self.db, process.name, policy=self.rules, now_ns=NOON)

    def leave(self, process: Process) -> None:
        if not process.holds:
            self.processes.remove(process)
            self.deliver(replace(process.request(), goodbye=True))

    def check(self) -> None:
        keys = [key for (key,) in self.db.conn.execute("SELECT key FROM balances").fetchall()]
        for key in keys:
            balance = balances.read(self.db, key, NOON)
            assert balance is not None
            assert balance.ceiling is not None
            in_flight = sum(bound for bound, named in self.may_bill.values() if key in named)
            assert self.billed.get(key, 0) + in_flight <= balance.ceiling
            assert balance.spent <= balance.ceiling
        lowest = self.db.conn.execute("SELECT min(granted - returned - charged) FROM leases").fetchone()[0]
        assert lowest is None or lowest >= 0

    def end(self) -> None:
        for process in list(self.processes):
            self.die(process)
        while self.dead:
            self.recover(self.dead[0])


@pytest.mark.parametrize("seed", range(6))
def test_no_schedule_spends_more_than_there_is_and_none_leaks(db: Database, seed: int) -> None:
    """
    Six hundred steps of four processes that ask, settle, fall silent, die and come back late, with messages lost and
    doubled: what the provider billed and may still bill never exceeds a ceiling, and in the end nothing is out.
    """
    world = World(db, policy(3_000, 1_200), random.Random(seed))
    for _ in range(600):
        world.step()
        world.check()
    world.end()
    world.check()
    assert world.sent > 50
    for key in (ALL, *(f"tenants|{DAY}|tenant={name}" for name in "abc")):
        balance = balances.read(db, key, NOON)
        assert balance is not None
        bounds = sum(bound for bound, named in world.may_bill.values() if key in named)
        assert (balance.spent, balance.out) == (world.billed.get(key, 0) + bounds, 0)


def test_what_a_process_overran_is_lent_as_well(db: Database) -> None:
    """A charge above its bound is spent already; without it the process could hold nothing more."""
    rules = policy(1_000)
    asked(db, rules, "h1", 1, need("a1", 10))
    records = told(sent("a1", 10), settled("a1", 30))
    answer = asked(db, rules, "h1", 2, need("a2", 10), records=records)
    assert answer.answers[0] == Answer("a2", Verdict.GRANTED, 10)
    assert answer.granted[ALL] == 10 + 20 + 10, "free: 40 granted, 30 charged, 10 to hold"
    assert (pool(db), out(db)) == (1_000 - 30 - 10, 10)


def test_an_overrun_is_not_lent_out_to_anybody(db: Database) -> None:
    """Thirty of a hundred are spent: seventy are left, whoever asks."""
    rules = policy(100)
    asked(db, rules, "h1", 1, need("a1", 10))
    told_of = told(sent("a1", 10), settled("a1", 30))
    assert asked(db, rules, "h1", 2, need("a2", 71), records=told_of).answers[0].verdict is Verdict.REFUSED
    assert asked(db, rules, "h2", 1, need("b1", 71)).answers[0].verdict is Verdict.REFUSED
    assert asked(db, rules, "h2", 2, need("b2", 40)).answers[0].verdict is Verdict.GRANTED
    assert asked(db, rules, "h1", 3, need("a3", 30)).answers[0].verdict is Verdict.GRANTED
    assert (pool(db), out(db)) == (0, 70)


# Limits in tokens and calls, and two currencies where there is an overdraft


TOKENS, CALLS = f"tokens|{DAY}||tokens", f"calls|{DAY}||calls"
HOPED = f"{ALL}|expected"


def in_units(tokens: int, calls: int) -> Policy:
    budgets = [Budget("tokens", Limit("tokens", tokens), "day", steps=(BLOCK,))]
    budgets.append(Budget("calls", Limit("calls", calls), "day", steps=(BLOCK,)))
    return Policy(version=1, mode=Mode.ENFORCE, budgets=tuple(budgets))


def of_tokens(attempt_id: str, most: int, least: int, *keys: str) -> Need:
    return Need(
        attempt_id, keys or (TOKENS,), 10, 5, 4, most_tokens=most, least_tokens=least, expected_tokens=most // 2
    )


@pytest.mark.parametrize(
    ("limit", "most", "least", "verdict", "tokens"),
    [
        (256_000, 1_000, 10, Verdict.GRANTED, 1_000),
        (25_600, 1_000, 10, Verdict.GRANTED, 100),
        (10, 1_000, 10, Verdict.GRANTED, 10),
        (9, 1_000, 10, Verdict.REFUSED, 0),
        (0, 1_000, 1, Verdict.REFUSED, 0),
        (999, 1_000, 1_000, Verdict.REFUSED, 0),
    ],
)
def test_tokens_are_shared_like_money(
    db: Database, limit: int, most: int, least: int, verdict: Verdict, tokens: int
) -> None:
    """A 256th part of what is left, and never less than the route needs; the money is not trimmed for it."""
    answer = asked(db, in_units(limit, 9), "h1", 1, of_tokens("a1", most, least)).answers[0]
    assert (answer.verdict, answer.tokens, out(db, TOKENS)) == (verdict, tokens, tokens)
    assert answer.amount == (10 if verdict is Verdict.GRANTED else 0)
    assert answer.balance == ("" if verdict is Verdict.GRANTED else TOKENS)


def test_five_calls_are_five(db: Database) -> None:
    """However large they are; the sixth waits while any may come back, and is refused once all are answered."""
    rules = in_units(10**9, 5)
    needs = [of_tokens(f"a{number}", 100, 100, CALLS, TOKENS) for number in range(6)]
    answers = asked(db, rules, "h1", 1, *needs).answers
    assert [answer.verdict for answer in answers] == [Verdict.GRANTED] * 5 + [Verdict.WAIT]
    assert (answers[5].balance, answers[5].reason, out(db, CALLS)) == (CALLS, "held", 5)
    done = told(*(replace(sent(f"a{number}", 10, CALLS), bound_tokens=100) for number in range(5)))
    done += told(*(settled(f"a{number}", 3) for number in range(4)), Released("a4"))
    response = asked(db, rules, "h1", 2, of_tokens("a6", 1, 1, CALLS), of_tokens("a7", 1, 1, CALLS), records=done)
    # One of five was never answered, and its place had not come back yet: it is the process's to return.
    assert [answer.verdict for answer in response.answers] == [Verdict.WAIT, Verdict.WAIT]
    back = asked(db, rules, "h1", 3, of_tokens("a6", 1, 1, CALLS), of_tokens("a7", 1, 1, CALLS), returned={CALLS: 1})
    assert [answer.verdict for answer in back.answers] == [Verdict.GRANTED, Verdict.WAIT]
    assert (pool(db, CALLS), out(db, CALLS)) == (0, 1)


def test_tokens_nobody_saw_are_charged_and_counted_as_held(db: Database) -> None:
    """A process that died, or a body that nobody read: the bound, until the figures turn up."""
    rules = in_units(10_000, 9)
    asked(db, rules, "h1", 1, of_tokens("a1", 1_000, 1_000), of_tokens("a2", 500, 500))
    left = [replace(sent(name, 10, TOKENS), bound_tokens=most) for name, most in (("a1", 1_000), ("a2", 500))]
    book(db, left, holder="h1", policy=rules, now_ns=NOON)
    close_holder(db, "h1", policy=rules, now_ns=NOON)
    assert (pool(db, TOKENS), out(db, TOKENS)) == (10_000 - 1_500, 0)
    exact = Settled(replace(settled("a1", 3).charge, usage=Usage(input=100, cache_read=20, output=3)))
    asked(db, rules, "h1", 2, records=told(exact))
    assert (pool(db, TOKENS), out(db, TOKENS)) == (10_000 - 500 - 123, 0)


def drawn(limit: int, overdraft: int) -> Policy:
    return policy(limit, overdraft=overdraft)


def both(attempt_id: str, most: int, hoped: int) -> Need:
    return Need(attempt_id, (ALL, HOPED), most, most, hoped)


@pytest.mark.parametrize(
    ("overdraft", "needs", "verdicts"),
    [
        # Four worst cases of 60 fit into 100 and 150; of 20 expected, five would.
        (150, [(60, 20)] * 5, "gggg-"),
        # What is expected does not fit into 100, however large the overdraft.
        (10_000, [(60, 40)] * 3, "gg-"),
        (10_000, [(60, 60), (60, 40), (60, 1)], "gg-"),
        (0, [(60, 20)] * 2, "g-"),
    ],
)
def test_an_expectation_fits_the_limit_and_a_worst_case_the_overdraft(
    db: Database, overdraft: int, needs: list[tuple[int, int]], verdicts: str
) -> None:
    """Of a limit of 100: both must fit, and all that is in flight counts."""
    asks = [both(f"a{number}", most, hoped) for number, (most, hoped) in enumerate(needs)]
    answers = asked(db, drawn(100, overdraft), "h1", 1, *asks).answers
    assert "".join("g" if answer.verdict is Verdict.GRANTED else "-" for answer in answers) == verdicts
    assert {answer.balance for answer in answers if answer.verdict is not Verdict.GRANTED} == {ALL}


def test_an_unknown_cost_is_spent_at_its_bound_in_both_pools(db: Database) -> None:
    """Held at 60, hoped at 20: its leases are charged 60 and 20, and 60 are spent of both, until its usage turns up."""
    rules = drawn(100, 50)
    asked(db, rules, "h1", 1, both("a1", 60, 20))
    assert (pool(db, ALL), pool(db, HOPED)) == (90, 80)
    lost = replace(settled("a1", 0).charge, cost_nano_usd=None, basis=Basis.UNKNOWN)
    sent_first = replace(sent("a1", 60, ALL), leased=(ALL, HOPED), expected_nano=20)
    asked(db, rules, "h1", 2, records=told(sent_first, Settled(lost)))
    assert (out(db, ALL), out(db, HOPED)) == (0, 0)
    assert (pool(db, ALL), pool(db, HOPED)) == (90, 40)
    book(db, [settled("a1", 25)], holder=None, policy=rules, now_ns=NOON)
    assert (pool(db, ALL), pool(db, HOPED)) == (125, 75)


def test_a_spent_limit_admits_nothing_more_by_expectation(db: Database) -> None:
    """The overdraft is left over, and is not planned with."""
    rules = drawn(100, 1_000)
    asked(db, rules, "h1", 1, both("a1", 300, 50))
    records = told(replace(sent("a1", 300, ALL, HOPED), balances=(ALL,), expected_nano=50), settled("a1", 95))
    answers = asked(db, rules, "h1", 2, both("a2", 300, 6), both("a3", 300, 5), records=records).answers
    assert [(answer.verdict, answer.reason) for answer in answers] == [
        (Verdict.REFUSED, "spent"),
        (Verdict.GRANTED, ""),
    ]


def test_a_charge_above_its_expectation_is_made_up_before_anything_is_admitted(db: Database) -> None:
    """Expected 50, cost 95: the 45 are spent, and what is out by expectation is nothing."""
    rules = drawn(1_000, 1_000)
    asked(db, rules, "h1", 1, both("a1", 300, 50))
    records = told(replace(sent("a1", 300, ALL, HOPED), balances=(ALL,), expected_nano=50), settled("a1", 95))
    response = asked(db, rules, "h1", 2, records=records)
    assert response.granted == {ALL: 300, HOPED: 95}
    assert (pool(db, HOPED), out(db, HOPED)) == (1_000 - 95, 0)
    assert (pool(db), out(db)) == (2_000 - 95 - 205, 205)


@pytest.mark.parametrize("end", ["goodbye", "death"])
def test_both_currencies_come_back_at_the_end_of_a_process(db: Database, end: str) -> None:
    """All but what is in flight; once a dead one's journal is read nothing is out at all."""
    rules = drawn(1_000, 1_000)
    asked(db, rules, "h1", 1, both("a1", 300, 50), both("a2", 300, 60))
    left = replace(sent("a1", 300, ALL, HOPED), balances=(ALL,), expected_nano=50)
    if end == "goodbye":
        asked(db, rules, "h1", 2, records=told(left), goodbye=True)
        assert (out(db), out(db, HOPED)) == (300, 50)
    book(db, [left], holder="h1", policy=rules, now_ns=NOON)
    close_holder(db, "h1", policy=rules, now_ns=NOON)
    assert (pool(db), out(db), out(db, HOPED)) == (2_000 - 300, 0, 0)


def test_a_lost_grant_of_both_currencies_is_made_once(db: Database) -> None:
    """Its answer travels with the next response."""
    rules = drawn(1_000, 1_000)
    for seq in (1, 2):
        response = asked(db, rules, "h1", seq, both("a1", 300, 50))
        assert response.granted == {ALL: 300, HOPED: 50}
    assert (out(db), out(db, HOPED)) == (300, 50)
    other = asked(db, rules, "h1", 3, both("a1", 300, 70))
    assert other.granted == {ALL: 600, HOPED: 120}, "it is expected to cost something else: another hold"


def test_a_rolling_balance_lends_again_what_has_rolled_out(db: Database) -> None:
    """Ninety of a hundred spent at noon are back two hours and a minute later; a clock set back lends nothing more."""
    rules = Policy(1, Mode.ENFORCE, budgets=(Budget("all", Limit("usd", 100), "rolling 2h", steps=(BLOCK,)),))
    key, hour = "all|rolling 2h|", 3_600 * 10**9
    book(db, [sent("a1", 90, key), settled("a1", 90)], holder="h0", policy=rules, now_ns=NOON)
    verdicts: list[Verdict] = []
    for seq, now_ns in enumerate((NOON, NOON + 2 * hour, NOON + 2 * hour + 60 * 10**9, NOON - 5 * hour)):
        request = message("h1", seq + 1, needs=(need(f"b{seq}", 20, None, key),), returned={key: 10**6})
        verdicts.append(sync(db, request, policy=rules, now_ns=now_ns).answers[0].verdict)
    assert verdicts == [Verdict.REFUSED, Verdict.REFUSED, Verdict.GRANTED, Verdict.REFUSED]


@pytest.mark.parametrize(
    ("most", "verdict", "reason"),
    [(100, Verdict.GRANTED, ""), (101, Verdict.REFUSED, "spent")],
)
def test_exactly_or_not_at_all(db: Database, most: int, verdict: Verdict, reason: str) -> None:
    """The agent's own need is never trimmed, and gets nothing on top however often it asks."""
    answer = lend_exactly(db, holders.OWN, need("a", most, 1), policy=policy(100), now_ns=NOON)
    assert (answer.verdict, answer.reason, out(db)) == (verdict, reason, 100 if reason == "" else 0)


def test_the_agents_own_asks_leave_nothing_lying_about(db: Database) -> None:
    """After fifty asks exactly their fifty is out; a process would have been lent ahead by then."""
    for n in range(50):
        assert lend_exactly(db, holders.OWN, need(f"a{n}", 1), policy=policy(10**9), now_ns=NOON).amount == 1
    assert out(db) == 50


def test_exactly_of_a_balance_that_the_policy_does_not_have(db: Database) -> None:
    """Nothing is lent of the others either."""
    answer = lend_exactly(db, holders.OWN, need("a", 1, 1, ALL, f"gone|{DAY}|"), policy=policy(100), now_ns=NOON)
    assert (answer.verdict, answer.reason) == (Verdict.WAIT, "no_balance")
    assert out(db) == 0
