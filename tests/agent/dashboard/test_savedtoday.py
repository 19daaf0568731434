"""Claims about savings on the page: way by way, exact, and beside them what could be saved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, unexplained, used

from bursar.agent.dashboard import asking, savedtoday
from bursar.agent.dashboard.page import Now
from bursar.agent.ledger import advicebook, verdictbook
from bursar.agent.ledger.advicebook import Kept
from bursar.agent.ledger.verdictbook import Dismissal
from bursar.policies.prices import shipped_book
from bursar.policies.usage import Usage

NOON = 1_795_262_400
NOW = Now(NOON * SECOND, UTC, shipped_book())
ASKED = asking.read("/", [("span", "7d")], now_ns=NOON * SECOND)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def test_each_way_for_itself(db: Database) -> None:
    """
    Of Opus at 4 USD per million, its reads at a twentieth and its writes at five quarters, and Sonnet at 2 USD.

    1,000 tokens read save 0.0038 USD, 1,000 written cost 0.001 more; 1,000 on Sonnet save 0.002, and in a batch 0.002.
    """
    put(db, used("read", Usage(cache_read=1_000), at=NOON - 60))
    put(db, used("written", Usage(cache_write_5m=1_000), at=NOON - 60))
    put(db, used("moved", Usage(input=1_000), at=NOON - 60, model=SONNET, requested=OPUS, action="downgrade"))
    put(db, used("batched", Usage(input=1_000), at=NOON - 60, batch=True))
    put(db, used("yesterday", Usage(cache_read=1_000), at=NOON - 86_400), unexplained("u", None, at=NOON - 60))
    found = savedtoday.saved(db, (NOON - 3_600) * SECOND, NOON * SECOND, NOW)
    rows = [row.cells["saved"] for row in savedtoday.saved_table(found).rows]
    assert rows == [3_800_000, -1_000_000, 2_000_000, 2_000_000, 6_800_000]
    assert savedtoday.total(found) == 6_800_000


def advice(name: str, low: int, *, route: str = "desk", **more: Any) -> dict[str, Any]:
    saving = {"from": low, "expected": None, "to": low + 5}
    told = {"id": name, "route": route, "text": "Do it. It pays.", "advised": True, "saving_nano_usd_per_day": saving}
    return {**told, **more}


def keep(db: Database, *found: dict[str, Any]) -> None:
    advicebook.keep(db, Kept(NOON * SECOND, 0, NOON * SECOND, found))


def test_what_could_be_saved(db: Database) -> None:
    """The three that are worth most, the sum of all, and where each leads; texts to their first full stop."""
    keep(db, advice("a", 1), advice("b", 30, route="a/b"), advice("c", 20, route=""), advice("d", 10))
    found = savedtoday.possible(db, ASKED)
    assert [row.cells["surely"] for row in found.table.rows] == [30, 20, 10]
    assert (found.nano, found.high, found.pieces, found.at_ns) == (61, 81, 4, NOON * SECOND)
    assert [row.href for row in found.table.rows] == [
        "/routes/a%2Fb?span=7d",
        "/routes?span=7d",
        "/routes/desk?span=7d",
    ]
    assert found.table.rows[1].cells == {"advice": "Do it.", "route": "all routes", "surely": 20}


def test_what_is_no_saving_is_left_out(db: Database) -> None:
    """What is not advised, not known, worth nothing, or put aside by somebody."""
    keep(
        db,
        advice("a", 9, advised=False),
        advice("b", 9, saving_nano_usd_per_day=None),
        advice("c", 0),
        advice("d", 9),
        advice("e", 1),
    )
    verdictbook.dismiss(db, Dismissal("d", "desk", OPUS, 0, "no", "me", "Do it."))
    found = savedtoday.possible(db, ASKED)
    assert (found.pieces, found.nano) == (1, 1)


def test_before_anything_was_advised(db: Database) -> None:
    """It says that it is still to come; where there is nothing to advise, that."""
    assert savedtoday.possible(db, ASKED).table.empty.startswith("No advice was worked out yet")
    keep(db)
    assert savedtoday.possible(db, ASKED).table.empty == "Nothing is advised from the calls so far."
