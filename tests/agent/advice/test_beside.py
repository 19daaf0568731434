"""Beside caching: one pass over a ledger, and what it advises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.advice.past import DAY, NOON, SECOND
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import SONNET, put, unexplained, used

from bursar.agent.advice.beside import beside_caching, may_wait, policy_in_force
from bursar.agent.ledger import overridebook
from bursar.agent.ledger.booking import book
from bursar.policies.prices import shipped_book
from bursar.policies.protocol import Snapshot
from bursar.policies.usage import Usage

ONE = Usage(input=1_000, output=100)
END = (NOON + DAY + DAY // 2) * SECOND
POLICY = 'version = 1\nmode = "observe"\n[[route]]\nname = "digest"\nmay_wait = "2h"\n'


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        for day in (0, 1):
            for place in range(60):
                at = NOON + day * DAY + place
                records = used(f"{day}-{place}", ONE, at=at, model=SONNET, route="digest")
                book(memory, records, holder="h", policy=None, now_ns=at * SECOND)
        put(memory, unexplained("lost", 10**9, at=NOON + 90, route="desk"))
        yield memory


def found(db: Database, route: str | None = None) -> list[tuple[str, str, str, bool]]:
    told = beside_caching(db, shipped_book(), NOON * SECOND, END, route=route)
    return sorted((one.kind.value, one.route, one.place, one.advised) for one in told)


def test_all_kinds_come_of_one_pass(db: Database) -> None:
    """A job at noon, without labels; and a dollar of which nobody saw the answer."""
    assert found(db) == [
        ("batch", "digest", "", True),
        ("coverage", "", "basis", True),
        ("coverage", "", "labels", True),
        ("waste", "desk", "unanswered", True),
    ]


def test_a_route_is_asked_for_by_glob(db: Database) -> None:
    """What is about all routes is not told then."""
    assert found(db, "de*") == [("waste", "desk", "unanswered", True)]
    assert found(db, "support.*") == []


def test_what_the_policy_in_force_lets_wait_is_known(db: Database) -> None:
    """The one that a process was told last."""
    assert policy_in_force(db) is None
    overridebook.keep_rules(db, Snapshot("s1", POLICY, None, "bursar.toml"), NOON * SECOND)
    policy = policy_in_force(db)
    assert may_wait(policy) == {"digest"}
    (batch,) = beside_caching(db, shipped_book(), NOON * SECOND, END, route="digest")
    assert batch.evidence["sign"] == "allowed"
    assert batch.snippet.startswith("[budget.at]")


def test_every_attempt_is_told_of_for_the_bar(db: Database) -> None:
    """121 attempts."""
    told: list[None] = []
    beside_caching(db, shipped_book(), 0, END, told=lambda: told.append(None))
    assert len(told) == 121
