"""Claims about the balances of now: the fullest first, in their own unit, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.shown import ledger
from tests.agent.ledger.flowing import spend

from bursar.agent.ledger import balancebook
from bursar.agent.ledger.balancebook import SHOWN, standings

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
"""2026-11-21T12:00:00Z."""
DAY = 86_400 * SECOND
MIDNIGHT = NOON - DAY // 2


def put(db: Database, budget: str, scope: str = "", **columns: Any) -> str:
    """A balance of today, of 10 USD."""
    unit = columns.get("unit", "usd")
    start = columns.get("window_start", MIDNIGHT)
    window = columns.pop("window", None) or f"{datetime.fromtimestamp(start // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
    key = f"{budget}|{window}|{scope}{'' if unit == 'usd' else f'|{unit}'}"
    row = {"window_start": MIDNIGHT, "window_end": MIDNIGHT + DAY, "limit_amount": 10 * SECOND, "moved_ns": NOON}
    kept = {"key": key, "budget": budget, "scope": scope, **row, **columns}
    db.conn.execute(
        f"INSERT INTO balances ({', '.join(kept)}) VALUES ({', '.join('?' * len(kept))})", list(kept.values())
    )
    return key


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        yield memory


def test_the_fullest_come_first_each_in_its_unit(db: Database) -> None:
    """By the share of the limit, whatever is counted; windows that are over or to come are not of now."""
    put(db, "half", spent_nano=5 * SECOND)
    put(db, "tokens", unit="tokens", limit_amount=1_000, spent_tokens=900, spent_nano=1)
    put(db, "calls", unit="calls", limit_amount=10, calls=1)
    put(db, "over", window_start=MIDNIGHT - DAY, window_end=MIDNIGHT, spent_nano=10 * SECOND)
    found = standings(db, NOON)
    assert [(one.budget, one.unit, one.spent, one.limit, one.share) for one in found.shown] == [
        ("tokens", "tokens", 900, 1_000, 0.9),
        ("half", "usd", 5 * SECOND, 10 * SECOND, 0.5),
        ("calls", "calls", 1, 10, 0.1),
    ]
    assert (found.total, found.shown[1].window_end) == (3, MIDNIGHT + DAY)


def test_what_is_in_flight_lent_and_in_force_is_told(db: Database) -> None:
    """Expected 2, lent 4 less 1 given back; left is what is neither spent nor expected."""
    key = put(db, "day", spent_nano=5 * SECOND, in_force='["80%"]')
    db.conn.execute("INSERT INTO holds VALUES (?, 'a', 'h', ?, 0)", [key, 2 * SECOND])
    db.conn.execute("INSERT INTO leases (balance, holder, granted, returned) VALUES (?, 'h', 4, 1)", [key])
    (one,) = standings(db, NOON).shown
    assert (one.flying, one.lent, one.in_force, one.left) == (2 * SECOND, 3, ("80%",), 3 * SECOND)


def test_a_rolling_balance_stands_at_what_it_looks_back_on(db: Database) -> None:
    """A minute ago counts, three hours ago does not; one that did not move for longer is not shown."""
    put(db, "roll", window="rolling 2h", window_start=None, window_end=None, spent_nano=9 * SECOND)
    put(db, "idle", window="rolling 2h", window_start=None, window_end=None, moved_ns=NOON - 2 * DAY)
    spend(db, "roll", "", {NOON // SECOND - 60: SECOND, NOON // SECOND - 3 * 3_600: 8 * SECOND})
    found = standings(db, NOON)
    assert [(one.budget, one.spent, one.window_end) for one in found.shown] == [("roll", SECOND, None)]


def test_a_budget_without_a_limit_has_no_share(db: Database) -> None:
    """It counts, and comes last."""
    put(db, "none", limit_amount=None, spent_nano=SECOND)
    put(db, "some")
    found = standings(db, NOON)
    assert [(one.budget, one.share, one.left) for one in found.shown] == [
        ("some", 0.0, 10 * SECOND),
        ("none", None, None),
    ]


def test_many_come_page_by_page(db: Database) -> None:
    """Each once, the fullest on the first page."""
    for number in range(SHOWN + 5):
        put(db, "tenant", f"tenant=t{number}", spent_nano=number)
    first, second = standings(db, NOON, page=1), standings(db, NOON, page=2)
    assert (first.total, len(first.shown), len(second.shown)) == (SHOWN + 5, SHOWN, 5)
    assert first.shown[0].scope == f"tenant=t{SHOWN + 4}"
    assert len({one.key for one in (*first.shown, *second.shown)}) == SHOWN + 5


def test_one_is_found_by_a_part_of_its_name(db: Database) -> None:
    """Of the budget or of whom it is for, in either case; or all of one budget by its whole name."""
    put(db, "day", "tenant=acme")
    put(db, "daytime", "tenant=bob")
    assert [one.scope for one in standings(db, NOON, find="ACME").shown] == ["tenant=acme"]
    assert standings(db, NOON, find="day").total == 2
    assert standings(db, NOON, budget="day").total == 1
    assert standings(db, NOON, find="%").total == 0


def test_a_budget_is_known_by_its_whole_name(db: Database) -> None:
    """Not by the beginning of it."""
    put(db, "support:day")
    assert balancebook.budget_known(db, "support:day")
    assert not balancebook.budget_known(db, "support")
    assert not balancebook.budget_known(db, "support:day:more")
