"""Claims about finding a call: under each of its names, as fast among very many as among few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.shown import ledger
from tests.agent.ledger.booked import OPUS, SECOND, put, used

from bursar.agent.ledger import cases
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Decided, Settled
from bursar.policies.usage import Usage

NOON = 1_795_262_400


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        refusal = Decided("no", NOON * SECOND, "desk", OPUS, "block", "spent", decision={"decision_id": "said-so"})
        put(memory, used("a", Usage(input=1), at=NOON), [refusal])
        yield memory


@pytest.mark.parametrize(("name", "call"), [("a", "a"), ("no", "no"), ("said-so", "no"), (f"no@{NOON * SECOND}", "no")])
def test_a_call_under_each_of_its_names(db: Database, name: str, call: str) -> None:
    """The id that an error named among them."""
    found = cases.find(db, name)
    assert found is not None
    assert found.call_id == call


@pytest.mark.parametrize("name", ["s1", "req_1", "msg_1"])
def test_a_span_without_a_call_is_one_by_itself(db: Database, name: str) -> None:
    """Under each of its names; other spans without a call are none of it."""
    span = Charge("s1", 5, Usage(input=1), Basis.SPAN, OPUS, OPUS, "desk", at_ns=NOON * SECOND)
    put(
        db, [Settled(replace(span, request_id="req_1", response_id="msg_1"))], [Settled(replace(span, attempt_id="s2"))]
    )
    found = cases.find(db, name)
    assert found is not None
    assert (found.call_id, [attempt.attempt_id for attempt in found.attempts], found.decisions) == ("", ["s1"], ())


def test_nothing_of_that_name(db: Database) -> None:
    """None, also for what looks like a pattern."""
    assert cases.find(db, "%") is None
    assert cases.find(db, "") is None


def test_a_name_is_looked_up_and_not_searched_for(db: Database) -> None:
    """Every name has an index: no table is read through, however long it is."""
    said: list[str] = []
    db.conn.set_trace_callback(said.append)
    cases.find(db, "nothing")
    db.conn.set_trace_callback(None)
    (sql,) = said
    plan = [str(row[3]) for row in db.conn.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()]
    assert not [step for step in plan if step.startswith("SCAN ") and "CONSTANT" not in step]
