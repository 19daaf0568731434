"""Claims about what surrounds a call: where it counts, its cascade, its batch, and corrections of its price."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.cascading import escalated
from tests.agent.dashboard.shown import ledger
from tests.agent.ledger.booked import put, used
from tests.agent.ledger.deferred import NOON, SECOND, opened, taken

from bursar.agent.ledger import casefile, cases
from bursar.agent.ledger.casefile import CaseFile, Counted
from bursar.policies.policyfile import parse_policy
from bursar.policies.usage import Usage

POLICY = parse_policy(
    """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
per = ["route"]
limit = "10 USD"
every = "day"
[[budget]]
name = "tokens"
limit = "2M tokens"
every = "day"
""",
    file="f",
)


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        yield memory


def around(db: Database, name: str) -> CaseFile:
    case = cases.find(db, name)
    assert case is not None
    return casefile.gather(db, case)


def test_a_charge_counts_in_each_balance_in_its_unit(db: Database) -> None:
    """1,000 tokens in at 4 USD per MTok and 100 out at 20: 0.006 USD, and 1,100 tokens."""
    put(db, used("a", Usage(input=1_000, output=100), at=NOON // SECOND), policy=POLICY)
    day, tokens = around(db, "a").counted
    assert day == Counted("a", "day|2026-11-21T00:00:00Z|route=desk", "day", "route=desk", "usd", 6_000_000, held=False)
    assert (tokens.budget, tokens.unit, tokens.amount) == ("tokens", "tokens", 1_100)


def test_what_is_in_flight_is_held(db: Database) -> None:
    """At what it is expected to cost."""
    put(db, used("a", Usage(input=1), at=NOON // SECOND)[:1])
    db.conn.execute("INSERT INTO holds VALUES ('day|w|', 'a', 'h', 7, 3)")
    (held,) = around(db, "a").counted
    assert (held.budget, held.amount, held.held) == ("day", 7, True)


def test_a_price_that_was_corrected_is_told(db: Database) -> None:
    """From what to what, and why."""
    put(db, used("a", Usage(input=1_000), at=NOON // SECOND))
    db.conn.execute("INSERT INTO repricings VALUES ('a', 5, 'a contract', 4, 3, 'old', 'new', 'usage', 'usage')")
    (one,) = around(db, "a").repriced
    assert (one.at_ns, one.old_nano, one.new_nano, one.new_price_id, one.why) == (5, 4, 3, "new", "a contract")


def test_the_other_stages_of_a_cascade(db: Database) -> None:
    """Both of them, in the order they were sent."""
    put(db, escalated("x"), escalated("y"))
    assert [(one.attempt_id, one.stage) for one in around(db, "x-strong").cascade] == [
        ("x-cheap", "cheap"),
        ("x-strong", "strong"),
    ]


def test_a_call_that_was_put_off() -> None:
    """With when it is due; it waits, and is in no batch yet."""
    with opened() as db:
        taken(db)
        (put_off,) = around(db, "call-a").put_off
        assert (put_off.deferral.id, put_off.deferral.due_ns, put_off.batch) == ("d-a", NOON + 7_200 * SECOND, None)
