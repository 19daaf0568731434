"""Claims about the page of batches: how far each is, what it saved, what waits, and which calls are put off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.shown import HOSTILE, cells, markup, page, text
from tests.agent.ledger.deferred import NOON, SECOND, TERMS, opened, taken
from tests.agent.ledger.test_batchbook import add
from tests.agent.ledger.test_batchreports import charge

from bursar.agent.dashboard import batchespage
from bursar.agent.ledger import batchbook, deferralbook, deferring
from bursar.agent.ledger.batchbook import BatchState
from bursar.agent.ledger.deferralbook import Text
from bursar.policies.charge import Line


@pytest.fixture
def db() -> Iterator[Database]:
    with opened() as memory:
        yield memory


def sent(db: Database, *names: str, batch: str = "b1", **other: Any) -> None:
    """A batch of these calls, under way since noon."""
    for name in names:
        taken(db, name, **other)
    add(db, batch, api_id=f"msgbatch_{batch}", state=BatchState.IN_PROGRESS, submitted_ns=NOON, items=len(names))
    line = deferralbook.lines(db)[0]
    deferralbook.put_in(db, batch, line, limit=9, bytes_left=999, framing=30, empty=True)
    deferralbook.started(db, batch)


def test_a_batch_says_how_far_it_is_and_what_it_saved(db: Database) -> None:
    """60 nano-dollars for tokens would have been 120 at once."""
    sent(db, "a", "b")
    deferring.settle(db, charge("try-a", Line("input", 10, 1, 60, "m", "p")), "succeeded", "", TERMS)
    columns = ("batch", "state", "requests", "outcomes", "paid", "ordinary", "saved")
    assert cells(page(db, "/batches"), "batches", *columns) == [
        ("msgbatch_b1", "in progress", 2, "1 processing, 1 succeeded", 60, 120, 60)
    ]
    said = text(db, "/batches")
    assert "Under way 1 2 requests" in said
    assert "Saved $0.00000006 by the batches below" in said


def test_what_waits_to_be_sent(db: Database) -> None:
    """How many, and until when at the latest."""
    taken(db, "a")
    assert "Waits to be sent 1 the first of them in 5 min at the latest" in text(db, "/batches")


def test_calls_that_are_put_off_lead_to_their_pages(db: Database) -> None:
    """And to the batch that each is in."""
    sent(db, "a")
    (row,) = page(db, "/batches").table("deferrals").rows
    assert (row.href, row.links, row.cells["state"]) == ("/calls/try-a", {"batch": "/batches/b1"}, "in progress")


def test_large_batches_are_not_summed_and_say_so(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page does not know it does not call nothing."""
    monkeypatch.setattr(batchespage, "MOST_SUMMED", 1)
    sent(db, "a", "b")
    assert cells(page(db, "/batches"), "batches", "paid", "saved") == [(None, None)]
    assert "`" not in text(db, "/batches")
    assert "bursar batches show ID says what one cost and saved" in text(db, "/batches")


def test_many_batches_come_page_by_page(db: Database) -> None:
    """The newest first."""
    for number in range(batchespage.SHOWN + 1):
        add(db, f"b{number}", made_ns=NOON + number)
    assert cells(page(db, "/batches?page=2"), "batches", "batch") == [("b0",)]
    assert f"1 to {batchespage.SHOWN} of {batchespage.SHOWN + 1} batches" in text(db, "/batches")


def test_before_the_first_one_it_says_what_to_do(db: Database) -> None:
    """How calls come to be put off, and the commands there are."""
    said = text(db, "/batches")
    assert "A route with `may_wait` and a step `batch`" in said
    assert "bursar deferrals --all" in said


def test_what_is_asked_and_answered_is_on_no_page(db: Database) -> None:
    """Requests and answers of calls that are put off are kept, and shown nowhere; nor is whose credential it is."""
    secret = Text(sealed=False, text=b"what nobody may read")
    sent(db, "a", credential="key-of-ada")
    for kind in ("request", "answer"):
        deferralbook.keep_text(db, "d-a", kind, secret)
    for url in ("/batches", "/batches/b1", "/calls", "/calls/try-a", "/budgets", "/budgets/day"):
        shown = markup(db, url)
        assert "nobody may read" not in shown
        assert "key-of-ada" not in shown


def test_names_are_texts(db: Database) -> None:
    """Of routes and keys, and of what went wrong."""
    taken(db, "a", route=HOSTILE, key=HOSTILE)
    add(db, "b9", why=HOSTILE, made_ns=NOON + SECOND)
    assert "<script>alert" not in markup(db, "/batches")
    assert HOSTILE in text(db, "/batches")
    assert batchbook.count(db) == 1
