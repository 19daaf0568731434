"""Claims about postings: balances and flows are exact folds over them, whatever comes in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger.booking import book, hold, orphan
from bursar.agent.ledger.life import Attempt, State
from bursar.agent.ledger.postings import bring
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.records import Record, Released, Sent, Settled
from bursar.policies.usage import Usage

NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
DAY = "2026-11-21T00:00:00Z"
MONEY, TOKENS, TALK = f"money|{DAY}|", "lately|rolling 2h||tokens", "talk|conversation c1|"
HOPED = f"{MONEY}|expected"
POLICY = parse_policy(
    """
version = 1
mode = "enforce"
[[budget]]
name = "money"
limit = "1 USD"
every = "day"
overdraft = "1 USD"
at = { "100%" = "block" }
[[budget]]
name = "lately"
limit = "5000 tokens"
every = "rolling 2h"
[[budget]]
name = "talk"
limit = "1 USD"
every = "conversation"
""",
    file="p.toml",
)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def standing(db: Database) -> dict[str, tuple[int, int, int, int]]:
    rows = db.conn.execute("SELECT key, spent_nano, unknown_nano, spent_tokens, calls FROM balances").fetchall()
    return {key: tuple(figures) for key, *figures in rows if any(figures)}


def folded(db: Database) -> dict[str, tuple[int, int, int, int]]:
    rows = db.conn.execute(
        "SELECT balance, sum(nano), sum(unknown_nano), sum(tokens), count(*) FROM postings GROUP BY balance"
    ).fetchall()
    return {key: tuple(figures) for key, *figures in rows}


def flowing(db: Database) -> dict[tuple[str, str, int, int], tuple[int, int, int]]:
    rows = db.conn.execute("SELECT budget, scope, seconds, slot, nano, tokens, calls FROM flows").fetchall()
    return {tuple(row[:4]): tuple(row[4:]) for row in rows if any(row[4:])}


def flows_folded(db: Database) -> dict[tuple[str, str, int, int], tuple[int, int, int]]:
    """Both lengths of slot, added up from the postings alone."""
    rows = db.conn.execute("SELECT balance, at_ns, nano, tokens FROM postings").fetchall()
    sums: dict[tuple[str, str, int, int], tuple[int, int, int]] = {}
    for key, at_ns, nano, tokens in rows:
        budget, window, scope = key.split("|")[:3]
        whose = f"{scope}|{window}" if window.startswith("conversation") else scope
        for seconds in (60, 3_600):
            slot = (budget, whose, seconds, at_ns // (seconds * 10**9))
            before = sums.get(slot, (0, 0, 0))
            sums[slot] = (before[0] + nano, before[1] + tokens, before[2] + 1)
    return {slot: figures for slot, figures in sums.items() if any(figures)}


def settled_attempt(**changes: Any) -> Attempt:
    charge = Charge("a1", 30, Usage(input=3, output=4), Basis.USAGE, "m", "m", "r", at_ns=NOON)
    whole = Attempt("a1", state=State.SETTLED, at_ns=NOON, charge=charge, balances=(MONEY, TOKENS, TALK), sent=True)
    return replace(whole, **changes)


def test_an_attempt_counts_in_every_kind_in_each_of_its_balances(db: Database) -> None:
    """Nano-dollars, tokens and one call; balance and flows move in one step."""
    moved = bring(db, settled_attempt(), policy=POLICY, now_ns=NOON)
    assert moved == {MONEY, TOKENS, TALK}
    assert standing(db) == folded(db) == dict.fromkeys((MONEY, TOKENS, TALK), (30, 0, 7, 1))
    assert flowing(db) == flows_folded(db)
    assert flowing(db)["talk", "|conversation c1", 60, NOON // (60 * 10**9)] == (30, 7, 1)


def test_bringing_it_again_moves_nothing(db: Database) -> None:
    """Nor the hour at which the balance last moved."""
    bring(db, settled_attempt(), policy=POLICY, now_ns=NOON)
    assert bring(db, settled_attempt(), policy=POLICY, now_ns=NOON + 1) == set()
    assert db.conn.execute("SELECT DISTINCT moved_ns FROM balances").fetchall() == [(NOON,)]


def test_a_corrected_instant_moves_the_flow(db: Database) -> None:
    """Out of the one minute and hour, into the other."""
    bring(db, settled_attempt(at_ns=NOON - 1), policy=POLICY, now_ns=NOON)
    bring(db, settled_attempt(), policy=POLICY, now_ns=NOON)
    assert flowing(db) == flows_folded(db)
    assert {slot for _, _, seconds, slot in flowing(db) if seconds == 3_600} == {NOON // (3_600 * 10**9)}


def test_what_no_longer_counts_leaves_nothing(db: Database) -> None:
    """Neither in balances nor in flows; a key that is none of ours has no flow at all."""
    counted = settled_attempt(balances=(MONEY, "odd"))
    bring(db, counted, policy=POLICY, now_ns=NOON)
    assert standing(db) == folded(db) == dict.fromkeys((MONEY, "odd"), (30, 0, 7, 1))
    assert {budget for budget, *_ in flowing(db)} == {"money"}
    bring(db, replace(counted, duplicate_of="a0"), policy=POLICY, now_ns=NOON)
    assert (standing(db), folded(db), flowing(db)) == ({}, {}, {})


def test_an_attempt_known_by_its_lease_alone_counts_once_in_its_balance() -> None:
    """The second currency lends, and nothing is counted in it: its `sent` record was lost."""
    charge = Charge("a1", 30, Usage(input=3, output=4), Basis.USAGE, "m", "m", "r", at_ns=NOON)
    for policy in (POLICY, None):
        with fresh.ledger() as db:
            from_lease = Attempt("a1", holder="h1", bound_nano=100, expected_nano=40, leased=(MONEY, HOPED))
            hold(db, from_lease)
            book(db, [Settled(charge)], holder="h1", policy=policy, now_ns=NOON)
            assert HOPED not in folded(db)
            assert standing(db)[MONEY] == (30, 0, 7, 1)
            assert flowing(db) == flows_folded(db)
            assert flowing(db)["money", "", 60, NOON // (60 * 10**9)] == (30, 7, 1)


ATTEMPTS, RESPONSES = ("a1", "a2", "a3"), (None, "m1", "m2")
NAMES = st.sampled_from(ATTEMPTS)
INSTANTS = st.sampled_from((NOON, NOON + 59 * 10**9, NOON + 60 * 10**9, NOON - 3_600 * 10**9))


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    named = draw(st.sampled_from([None, (MONEY,), (MONEY, TOKENS, TALK), (TALK,)]))
    leased = draw(st.sampled_from([(), (MONEY, HOPED), (TOKENS,)]))
    name = draw(NAMES)
    figures = draw(st.sampled_from([(100, 40, 500, 90), (None, 0, None, 0)]))
    return Sent(
        *(name, name, draw(INSTANTS), "r", "m", "m"),
        balances=named,
        leased=leased,
        bound_nano=figures[0],
        expected_nano=figures[1],
        bound_tokens=figures[2],
        expected_tokens=figures[3],
    )


@st.composite
def settled(draw: st.DrawFn) -> Settled:
    basis = draw(st.sampled_from(list(Basis)))
    cost = None if basis is Basis.UNKNOWN else draw(st.integers(0, 150))
    usage = Usage() if basis is Basis.UNKNOWN else Usage(input=draw(st.integers(0, 9)), output=draw(st.integers(0, 9)))
    charge = Charge(draw(NAMES), cost, usage, basis, "m", "m", "r", at_ns=draw(INSTANTS))
    named = replace(
        charge, response_id=draw(st.sampled_from(RESPONSES)), request_id=draw(st.sampled_from([None, "q1"]))
    )
    return Settled(named, final=draw(st.booleans()))


TELLERS = st.sampled_from(["h1", "h2", None])
WORDS = st.tuples(TELLERS, st.one_of(sent(), settled(), NAMES.map(Released), st.just(None)))


@settings(max_examples=150, deadline=None)
@given(words=st.lists(WORDS, max_size=14))
def test_balances_and_flows_are_folds_over_postings(words: list[tuple[str | None, Record | None]]) -> None:
    """Any records of any tellers in any order, merged as duplicates or orphaned in between: nothing gets lost."""
    with fresh.ledger() as db:
        for teller, record in words:
            if record is None:
                orphan(db, teller or "h1", policy=POLICY, now_ns=NOON)
            else:
                book(db, [record], holder=teller, policy=POLICY, now_ns=NOON)
            assert standing(db) == folded(db)
            assert flowing(db) == flows_folded(db)
            assert HOPED not in folded(db)
        lowest = db.conn.execute("SELECT min(granted - returned - charged) FROM leases").fetchone()[0]
        assert lowest is None or lowest >= 0
