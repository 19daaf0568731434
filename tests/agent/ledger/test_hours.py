"""Claims about the last hour of a balance: it is compared with its own past, read once an hour, and in money."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import balances, flows, hours, steps
from bursar.agent.ledger.flows import Flow
from bursar.agent.ledger.hours import Kept
from bursar.policies.amounts import Limit, Loop
from bursar.policies.balancekey import Amounts
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction
from bursar.policies.protocol import BalanceView

USD, MINUTE = 10**9, 60 * 10**9
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
NOON = 1_795_262_400 * 10**9
KEY = "day|2026-11-21T00:00:00Z|"
FLOW = Flow("day", "")
LOOP = Step("loop", None, None, (StepAction("alert", channel="log"), StepAction("throttle")), Loop(20, 600.0))
BUDGET = Budget("day", Limit("usd", 24 * USD), "day", steps=(LOOP,))
POLICY = Policy(1, Mode.ENFORCE, budgets=(BUDGET,))
VIEW = BalanceView(KEY, 24 * USD, 24 * USD, 0, 0, 0)


@pytest.fixture
def db() -> Iterator[Database]:
    """A balance that spent half a dollar at noon of each of the last fourteen days."""
    with fresh.ledger() as memory:
        balances.ensure(memory, KEY, POLICY)
        for day in range(1, 15):
            spend(memory, NOON - day * DAY, 500_000_000)
        yield memory


def spend(db: Database, at_ns: int, nano: int) -> None:
    flows.add(db, FLOW, at_ns, Amounts(nano, 0, 1))


def told(db: Database, now_ns: int = NOON, *, expected: int = 0) -> tuple[int | None, int | None, int | None]:
    """The last hour, the usual one, and what is far above it."""
    row = db.conn.execute("SELECT usual_slot, usual_nano FROM balances").fetchone()
    view = hours.told(db, replace(VIEW, expected=expected), BUDGET, Kept(*row), now_ns)
    return view.recent.get("3600"), view.usual, view.unusual


def test_the_last_hour_beside_the_usual_one(db: Database) -> None:
    """What is in flight counts, what is older than an hour does not; half a dollar is usual, and three are too much."""
    spend(db, NOON - 30 * MINUTE, USD)
    spend(db, NOON - 90 * MINUTE, 7 * USD)
    assert told(db, expected=5) == (USD + 5, 500_000_000, 3 * USD)


def test_other_hours_have_their_own(db: Database) -> None:
    """At six in the morning nothing is usual: from a dollar on it is told."""
    assert told(db, NOON - 6 * HOUR) == (0, 0, USD)


def test_it_is_worked_out_once_an_hour(db: Database) -> None:
    """What comes to light of the past within the hour waits for the next one."""
    assert told(db)[1] == 500_000_000
    for day in range(1, 15):
        spend(db, NOON - day * DAY, USD)
    assert told(db, NOON + 59 * MINUTE)[1] == 500_000_000
    assert told(db, NOON + HOUR)[1] == 1_500_000_000


def test_of_the_young_nothing_is_said(db: Database) -> None:
    """The view is as it was."""
    db.conn.execute("DELETE FROM flows WHERE slot < ? AND seconds = 3600", [(NOON - 7 * DAY) // HOUR + 1])
    assert hours.told(db, VIEW, BUDGET, Kept(), NOON) is VIEW
    db.conn.execute("DELETE FROM flows")
    assert hours.told(db, VIEW, BUDGET, Kept(), NOON + HOUR) is VIEW


def in_force(db: Database, spent: int, now_ns: int = NOON) -> tuple[str, ...]:
    """The steps once so much was spent in the last hour."""
    db.conn.execute("DELETE FROM flows WHERE slot * seconds >= ?", [(NOON - HOUR) // 10**9])
    spend(db, now_ns - MINUTE, spent)
    return steps.keep(db, [VIEW], POLICY, now_ns)[0].in_force


def test_a_loop_comes_into_force_far_above_the_usual_and_is_left_ten_points_below(db: Database) -> None:
    """Three dollars in, 2.70 still in, below it out, and not in again before three."""
    spent = [3 * USD - 1, 3 * USD, 2_700_000_000, 2_700_000_000 - 1, 2_900_000_000, 3 * USD]
    assert [in_force(db, each) for each in spent] == [(), ("loop",), ("loop",), (), (), ("loop",)]


def test_it_is_over_when_the_hour_is(db: Database) -> None:
    """What was spent falls out of the hour by itself."""
    assert in_force(db, 3 * USD) == ("loop",)
    assert steps.keep(db, [VIEW], POLICY, NOON + 58 * MINUTE)[0].in_force == ("loop",)
    assert steps.keep(db, [VIEW], POLICY, NOON + 61 * MINUTE)[0].in_force == ()


def test_a_budget_without_a_loop_is_not_asked(db: Database) -> None:
    """It costs nothing where nobody would hear of it."""
    silent = Policy(1, Mode.ENFORCE, budgets=(replace(BUDGET, steps=()),))
    assert steps.keep(db, [VIEW], silent, NOON) == (VIEW,)
