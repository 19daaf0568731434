"""Claims about the week book: each class of each model with its cost, and together what the week cost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, unexplained, used

from bursar.agent.alerting.causes import ModelUse
from bursar.agent.ledger import reports
from bursar.agent.ledger.weekbook import week_of
from bursar.policies.usage import Usage

NOON = 1_795_262_400
WEEK = (NOON * SECOND, (NOON + 7 * 86_400) * SECOND)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def test_classes(db: Database) -> None:
    """Opus 5.5 at 4 in, 0.20 read, 20 out; what has no lines is told apart, and the unknown is not there."""
    put(
        db,
        used("a", Usage(input=1000, cache_read=1000, output=100), at=NOON),
        used("b", Usage(input=1000), at=NOON),
        used("c", Usage(output=100, web_searches=1), at=NOON, model=SONNET),
        unexplained("d", 7, at=NOON),
        unexplained("e", None, at=NOON),
        used("f", Usage(input=1000), at=NOON - 1),
    )
    found = week_of(db, *WEEK)
    assert found == {
        OPUS: ModelUse(
            3,
            {"input": (2000, 8_000_000), "cache_read": (1000, 200_000), "output": (100, 2_000_000), "other": (1, 7)},
        ),
        SONNET: ModelUse(1, {"output": (100, 1_000_000), "web_search": (1, 10_000_000)}),
    }
    assert sum(use.cost for use in found.values()) == reports.totals(db, *WEEK)["nano_usd"]


def test_an_empty_week(db: Database) -> None:
    """Has no models."""
    assert week_of(db, *WEEK) == {}
