"""Marks that were put in force are known with what became of them, and what their calls paid."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.test_printbook import settled

from bursar.agent.ledger import markingbook
from bursar.agent.ledger.markingbook import Pulled, State
from bursar.policies.cachemarks import Mark, Marking

DAY_NS = 86_400 * 10**9
ONE = Pulled(Marking("r1", "chat", "claude-sonnet-5-5", (Mark("system", "1h"), Mark("tail")), 0.2), 0.5, 7)


@pytest.fixture
def db() -> Database:
    return fresh.ledger()


def test_marks_are_read_as_they_were_kept(db: Database) -> None:
    markingbook.put_in_force(db, ONE)
    later = replace(ONE, state=State.KEPT, reason="pays", realised=0.4)
    assert markingbook.all_pulled(db) == [ONE]
    markingbook.settle(db, later)
    assert markingbook.all_pulled(db) == [later]


def test_marks_that_somebody_dismissed_meanwhile_stay_dismissed(db: Database) -> None:
    markingbook.put_in_force(db, ONE)
    db.conn.execute("UPDATE verdicts SET state = 'dismissed'")
    markingbook.settle(db, replace(ONE, state=State.KEPT))
    assert markingbook.all_pulled(db) == []
    assert markingbook.dismissed(db) == {"r1"}


def test_calls_are_summed_by_model_day_and_length(db: Database) -> None:
    """Those with the marks, and apart from them those held out; nothing of before, or that nobody counted."""
    told = [("a", 0, "r1", 5), ("b", 1, "r1", 7), ("c", DAY_NS, "r1", 100_001), ("d", 2, "-r1", 11), ("e", 3, None, 13)]
    for name, at_ns, marking, tokens in told:
        settled(db, name, at_ns)
        db.conn.execute("UPDATE attempts SET marking = ?, input = ?, cache_read = 0, cache_write_5m = 0, cache_write_1h"
                        " = 0 WHERE attempt_id = ?", [marking, tokens, name])  # fmt: skip
    db.conn.execute("UPDATE attempts SET basis = 'estimate' WHERE attempt_id = 'b'")
    found = markingbook.paid(db, "r1", 0)
    assert [(one.day, one.longest, one.calls, one.usage.input) for one in found] == [
        (0, 5, 1, 5),
        (1, 100_001, 1, 100_001),
    ]
    assert [one.usage.input for one in markingbook.paid(db, "-r1", 0)] == [11]
    assert [one.usage.input for one in markingbook.paid(db, "r1", 1)] == [100_001]
