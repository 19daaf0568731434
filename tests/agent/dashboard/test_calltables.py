"""Claims about the tables of one call: every line at its price, adding up to the cost, and what stood behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.decided import HAIKU, KEY, TOKENS, booked, figures, moved, refused
from tests.agent.dashboard.shown import NOON, SECOND, cells, ledger, page
from tests.agent.ledger.booked import OPUS, put, unexplained

from bursar.agent.dashboard.table import to_csv
from bursar.policies.records import Sent

USD = 10**9


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        booked(memory, moved(), refused())
        yield memory


def test_a_charge_line_by_line(db: Database) -> None:
    """1,000 at 0.10 and 100 at 0.50 USD per MTok: 0.0001 and 0.00005 USD, together 0.00015."""
    assert cells(page(db, "/calls/moved"), "lines", "line", "quantity", "each", "amount") == [
        ("input", 1_000, "$0.10 / M", 100_000),
        ("output", 100, "$0.50 / M", 50_000),
        ("total", None, None, 150_000),
    ]


def test_a_charge_without_lines_is_told_whole(db: Database) -> None:
    """And a total that leaves something out says so."""
    put(db, unexplained("known", 7, at=NOON // SECOND), unexplained("unknown", None, at=NOON // SECOND))
    assert cells(page(db, "/calls/known"), "lines", "line", "amount") == [("all of it", 7), ("total", 7)]
    assert cells(page(db, "/calls/unknown"), "lines", "line", "amount") == [
        ("all of it", None),
        ("total of what is known", None),
    ]


def test_a_total_beyond_what_a_double_holds_is_exact(db: Database) -> None:
    """To the last nano-dollar, in the spreadsheet too."""
    put(db, unexplained("dear", 2**53 * 10**3 + 1, at=NOON // SECOND))
    assert to_csv(page(db, "/calls/dear").table("lines")).splitlines()[-1].startswith("total,,,9007199254.740992001,")


def test_what_budgets_stood_at(db: Database) -> None:
    """Spent, in flight, lent and the limit, as it was decided on."""
    columns = ("budget", "scope", "share", "spent", "limit", "mode", "unit")
    assert cells(page(db, "/calls/moved"), "balances", *columns) == [
        ("day", "tenant=acme", "80.00%", 8 * USD, 10 * USD, "enforce", "usd")
    ]


def test_what_it_might_have_cost(db: Database) -> None:
    """On each model that was thought of."""
    assert cells(page(db, "/calls/moved"), "candidates", "model", "worst", "expected") == [
        (OPUS, 30 * USD, 9 * USD),
        (HAIKU, USD, USD // 2),
    ]


def test_every_change_and_why(db: Database) -> None:
    """The model, and each parameter: from what to what. A refusal changed nothing."""
    changes = [{"parameter": "max_tokens", "from": 4_096, "to": None, "why": "ceiling", "lossy": True}]
    first, last = moved("fitted")
    assert isinstance(first, Sent)
    put(db, [replace(first, decision=figures(8 * USD, changes=changes)), last])
    assert cells(page(db, "/calls/fitted"), "changes", "parameter", "from", "to", "why", "lossy") == [
        ("model", OPUS, HAIKU, "step", "no"),
        ("max_tokens", "4096", "not set", "ceiling", "yes"),
    ]
    assert cells(page(db, "/calls/refused"), "changes", "parameter") == []


def test_where_it_counts(db: Database) -> None:
    """In each balance, in its unit; each leads to its budget."""
    found = page(db, "/calls/moved").table("counted")
    assert [(row.cells["budget"], row.cells["amount"], row.unit) for row in found.rows] == [
        ("day", 150_000, "usd"),
        ("tokens", 1_100, "tokens"),
    ]
    assert [row.href for row in found.rows] == ["/budgets/day", "/budgets/tokens"]
    assert {KEY, TOKENS} == {key for (key,) in db.conn.execute("SELECT balance FROM postings").fetchall()}


def test_figures_of_another_version_are_passed_over(db: Database) -> None:
    """Whatever shape they have: a page is shown all the same."""
    odd = '{"balances": [{"balance": 3, "unit": "pounds", "spent": "x"}], "candidates": [{}], "changes": [null, {}]}'
    db.conn.execute("UPDATE decisions SET decision = ? WHERE action = 'block'", [odd])
    assert cells(page(db, "/calls/refused"), "balances", "budget", "spent", "unit") == [("3", None, "usd")]
