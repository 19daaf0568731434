"""Claims about balances: which ones a call counts against, and what they stand at."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import balances, holders
from bursar.policies.amounts import Limit
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction
from bursar.policies.protocol import BalanceView

NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
BLOCK = Step("90%", Fraction(9, 10), None, (StepAction("block"),))
POLICY = Policy(
    version=1,
    mode=Mode.ENFORCE,
    timezone="Europe/Berlin",
    budgets=(
        Budget("month", Limit("usd", 9_000), "month", steps=(BLOCK,), overdraft_nano=50),
        Budget("hour", Limit("usd", 100), "hour", match={"route": "support.*"}, per=("model", "team")),
        Budget("calls", Limit("calls", 10), "day"),
        Budget("rolling", Limit("usd", 10), "rolling 24h"),
        Budget("talk", Limit("usd", 10), "conversation"),
        Budget("job", Limit("usd", 10), "run"),
    ),
)
MONTH = "month|2026-10-31T23:00:00Z|"
CALLS = "calls|2026-11-20T23:00:00Z||calls"
ROLLING = "rolling|rolling 24h|"


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


@pytest.mark.parametrize(
    ("route", "keys"),
    [
        ("support.triage", (MONTH, "hour|2026-11-21T12:00:00Z|model=opus,team=", CALLS, ROLLING)),
        ("billing", (MONTH, CALLS, ROLLING)),
    ],
)
def test_a_call_counts_against_every_budget_that_matches(route: str, keys: tuple[str, ...]) -> None:
    """In the policy's order and time zone; its conversation and run only its own process knows."""
    assert balances.matching(POLICY, at_ns=NOON, route=route, model="opus", labels={}) == keys


def test_a_row_has_the_numbers_of_its_budget_and_window(db: Database) -> None:
    """The ceiling is the block's share and the overdraft; the month ends at midnight in Berlin."""
    balances.ensure(db, MONTH, POLICY)
    assert balances.views(db, [MONTH, MONTH], POLICY, NOON) == (
        BalanceView(MONTH, limit=9_000, ceiling=8_150, spent=0, expected=0, lent=0, window_end="2026-11-30T23:00:00Z"),
    )


def test_the_pool_is_what_is_neither_spent_nor_out(db: Database) -> None:
    """Over the leases of all holders; what could come back is unspent."""
    balances.ensure(db, MONTH, POLICY)
    db.conn.execute("UPDATE balances SET spent_nano = 1000")
    db.conn.execute(
        "INSERT INTO leases (balance, holder, granted, returned, charged) "
        "VALUES (?, 'h1', 500, 100, 200), (?, 'h2', 50, 0, 0), (?, 'overrun', 10, 0, 99)",
        [MONTH, MONTH, MONTH],
    )
    row = balances.read(db, MONTH, NOON)
    assert row is not None
    assert (row.out, row.pool, row.unspent) == (250, 8_150 - 1_000 - 250, 7_150)


def test_expectations_are_those_of_the_attempts_in_flight(db: Database) -> None:
    """Of this balance only."""
    db.conn.execute(
        "INSERT INTO holds VALUES ('k', 'a1', 'h1', 7, 0), ('k', 'a2', 'h1', 8, 0), ('j', 'a1', 'h1', 7, 0)"
    )
    assert balances.expected(db, "k") == 15


@pytest.mark.parametrize(
    ("key", "known"),
    [
        (MONTH, True),
        ("hour|2026-11-21T12:00:00Z|model=opus,team=", True),
        ("hour|2026-11-21T12:30:00Z|", False),  # no hour begins there
        ("month|2026-11-01T00:00:00Z|", False),  # nor a month of Berlin
        (CALLS, True),
        ("calls|2026-11-20T23:00:00Z|", False),  # it counts calls, not money
        (f"{MONTH}|expected", True),
        (ROLLING, True),
        ("rolling|rolling 48h|", False),
        ("rolling|2026-11-20T23:00:00Z|", False),
        ("talk|conversation c1|", True),
        ("talk|run c1|", False),
        ("job|run r1|", True),
        ("gone|2026-11-20T23:00:00Z|", False),
        ("hour|2026-11-21T12:00:00|", False),  # an instant without a zone is none
        ("hour|yesterday|", False),
        ("no key at all", False),
    ],
)
def test_which_keys_the_policy_knows(db: Database, key: str, known: bool) -> None:
    """Any other can be counted against, and has no limit."""
    assert balances.known(key, POLICY) is known
    assert not balances.known(key, None)
    balances.ensure(db, key, POLICY)
    row = balances.read(db, key, NOON)
    assert row is not None
    assert (row.pool is not None) is known
    assert (row.unspent is not None) is known


def test_a_row_keeps_its_numbers_when_its_budget_is_gone(db: Database) -> None:
    """And its spending when the limit changes."""
    balances.ensure(db, MONTH, POLICY)
    db.conn.execute("UPDATE balances SET spent_nano = 77")
    balances.ensure(db, MONTH, None)
    balances.ensure(db, MONTH, Policy(version=1, mode=Mode.ENFORCE))
    row = balances.read(db, MONTH, NOON)
    assert row is not None
    assert (row.limit, row.ceiling, row.spent) == (9_000, 8_150, 77)


def test_a_balance_that_nobody_touched_is_none(db: Database) -> None:
    """Reading makes no row."""
    assert balances.read(db, MONTH, NOON) is None
    assert balances.views(db, [MONTH], POLICY, NOON) == ()
    holders.grant(db, "h1", MONTH, 5)
    assert balances.read(db, MONTH, NOON) is None
