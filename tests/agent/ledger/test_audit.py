"""Claims about the audit: it finds each sum that is off, by how much, and what holds money for nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.test_rollups import booked, charge

from bursar.agent.ledger import audit
from bursar.policies.records import Sent, Settled

HOURS = "label = '' AND seconds = 3600"
KEY = "month|2026-11-01T00:00:00Z|tenant=acme"


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        booked(memory, Settled(charge("a")), Sent("b", "c", 5, "draft", "opus", "opus", balances=(KEY,), bound_nano=9))
        yield memory


def test_accounts_in_order(db: Database) -> None:
    """Nothing is said."""
    assert audit.wrong(db) == []


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        ("UPDATE balances SET spent_nano = spent_nano + 1234", "is off by 1,234 nano-dollars from"),
        ("UPDATE balances SET unknown_nano = 5", "is off by 5 nano-dollars of bounds"),
        ("UPDATE balances SET spent_tokens = spent_tokens - 1", "is off by -1 tokens"),
        ("DELETE FROM postings", "is off by 1 calls"),
        (f"UPDATE sums SET nano = nano + 7 WHERE {HOURS}", "The sums by hour are off by 7 nano-dollars from what"),
        (f"UPDATE sums SET calls = 0 WHERE {HOURS}", "The sums by hour are off by -1 calls"),
        (f"UPDATE sums SET output = 1 WHERE {HOURS}", "The sums by hour are off by -2 output"),
        ("UPDATE attempts SET state = 'released' WHERE attempt_id = 'b'", "Attempt b holds money and is in flight no"),
    ],
)
def test_each_fault_is_named(db: Database, spoiled: str, said: str) -> None:
    """With the balance and the amount."""
    db.conn.execute(spoiled)
    assert any(said in sentence for sentence in audit.wrong(db))
