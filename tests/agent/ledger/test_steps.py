"""Steps in force: reached at their share, left ten points below it, and the same for every process."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import balances, steps
from bursar.agent.ledger.lending import sync
from bursar.policies.amounts import Limit
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction
from bursar.policies.protocol import RESERVES, BalanceView, Holder, Need, SyncRequest
from bursar.policies.standing import Standing
from bursar.policies.windows import Window

NOON = 1_795_262_400 * 10**9
DAY = "day|2026-11-21T00:00:00Z|"
DOWN = Step("80%", Fraction(4, 5), None, (StepAction("downgrade", target="rung"),))
SPREAD = Step("90%", Fraction(9, 10), None, (StepAction("throttle"), StepAction("alert", channel="log")))
TOLD = Step("50%", Fraction(1, 2), None, (StepAction("alert", channel="log"),))
BLOCK = Step("100%", Fraction(1), None, (StepAction("block"),))


def rules(*at: Step) -> Policy:
    budget = Budget("day", Limit("usd", 1_000), "day", steps=at or (TOLD, DOWN, SPREAD, BLOCK))
    return Policy(1, Mode.ENFORCE, budgets=(budget,))


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        balances.ensure(memory, DAY, rules())
        yield memory


def seen(db: Database, spent: int, policy: Policy | None = None) -> tuple[str, ...]:
    """What is in force once so much of 1,000 is spent and expected."""
    view = BalanceView(DAY, 1_000, 1_000, spent // 2, spent - spent // 2, 0)
    return steps.keep(db, [view], policy or rules(), NOON)[0].in_force


def test_a_step_is_reached_at_its_share_and_left_ten_points_below(db: Database) -> None:
    """A share that hovers changes little: 80% in, 70% still in, below it out, 79% not in again."""
    found = [seen(db, spent) for spent in (799, 800, 750, 700, 699, 799, 800)]
    assert found == [(), ("80%",), ("80%",), ("80%",), (), (), ("80%",)]


def test_steps_that_change_no_call_are_not_kept(db: Database) -> None:
    """An alert is told once, and a block is the lending's to do."""
    assert seen(db, 1_000) == ("80%", "90%")
    assert seen(db, 1_000, rules(TOLD, BLOCK)) == ()


def test_it_survives_a_restart_and_a_policy_without_the_step(db: Database) -> None:
    """It stands in the balance's own row; a step of another name begins anew."""
    seen(db, 850)
    assert seen(db, 750) == ("80%",)
    other = Step("75%", Fraction(3, 4), None, DOWN.actions)
    assert seen(db, 740, rules(other)) == ()
    assert db.conn.execute("SELECT in_force FROM balances").fetchall() == [("[]",)]


def test_a_guard_goes_by_what_is_in_force() -> None:
    """At 75% the step is due for a process that never saw 80%; without the agent's word it is not."""
    budget, window = rules().budgets[0], Window("day", None, None, "w")
    for in_force, due in ((("80%",), ["50%", "80%"]), ((), ["50%"])):
        view = BalanceView(DAY, 1_000, 1_000, 750, 0, 0, in_force=in_force)
        standing = Standing(budget, DAY, window, Mode.ENFORCE, view)
        assert [step.label for step in standing.due()] == due


def test_the_agent_tells_every_process_with_its_answers(db: Database) -> None:
    """What is in force, and how many share the pace of a budget that is spread."""
    for name in ("h1", "h2"):
        request = SyncRequest(
            Holder(name, 1, "host", NOON), 1, needs=(Need(f"{name}-1", (DAY,), 410, 410, 410),), knows=(RESERVES,)
        )
        view = sync(db, request, policy=rules(), now_ns=NOON).views[0]
    assert (view.in_force, view.processes) == (("80%",), 2)
