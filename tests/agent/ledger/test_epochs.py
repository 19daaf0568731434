"""Claims about epochs: a step of a rolling balance is told each time it is reached anew, and each time once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database

from bursar.agent.ledger import alertbook, balances, epochs, flows, outbox, schema
from bursar.agent.ledger.flows import Flow
from bursar.policies.balancekey import Amounts
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
NOON = 1_795_262_400 * 10**9
USD = 10**9
KEY = "rolls|rolling 1h|"
POLICY = parse_policy(
    """\
version = 1
mode = "enforce"
[[budget]]
name = "rolls"
limit = "100 USD"
every = "rolling 1h"
[budget.at]
"50%" = "alert log"
"80%" = ["alert log", "downgrade"]
"100%" = ["alert log", "block"]
"loop" = "block"
[[budget]]
name = "fast"
limit = "100 USD"
every = "rolling 24h"
[budget.at]
"10 USD in 10m" = "alert log"
""".replace("version = 1", 'version = 1\nladder = ["claude-opus-5-5", "claude-haiku-5-5"]'),
    file="p",
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "l.sqlite") as found:
        schema.upgrade(found)
        for key in (KEY, "fast|rolling 24h|"):
            balances.ensure(found, key, POLICY)
        yield found


def spend(db: Database, usd: int, at_ns: int, budget: str = "rolls") -> None:
    flows.add(db, Flow(budget, ""), at_ns, Amounts(usd * USD, 0, 1))


def told(db: Database, at_ns: int, policy: Policy = POLICY, *, refusing: bool = False) -> list[str]:
    """What is new in the outbox once this is looked at."""
    before = {alert.step for alert in outbox.recent(db, 0)}
    keys = (KEY, "fast|rolling 24h|")
    wanted = frozenset((KEY,)) if refusing else frozenset[str]()
    alertbook.raise_reached(db, keys, policy=policy, now_ns=at_ns, refusing=wanted)
    return sorted({alert.step for alert in outbox.recent(db, 0)} - before)


def test_a_step_is_told_each_time_it_is_reached_anew(db: Database) -> None:
    """84 of 100, which falls to 64 and rises to 84: 80% was left. Then to 75 and 85: it was not."""
    spend(db, 20, NOON)
    spend(db, 64, NOON + 30 * MINUTE)
    assert told(db, NOON + 31 * MINUTE) == ["50%", "80%"]
    assert told(db, NOON + 32 * MINUTE) == []
    later = NOON + HOUR + 5 * MINUTE  # the 20 are out of the hour
    assert told(db, later) == []
    spend(db, 20, later)
    assert told(db, later) == ["80%, time 2"]
    assert told(db, later + MINUTE) == []


def test_a_share_that_hovers_is_told_once(db: Database) -> None:
    """Ten points below and no further is not left."""
    spend(db, 10, NOON)
    spend(db, 70, NOON + 30 * MINUTE)
    assert told(db, NOON + 31 * MINUTE) == ["50%", "80%"]
    later = NOON + HOUR + 5 * MINUTE
    assert told(db, later) == []  # 70
    spend(db, 15, later)
    assert told(db, later) == []


def test_it_outlives_the_agent(db: Database, tmp_path: Path) -> None:
    """Which time it is stands in the ledger."""
    spend(db, 60, NOON)
    assert told(db, NOON) == ["50%"]
    assert told(db, NOON + 2 * HOUR) == []
    db.conn.commit()
    with Database(tmp_path / "l.sqlite") as again:
        spend(again, 60, NOON + 2 * HOUR)
        assert told(again, NOON + 2 * HOUR) == ["50%, time 2"]
        assert told(again, NOON + 2 * HOUR) == []


def test_a_velocity_is_left_a_tenth_below(db: Database) -> None:
    """Ten dollars in ten minutes, nine still, less than nine no more."""
    spend(db, 1, NOON, "fast")
    spend(db, 9, NOON + 5 * MINUTE, "fast")
    assert told(db, NOON + 5 * MINUTE) == ["10 USD in 10m"]
    spend(db, 1, NOON + 12 * MINUTE, "fast")
    assert told(db, NOON + 12 * MINUTE) == []
    assert told(db, NOON + 30 * MINUTE) == []
    spend(db, 10, NOON + 30 * MINUTE, "fast")
    assert told(db, NOON + 30 * MINUTE) == ["10 USD in 10m, time 2"]


def test_refusals_below_the_share_are_told_once(db: Database) -> None:
    """A large call was refused at 30%: so will be the next, until ten points less are spent."""
    spend(db, 11, NOON)
    spend(db, 19, NOON + 30 * MINUTE)
    at = NOON + 31 * MINUTE
    assert [told(db, at, refusing=True), told(db, at), told(db, at, refusing=True)] == [["100%"], [], []]
    later = NOON + HOUR + 5 * MINUTE  # 19
    assert [told(db, later), told(db, later, refusing=True)] == [[], ["100%, time 2"]]


def test_windows_of_the_calendar_have_no_epochs(db: Database) -> None:
    """A new window is a new balance."""
    rules = replace(POLICY, budgets=tuple(replace(budget, every="day") for budget in POLICY.budgets))
    key = "rolls|2026-11-21T00:00:00Z|"
    balances.ensure(db, key, rules)
    db.conn.execute("UPDATE balances SET spent_nano = ? WHERE key = ?", [60 * USD, key])
    assert alertbook.raise_reached(db, [key], policy=rules, now_ns=NOON) == 1
    assert epochs.under_way(db) == []


def test_what_is_under_way_is_known(db: Database) -> None:
    """So that the clock leaves it in time, when nobody calls."""
    spend(db, 60, NOON)
    told(db, NOON)
    assert epochs.under_way(db) == [KEY]
    told(db, NOON + 2 * HOUR)
    assert epochs.under_way(db) == []
