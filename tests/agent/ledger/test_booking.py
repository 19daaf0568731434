"""Claims about booking: every charge once, in every balance it belongs to, in whatever order its records come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import attempts, balances, holders
from bursar.agent.ledger.booking import Booked, book, book_new, count_under, hold, orphan
from bursar.agent.ledger.life import Attempt, State
from bursar.policies.amounts import Limit
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction
from bursar.policies.records import Decided, Record, RecordError, Released, Sent, Settled
from bursar.policies.usage import Usage

NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
DAY = "2026-11-21T00:00:00Z"
HARD = f"all|{DAY}|"
SOFT = f"tenants|{DAY}|tenant=acme"
BLOCK = Step("100%", Fraction(1), None, (StepAction("block"),))
POLICY = Policy(
    version=1,
    mode=Mode.ENFORCE,
    budgets=(
        Budget("all", Limit("usd", 1_000), "day", steps=(BLOCK,)),
        Budget("tenants", Limit("usd", 500), "day", match={"tenant": "*"}, per=("tenant",)),
    ),
)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def sent(attempt_id: str = "a1", **changes: Any) -> Sent:
    whole = Sent(attempt_id, f"call-{attempt_id}", NOON, "support", "opus", "opus", {"tenant": "acme"})
    return replace(whole, balances=(HARD, SOFT), leased=(HARD,), bound_nano=100, expected_nano=40, **changes)


def charge(attempt_id: str = "a1", cost: int | None = 30, basis: Basis = Basis.USAGE, **changes: Any) -> Charge:
    whole = Charge(attempt_id, cost, Usage(input=3, output=1), basis, "opus", "opus", "support", at_ns=NOON)
    return replace(whole, call_id=f"call-{attempt_id}", labels={"tenant": "acme"}, **changes)


def settled(attempt_id: str = "a1", cost: int | None = 30, basis: Basis = Basis.USAGE, **changes: Any) -> Settled:
    return Settled(charge(attempt_id, cost, basis, **changes))


def told(db: Database, *records: Record, by: str | None = "h1", policy: Policy | None = POLICY) -> Booked:
    return book(db, records, holder=by, policy=policy, now_ns=NOON)


def spent(db: Database) -> dict[str, tuple[int, int, int]]:
    rows = db.conn.execute("SELECT key, spent_nano, unknown_nano, calls FROM balances ORDER BY key").fetchall()
    return {key: (nano, unknown, calls) for key, nano, unknown, calls in rows}


def folded(db: Database) -> dict[str, tuple[int, int, int]]:
    rows = db.conn.execute(
        "SELECT key, coalesce(sum(nano), 0), coalesce(sum(p.unknown_nano), 0), count(p.attempt_id) "
        "FROM balances LEFT JOIN postings AS p ON p.balance = key GROUP BY key"
    ).fetchall()
    return {key: (nano, unknown, calls) for key, nano, unknown, calls in rows}


def leases(db: Database) -> dict[tuple[str, str], tuple[int, int, int]]:
    rows = db.conn.execute("SELECT balance, holder, granted, returned, charged FROM leases").fetchall()
    return {(key, holder): (granted, returned, charged) for key, holder, granted, returned, charged in rows}


def test_a_settled_attempt_counts_in_every_balance_it_named(db: Database) -> None:
    """At its cost, and no longer as expected."""
    told(db, sent())
    assert db.conn.execute("SELECT balance, expected, lent FROM holds").fetchall() == [
        (HARD, 40, 100),
        (SOFT, 40, 0),
    ]
    assert spent(db) == {HARD: (0, 0, 0), SOFT: (0, 0, 0)}
    booked = told(db, settled())
    assert spent(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1)}
    assert balances.expected(db, HARD) == 0
    assert booked.balances == {HARD, SOFT}


STATES: dict[str, tuple[list[Record], State, int, int]] = {
    "sent": ([sent()], State.SENT, 0, 0),
    "settled": ([sent(), settled()], State.SETTLED, 30, 0),
    "released": ([sent(), Released("a1")], State.RELEASED, 0, 0),
    "streaming": ([sent(), Settled(charge(cost=5), final=False)], State.PROVISIONAL, 0, 0),
    "streamed": ([sent(), Settled(charge(cost=5), final=False), settled()], State.SETTLED, 30, 0),
    "unknown": ([sent(), settled(cost=None, basis=Basis.UNKNOWN)], State.SETTLED, 100, 100),
    "corrected": ([sent(), settled(cost=None, basis=Basis.UNKNOWN), settled(cost=31)], State.SETTLED, 31, 0),
    "estimated": ([sent(), settled(cost=60, basis=Basis.ESTIMATE)], State.SETTLED, 60, 60),
    "told by both": ([sent(), settled(cost=33, basis=Basis.SPAN), settled()], State.SETTLED, 30, 0),
    "released but billed": ([sent(), Released("a1"), settled()], State.SETTLED, 30, 0),
    "aborted but free": ([sent(), settled(cost=9, basis=Basis.ESTIMATE), Released("a1")], State.RELEASED, 0, 0),
    "never announced": ([settled()], State.SETTLED, 30, 0),
}


@pytest.mark.parametrize("name", list(STATES))
def test_every_order_and_repetition_ends_the_same(name: str) -> None:
    """All orders of an attempt's records, each then told once more in full."""
    records, state, nano, unknown = STATES[name]
    for order in permutations(records):
        for again in ([], list(order), list(reversed(order))):
            with fresh.ledger() as db:
                told(db, *order, *again)
                attempt = attempts.load(db, "a1")
                assert attempt is not None
                assert attempt.state is state, order
                figures = (nano, unknown, int(state is State.SETTLED))
                assert [spent(db).get(key, (0, 0, 0)) for key in (HARD, SOFT)] == [figures, figures], order
                assert balances.expected(db, HARD) == (40 if attempt.open else 0)


def test_nothing_changes_and_nothing_is_touched_by_a_repetition(db: Database) -> None:
    """A message that comes twice books once."""
    told(db, sent(), settled())
    assert told(db, sent(), settled()) == Booked()


@pytest.mark.parametrize(
    ("tenant", "keys"),
    [({"tenant": "acme"}, {HARD, SOFT}), ({"tenant": "bob"}, {HARD, f"tenants|{DAY}|tenant=bob"}), ({}, {HARD})],
)
def test_an_attempt_that_names_no_balances_is_matched(db: Database, tenant: dict[str, str], keys: set[str]) -> None:
    """All budgets that match, hard or not."""
    told(db, replace(sent(), balances=None, leased=(), labels=tenant), settled())
    assert spent(db) == dict.fromkeys(keys, (30, 0, 1))


@pytest.mark.parametrize("policy", [POLICY, None])
def test_new_charges_are_booked_at_once_as_one_by_one(policy: Policy | None) -> None:
    """Every table is the same afterwards; figures that cannot be true are left out, and what is rolled up."""
    charges = [
        replace(charge(f"a{number}", basis=basis, request_id=f"req_{number}"), labels={"tenant": f"t{number % 2}"})
        for number, basis in enumerate((Basis.SPAN, Basis.ESTIMATE, Basis.SPAN))
    ]
    with fresh.ledger() as slowly, fresh.ledger() as fast:
        for one in charges:
            book(slowly, [Settled(one)], holder=None, policy=policy, now_ns=NOON)
        untrue = charge("absurd", cost=2**63)
        booked, number = book_new(fast, [*charges, untrue], policy=policy, now_ns=NOON)
        assert (number, booked.balances) == (3, frozenset(spent(fast)))
        for table in ("attempts", "balances", "postings", "flows", "holds", "leases", "meters"):
            rows = [db.conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for db in (slowly, fast)]
            assert rows[0] == rows[1], table
        assert attempts.strangers(fast, [charge("new"), charges[0]]) == [True, False]


SAME: dict[str, str] = {}
SHARING: list[tuple[list[dict[str, str]], list[bool]]] = [
    ([SAME, {"attempt_id": "b"}], [True, True]),
    ([SAME, SAME], [False, False]),
    ([SAME, {"attempt_id": "b", "request_id": "known"}], [True, False]),
    ([SAME, {"attempt_id": "b", "response_id": "known"}], [True, False]),
    ([{"request_id": "r"}, {"attempt_id": "b", "request_id": "r"}, {"attempt_id": "c"}], [False, False, True]),
]


@pytest.mark.parametrize(("names", "alone"), SHARING)
def test_strangers_share_no_name_with_anybody(db: Database, names: list[dict[str, str]], alone: list[bool]) -> None:
    """Neither with what the ledger has, nor with each other."""
    told(db, Settled(replace(charge("old"), request_id="known", response_id="known")), by=None)
    asked = [replace(charge("a"), **one) for one in names]  # type: ignore[arg-type]
    assert attempts.strangers(db, asked) == alone


def test_an_attempt_that_counts_under_another_counts_nothing_itself(db: Database) -> None:
    """Its postings are taken back; one that nobody knows, or that does so already, is none."""
    told(db, settled("a1", basis=Basis.SPAN), settled("a2", basis=Basis.SPAN), by=None)
    before = spent(db)
    touched = count_under(db, "a2", "a1", policy=POLICY, now_ns=NOON).balances
    assert touched
    assert {key: spent(db)[key][0] for key in touched} == {key: before[key][0] - 30 for key in touched}
    assert count_under(db, "a2", "a1", policy=POLICY, now_ns=NOON) == Booked()
    assert count_under(db, "nobody", "a1", policy=POLICY, now_ns=NOON) == Booked()


def test_a_span_of_others_is_matched_when_it_was_sent(db: Database) -> None:
    """The window of yesterday, for a span that arrives today."""
    yesterday = NOON - 86_400 * 10**9
    book(db, [settled(at_ns=yesterday)], holder=None, policy=POLICY, now_ns=NOON)
    assert spent(db) == {key.replace("11-21", "11-20"): (30, 0, 1) for key in (HARD, SOFT)}
    attempt = attempts.load(db, "a1")
    assert attempt is not None
    assert attempt.source == "span"


def test_an_attempt_sent_before_midnight_settles_in_the_old_window(db: Database) -> None:
    """The window is fixed when it is sent, not when its figures come."""
    late = NOON + (12 * 3600 - 1) * 10**9
    told(db, replace(sent(), at_ns=late, balances=None, leased=()))
    book(db, [settled(at_ns=late + 5 * 10**9)], holder="h1", policy=POLICY, now_ns=late + 5 * 10**9)
    assert spent(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1)}


def test_a_balance_takes_its_numbers_from_the_policy(db: Database) -> None:
    """Limit, ceiling and window; a changed limit is taken over, a removed budget keeps its last numbers."""
    told(db, sent(), settled())
    raised = Budget("all", Limit("usd", 2_000), "day", steps=(BLOCK,), overdraft_nano=5)
    told(db, sent("a2"), settled("a2"), policy=replace(POLICY, budgets=(raised,)))
    row = balances.read(db, HARD, NOON)
    assert row is not None
    assert (row.limit, row.ceiling, row.spent) == (2_000, 2_005, 60)
    told(db, sent("a3"), settled("a3"), policy=None)
    row = balances.read(db, HARD, NOON)
    assert row is not None
    assert (row.limit, row.ceiling, row.spent) == (2_000, 2_005, 90)
    assert row.window_end == NOON + 12 * 3600 * 10**9


def test_a_balance_of_an_unknown_budget_counts_all_the_same(db: Database) -> None:
    """A guard with an older policy names it: the money is counted, and no limit is made up."""
    told(db, replace(sent(), balances=("gone|x|", "odd"), leased=()), settled())
    assert spent(db) == {"gone|x|": (30, 0, 1), "odd": (30, 0, 1)}
    assert balances.views(db, ["gone|x|", "odd"], POLICY, NOON) == ()


def test_money_spent_under_no_policy_belongs_to_no_later_budget(db: Database) -> None:
    """The charge is kept, and a policy written afterwards does not count it."""
    told(db, settled(), policy=None)
    told(db, settled(), policy=POLICY)
    assert spent(db) == {}


def test_what_was_matched_once_stays_so(db: Database) -> None:
    """A late record that names no balances, while the policy cannot be read, takes no charge out of them."""
    told(db, settled())
    told(db, replace(sent(), balances=None, leased=()), policy=None)
    assert spent(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1)}


def test_an_attempt_sent_before_there_was_a_policy_is_matched_when_it_settles(db: Database) -> None:
    """As long as it has not counted, it can still be matched."""
    told(db, replace(sent(), balances=None, leased=()), policy=None)
    told(db, settled(), policy=POLICY)
    assert spent(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1)}


@pytest.mark.parametrize(
    ("cost", "basis", "granted", "charged"),
    [
        (30, Basis.USAGE, 500, 30),
        (100, Basis.USAGE, 500, 100),
        (130, Basis.USAGE, 530, 130),
        (None, Basis.UNKNOWN, 500, 100),
    ],
)
def test_a_lease_pays_what_its_process_told(
    db: Database, cost: int | None, basis: Basis, granted: int, charged: int
) -> None:
    """The cost, or the bound where there is none; what exceeds the hold is granted by the fact."""
    holders.grant(db, "h1", HARD, 500)
    told(db, sent(), settled(cost=cost, basis=basis))
    assert leases(db) == {(HARD, "h1"): (granted, 0, charged)}
    told(db, settled(cost=7, basis=Basis.USAGE), settled(cost=8, basis=Basis.SPAN))
    assert leases(db) == {(HARD, "h1"): (granted, 0, charged)}


def test_a_span_moves_the_balance_and_leaves_the_lease_to_its_process(db: Database) -> None:
    """The process takes its own word off its lease, so the agent does as well."""
    holders.grant(db, "h1", HARD, 500)
    told(db, sent())
    told(db, settled(cost=33, basis=Basis.SPAN), by=None)
    assert (spent(db)[HARD], leases(db)) == ((33, 0, 1), {(HARD, "h1"): (500, 0, 0)})
    told(db, settled(cost=None, basis=Basis.UNKNOWN))
    assert (spent(db)[HARD], leases(db)) == ((33, 0, 1), {(HARD, "h1"): (500, 0, 100)})


def test_a_lease_nobody_remembers_never_falls_below_zero(db: Database) -> None:
    """An agent that lost its ledger grants by the fact what was spent."""
    told(db, sent(), settled())
    assert leases(db) == {(HARD, "h1"): (30, 0, 30)}
    holders.grant(db, "h2", HARD, 10)
    told(db, sent("a2"), settled("a2"), by="h2")
    assert leases(db)[HARD, "h2"] == (30, 0, 30)


def test_a_release_gives_back_the_hold_and_charges_nothing(db: Database) -> None:
    """Neither the balance nor the lease."""
    holders.grant(db, "h1", HARD, 500)
    told(db, sent(), Released("a1"))
    assert leases(db) == {(HARD, "h1"): (500, 0, 0)}
    assert spent(db) == {HARD: (0, 0, 0), SOFT: (0, 0, 0)}


def test_orphans_hold_their_bound_until_their_usage_turns_up(db: Database) -> None:
    """Sent and never told: the bound, as an estimate; then the exact difference in every balance."""
    told(db, sent("a1"), sent("a2"), settled("a2", cost=10), Settled(charge("a3", cost=5), final=False))
    told(db, replace(sent("a3"), bound_nano=None))
    hold(db, Attempt("a4", holder="h1", bound_nano=50, leased=(HARD,)))
    booked = orphan(db, "h1", policy=POLICY, now_ns=NOON)
    assert booked.balances == {HARD, SOFT}
    # a1 at its bound of 100, a2 at 10, a3 at the 5 its stream had shown; a4 never left.
    assert spent(db) == {HARD: (115, 105, 3), SOFT: (115, 105, 3)}
    assert balances.expected(db, HARD) == 0
    assert leases(db) == {(HARD, "h1"): (110, 0, 110)}
    told(db, settled("a1", cost=12))
    assert spent(db) == {HARD: (27, 5, 3), SOFT: (27, 5, 3)}
    assert leases(db) == {(HARD, "h1"): (110, 0, 110)}
    assert orphan(db, "h1", policy=POLICY, now_ns=NOON) == Booked()


def test_only_the_dead_process_is_orphaned(db: Database) -> None:
    """The attempts of others stay in flight."""
    told(db, sent("a1"), by="h1")
    told(db, sent("a2"), by="h2")
    orphan(db, "h1", now_ns=NOON)
    other = attempts.load(db, "a2")
    assert other is not None
    assert other.state is State.SENT


SPAN_FIRST: list[tuple[str | None, Record]] = [
    (None, settled("span-1", cost=33, basis=Basis.SPAN, response_id="msg_1")),
    ("h1", sent()),
    ("h1", settled(response_id="msg_1")),
]


@pytest.mark.parametrize("order", list(permutations(SPAN_FIRST)))
def test_a_response_counts_once_however_many_told_of_it(
    db: Database, order: Sequence[tuple[str | None, Record]]
) -> None:
    """The attempt that was really sent keeps it, with the more exact figures; the other is its duplicate."""
    duplicates = [told(db, record, by=by).duplicates for by, record in order]
    assert spent(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1)}
    assert any(duplicates)
    keeper = attempts.with_response(db, "msg_1")
    twin = attempts.load(db, "span-1")
    assert keeper is not None
    assert twin is not None
    assert (keeper.attempt_id, keeper.state, twin.duplicate_of) == ("a1", State.SETTLED, "a1")
    assert leases(db) == {(HARD, "h1"): (30, 0, 30)}


def test_a_span_settles_the_stream_that_named_its_response(db: Database) -> None:
    """A process that died after the first event: the message id leads the span's figures to its attempt."""
    told(db, sent(), Settled(charge(cost=5, response_id="msg_1"), final=False))
    orphan(db, "h1", now_ns=NOON)
    booked = told(db, settled("span-1", cost=33, basis=Basis.SPAN, response_id="msg_1"), by=None)
    assert booked.duplicates == ("span-1",)
    assert spent(db) == {HARD: (33, 0, 1), SOFT: (33, 0, 1)}


def test_of_two_sent_attempts_with_one_response_one_counts(db: Database) -> None:
    """The first keeps it, with the more exact figures, and the second is in flight no more."""
    told(db, sent("a1"), sent("a2"))
    told(db, settled("a1", cost=33, basis=Basis.SPAN, response_id="msg_1"))
    told(db, settled("a2", cost=30, response_id="msg_1"), sent("a2"))
    assert spent(db)[HARD] == (30, 0, 1)
    keeper = attempts.with_response(db, "msg_1")
    assert keeper is not None
    assert keeper.attempt_id == "a1"
    assert orphan(db, "h1", now_ns=NOON) == Booked()


def result(cost: int | None = 30, basis: Basis = Basis.USAGE) -> Settled:
    """A batch's result: a charge nobody announced, under an id made of its message's."""
    return settled("batch-msg_1", cost, basis, response_id="msg_1", modifiers=("batch",))


@pytest.mark.parametrize("readers", [("h1", "h1"), ("h1", "h2"), ("h1", None), (None, "h1")])
def test_a_batch_result_counts_once_whoever_reads_it(db: Database, readers: Sequence[str | None]) -> None:
    """Twice by one process, by two, or told by a span, too: in the balances that match, and off nobody's lease."""
    told(db, result(), by=readers[0])
    again = replace(result().charge, labels={"tenant": "bob"}, route="elsewhere", at_ns=NOON + 1)
    told(db, Settled(again), by=readers[1])
    assert spent(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1)}
    assert leases(db) == {}
    attempt = attempts.load(db, "batch-msg_1")
    assert attempt is not None
    assert (attempt.state, attempt.balances, attempt.route) == (State.SETTLED, (HARD, SOFT), "support")
    assert not attempt.open
    assert orphan(db, "h1", now_ns=NOON) == Booked()


def test_a_batch_result_that_was_unknown_is_corrected(db: Database) -> None:
    """By a reader whose price file knows its model; not the other way round."""
    told(db, result(None, Basis.UNKNOWN))
    assert spent(db) == {HARD: (0, 0, 1), SOFT: (0, 0, 1)}
    told(db, result(30), by="h2")
    told(db, result(None, Basis.UNKNOWN), by="h3")
    assert spent(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1)}


@pytest.mark.parametrize("order", list(permutations([sent(), settled(response_id="msg_1"), result()])))
def test_a_call_that_was_answered_by_a_batch_result_counts_once(db: Database, order: Sequence[Record]) -> None:
    """Under the attempt that was sent, which its lease pays for."""
    told(db, *order)
    assert spent(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1)}
    twin = attempts.load(db, "batch-msg_1")
    assert twin is not None
    assert twin.duplicate_of == "a1"
    assert leases(db) == {(HARD, "h1"): (30, 0, 30)}


def test_two_spans_of_one_response_count_once(db: Database) -> None:
    """Two exporters saw the same call, and only then its own process told."""
    first = settled("span-1", cost=33, basis=Basis.SPAN, response_id="msg_1")
    told(db, first, settled("span-2", cost=34, basis=Basis.SPAN, response_id="msg_1"), by=None)
    assert spent(db)[HARD] == (33, 0, 1)
    told(db, sent(), settled(response_id="msg_1"))
    told(db, settled("span-2", cost=34, basis=Basis.SPAN, response_id="msg_1"), by=None)
    assert spent(db)[HARD] == (30, 0, 1)
    assert {twin.attempt_id for twin in attempts.duplicates_of(db, "a1")} == {"span-1", "span-2"}


NAMELESS = (None, settled("span-1", cost=33, basis=Basis.SPAN, request_id="req_1"))
OWN = ("h1", settled(request_id="req_1", response_id="msg_1"))
NAMED = (None, settled("span-1", cost=33, basis=Basis.SPAN, request_id="req_1", response_id="msg_1"))
OWN_NAMELESS = ("h1", settled(request_id="req_1"))
BEGUN = ("h1", Settled(charge(cost=5, response_id="msg_1"), final=False))


@pytest.mark.parametrize(
    "order",
    [
        (NAMELESS, ("h1", sent()), OWN),
        (("h1", sent()), NAMELESS, OWN),
        (NAMELESS, OWN, ("h1", sent())),
        (NAMED, ("h1", sent()), OWN_NAMELESS),
        (NAMED, OWN_NAMELESS, ("h1", sent())),
        (("h1", sent()), BEGUN, NAMELESS, OWN),
        (BEGUN, NAMELESS, OWN, ("h1", sent())),
        (BEGUN, NAMELESS, OWN_NAMELESS, ("h1", sent())),
    ],
)
def test_a_span_that_came_first_is_found_by_its_request(
    db: Database, order: Sequence[tuple[str | None, Record]]
) -> None:
    """One of the two names no message; the journal's attempt takes the charge over, and both names lead to it."""
    for by, record in (*order, *order):
        told(db, record, by=by)
        assert len(attempts.duplicates_of(db, "span-1")) + len(attempts.duplicates_of(db, "a1")) <= 1
    assert spent(db) == folded(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1)}
    keeper = attempts.with_response(db, "msg_1")
    twin = attempts.load(db, "span-1")
    assert keeper is not None
    assert twin is not None
    assert (keeper.attempt_id, keeper.request_id, twin.duplicate_of) == ("a1", "req_1", "a1")
    assert leases(db) == {(HARD, "h1"): (30, 0, 30)}
    assert [told(db, record, by=by).balances for by, record in order] == [frozenset()] * len(order)


@pytest.mark.parametrize("known", [True, False])
def test_before_its_sent_record_a_charge_counts_under_the_span_of_its_request(db: Database, known: bool) -> None:
    """Also where the attempt had named its message already, which it then gives up."""
    for by, record in (BEGUN, NAMELESS, OWN) if known else (NAMELESS, OWN):
        told(db, record, by=by)
    assert spent(db)[HARD] == (30, 0, 1)
    keeper = attempts.with_response(db, "msg_1")
    assert keeper is not None
    assert (keeper.attempt_id, keeper.source) == ("span-1", "journal")


@pytest.mark.parametrize(
    ("records", "calls"),
    [
        ((settled("b1", request_id="req_1", response_id="m1"), settled("b2", request_id="req_1", response_id="m2")), 2),
        ((sent("b1"), settled("b1", request_id="req_1"), settled("b2", request_id="req_1", response_id="m2")), 2),
        ((settled("b1", request_id="req_1"), settled("b2", request_id="req_2", response_id="m2")), 2),
        ((settled("b1"), settled("b2", response_id="m2")), 2),
        (
            (
                settled("b1", request_id="req_1", response_id="m1"),
                settled("b2", request_id="req_1", response_id="m2"),
                settled("b3", request_id="req_1"),
            ),
            3,
        ),
    ],
)
def test_a_request_alone_makes_no_two_charges_one(db: Database, records: Sequence[Record], calls: int) -> None:
    """A batch's results share it; an attempt that a process told of, or of another request or none, is another's."""
    assert told(db, *records, *records).duplicates == ()
    assert spent(db)[HARD] == (30 * calls, 0, calls)


def span_of(place: int, message: str) -> tuple[None, Settled]:
    return None, settled(f"span-{place}", cost=33, basis=Basis.SPAN, request_id="req_1", response_id=message)


@pytest.mark.parametrize(
    ("order", "figures"),
    [
        ((span_of(1, "m1"), ("h1", settled(request_id="req_1", response_id="m2"))), (63, 0, 2)),
        ((span_of(1, "m1"), span_of(2, "m2"), OWN_NAMELESS), (96, 0, 3)),
        ((span_of(1, "m2"), BEGUN, OWN_NAMELESS), (63, 0, 2)),
        ((span_of(1, "m1"), span_of(2, "m1"), OWN_NAMELESS), (30, 0, 1)),
    ],
)
def test_of_the_spans_of_one_request_only_a_single_one_that_may_be_meant_is_taken(
    db: Database, order: Sequence[tuple[str | None, Record]], figures: tuple[int, int, int]
) -> None:
    """Not one with another message, nor one of two; two that are known as one response are one."""
    for by, record in (*order, *order):
        told(db, record, by=by)
    assert spent(db)[HARD] == figures


def test_a_span_of_an_attempt_that_was_sent_is_no_others(db: Database) -> None:
    """It waits for its own process's word; another attempt of the same request counts by itself."""
    told(db, sent("b1"))
    told(db, settled("b1", basis=Basis.SPAN, request_id="req_1"), by=None)
    assert told(db, settled("b2", request_id="req_1", response_id="m2")).duplicates == ()
    assert spent(db)[HARD] == (60, 0, 2)


def test_refusals_and_changes_are_kept_with_their_numbers(db: Database) -> None:
    """Each once; a call that went as it was leaves no decision."""
    refusal = Decided("c9", NOON, "support", "opus", "block", "spent", {"tenant": "acme"}, {"most": 5})
    change = replace(sent("a2"), action="downgrade", reason="step", decision={"step": "80%"})
    told(db, refusal, change, sent("a1"), refusal, change)
    rows = db.conn.execute("SELECT call_id, action, reason, decision FROM decisions ORDER BY call_id").fetchall()
    assert rows == [("c9", "block", "spent", '{"most": 5}'), ("call-a2", "downgrade", "step", '{"step": "80%"}')]


@pytest.mark.parametrize(
    "record",
    [
        settled(cost=-1),
        settled(cost=2**63),
        replace(sent(), bound_nano=-5),
        replace(sent(), expected_nano=0.5),  # type: ignore[arg-type]
        Settled(replace(charge(), usage=Usage(output=-1))),
        Decided("c", -1, "r", "m", "block", "spent"),
    ],
)
def test_figures_that_cannot_be_true_are_refused(db: Database, record: Record) -> None:
    """A negative cost would lift a limit; nothing of such a record is kept."""
    with pytest.raises(RecordError, match="must be a whole number from 0"):
        told(db, record)
    assert spent(db) == {}


def test_a_hold_does_not_set_an_attempt_back(db: Database) -> None:
    """The answer to a repeated question comes after the attempt has left."""
    told(db, sent(), settled())
    hold(db, Attempt("a1", holder="h1", bound_nano=999, leased=(HARD,)))
    attempt = attempts.load(db, "a1")
    assert attempt is not None
    assert (attempt.state, attempt.bound_nano) == (State.SETTLED, 100)


def test_a_held_attempt_whose_sent_record_was_lost_still_pays_its_lease(db: Database) -> None:
    """Its hold names the lease; the policy names the other balances."""
    other = f"tenants|{DAY}|tenant=zoe"
    for key in (HARD, other):
        holders.grant(db, "h1", key, 100)
    hold(db, Attempt("a1", holder="h1", at_ns=NOON, bound_nano=100, leased=(HARD, other)))
    told(db, settled())
    assert leases(db) == {(HARD, "h1"): (100, 0, 30), (other, "h1"): (100, 0, 30)}
    assert spent(db) == {HARD: (30, 0, 1), SOFT: (30, 0, 1), other: (30, 0, 1)}


SCRIPT: list[tuple[str | None, Record]] = [
    ("h1", sent("a1")),
    ("h1", Settled(charge("a1", cost=5, response_id="msg_1"), final=False)),
    ("h1", settled("a1", response_id="msg_1")),
    (None, settled("s1", cost=29, basis=Basis.SPAN, response_id="msg_1")),
    ("h1", sent("a2")),
    ("h1", Released("a2")),
    ("h2", replace(sent("a3"), balances=None, leased=(HARD,))),
    ("h2", settled("a3", cost=None, basis=Basis.UNKNOWN)),
    (None, settled("a3", cost=41, basis=Basis.SPAN)),
    ("h2", sent("a4")),
    ("h2", settled("a4", cost=170)),
    ("h2", sent("a5")),
    (None, settled("s2", cost=11, basis=Basis.SPAN, response_id="msg_2")),
    (None, settled("s3", cost=None, basis=Basis.UNKNOWN, response_id="msg_2")),
]
CLEAN = {HARD: (30 + 41 + 170 + 11, 0, 4), SOFT: (30 + 41 + 170 + 11, 0, 4)}
CLEAN_LEASES = {(HARD, "h1"): (1_000, 0, 30), (HARD, "h2"): (1_070, 0, 270)}


@settings(max_examples=150, deadline=None)
@given(
    order=st.permutations(SCRIPT),
    repeats=st.lists(st.tuples(st.integers(0, len(SCRIPT)), st.sampled_from(SCRIPT)), max_size=12),
)
def test_any_interleaving_and_duplication_gives_the_clean_balances(
    order: list[tuple[str | None, Record]], repeats: list[tuple[int, tuple[str | None, Record]]]
) -> None:
    """Five attempts, two processes, three spans: one sum, whatever the order, and it is the fold of the postings."""
    for place, again in repeats:
        order.insert(place, again)
    with fresh.ledger() as db:
        for holder in ("h1", "h2"):
            holders.grant(db, holder, HARD, 1_000)
        for by, record in order:
            told(db, record, by=by)
            assert spent(db) == folded(db)
        assert spent(db) == CLEAN
        assert leases(db) == CLEAN_LEASES
        assert balances.expected(db, HARD) == 40
