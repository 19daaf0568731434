"""Claims about a batch's page: what became of it, and each of its requests, which leads to its call."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.shown import HOSTILE, cells, markup, page, text
from tests.agent.dashboard.test_batchespage import sent
from tests.agent.ledger.deferred import NOON, TERMS, opened
from tests.agent.ledger.test_batchreports import charge

from bursar.agent.dashboard import batchpage
from bursar.agent.dashboard.page import NotThereError
from bursar.agent.ledger import batchbook, deferring
from bursar.policies.charge import Line


@pytest.fixture
def db() -> Iterator[Database]:
    with opened() as memory:
        sent(memory, "a", "b", "c")
        yield memory


@pytest.mark.parametrize("name", ["b1", "msgbatch_b1"])
def test_each_request_and_what_became_of_it(db: Database, name: str) -> None:
    """By our name or the API's: what it cost, or what went wrong."""
    deferring.settle(db, charge("try-a", Line("input", 10, 1, 60, "m", "p")), "succeeded", "", TERMS)
    batchbook.end_try(db, "try-b", "errored", detail="overloaded", now_ns=NOON)
    found = page(db, f"/batches/{name}")
    assert cells(found, "requests", "attempt", "outcome", "cost", "detail") == [
        ("try-a", "succeeded", 60, None),
        ("try-b", "errored", None, "overloaded"),
        ("try-c", "processing", None, None),
    ]
    assert found.table("requests").rows[0].href == "/calls/try-a"


def test_what_can_be_done_with_one_under_way(db: Database) -> None:
    """Shown, and let go; one that is over cannot be let go any more."""
    assert "bursar batches cancel b1" in text(db, "/batches/b1")
    batchbook.change(db, "b1", ended_ns=NOON)
    said = text(db, "/batches/b1")
    assert "bursar batches show b1" in said
    assert "cancel" not in said


def test_many_requests_come_in_stretches(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """From behind the last one shown."""
    monkeypatch.setattr(batchpage, "SHOWN", 2)
    (link,) = [part.split('"')[0] for part in markup(db, "/batches/b1").split('href="') if "before=" in part]
    assert cells(page(db, link), "requests", "attempt") == [("try-c",)]


def test_a_batch_there_is_none_of(db: Database) -> None:
    """Said; a hostile name is a text."""
    with pytest.raises(NotThereError, match="the page of batches lists them all"):
        page(db, f"/batches/{quote(HOSTILE, safe='')}")
