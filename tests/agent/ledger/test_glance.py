"""Claims about what is read of the ledger every second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import put, unexplained

from bursar.agent.ledger import glance
from bursar.agent.ledger.glance import Flying, Spent
from bursar.policies.records import Sent

SECOND = 10**9
NOON = 1_795_262_400
OPUS, HAIKU = "claude-opus-5-5", "claude-haiku-5-5"


@pytest.fixture
def db() -> Iterator[Database]:
    """Three charges of a minute, one of the next, one of unknown cost, and a call in flight."""
    with fresh.ledger() as memory:
        put(
            memory,
            unexplained("a1", 5, at=NOON, route="desk", model=OPUS),
            unexplained("a2", 6, at=NOON + 59, route="desk", model=OPUS),
            unexplained("a3", 7, at=NOON + 60, route="desk", model=HAIKU),
            unexplained("a4", None, at=NOON + 61, route="mail", model=OPUS),
            [Sent("a5", "a5", (NOON + 62) * SECOND, "mail", OPUS, OPUS, expected_nano=9)],
        )
        yield memory


def test_spent_by_route_and_model(db: Database) -> None:
    """From a minute on; an unknown cost is counted beside, and what is in flight is not."""
    assert glance.spent(db, NOON * SECOND) == [
        Spent("desk", HAIKU, 1, 7, 0, 0, 0),
        Spent("desk", OPUS, 2, 11, 0, 0, 0),
        Spent("mail", OPUS, 1, 0, 1, 0, 0),
    ]


@pytest.mark.parametrize(
    ("since", "nano"), [(NOON - 3600, 18), (NOON - 1800, 18), (NOON + 59, 18), (NOON + 60, 7), (NOON + 120, 0)]
)
def test_minutes_up_to_the_next_hour_and_then_hours(db: Database, since: int, nano: int) -> None:
    """Each charge counts once, wherever the stretch begins: 18 nano-dollars after noon, 7 of them a minute later."""
    assert sum(one.nano for one in glance.spent(db, since * SECOND)) == nano


def test_by_the_minute(db: Database) -> None:
    """Minutes since the epoch in which something was spent."""
    first = NOON // 60
    assert glance.minutes(db, NOON * SECOND) == {"desk": {first: 11, first + 1: 7}}
    assert glance.minutes(db, (NOON + 60) * SECOND) == {"desk": {first + 1: 7}}


def test_what_is_in_flight(db: Database) -> None:
    """One call that is expected to cost 9 nano-dollars."""
    assert glance.flying(db) == Flying(1, 9, 0, 0)


def test_routes_that_are_known(db: Database) -> None:
    """Those of which there is a charge."""
    assert glance.known_routes(db) == ["desk", "mail"]


@pytest.mark.parametrize(("sql", "values"), [("_SPENT", [0, 1, 1]), ("_MINUTES", [0])])
def test_only_the_sums_of_that_time_are_read(db: Database, sql: str, values: list[int]) -> None:
    """By their key, no attempt: a long history costs nothing."""
    steps = [row[3] for row in db.conn.execute(f"EXPLAIN QUERY PLAN {getattr(glance, sql)}", values).fetchall()]
    assert not [step for step in steps if "attempts" in step]
    assert [
        step for step in steps if step.startswith("SEARCH sums USING PRIMARY KEY (label=? AND seconds=? AND slot>?")
    ]


def test_models_of_late_and_the_newest_call(db: Database) -> None:
    """Those that served charges; the newest call need not be over."""
    assert glance.recent_models(db, NOON * SECOND) == [HAIKU, OPUS]
    assert glance.recent_models(db, (NOON + 7200) * SECOND) == []
    assert glance.newest_ns(db) == (NOON + 62) * SECOND
