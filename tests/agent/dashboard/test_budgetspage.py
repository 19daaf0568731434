"""Claims about the page of budgets: all of them, the fullest first, found by a part of their names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.shown import HOSTILE, NOON, SECOND, cells, ledger, markup, page, text
from tests.agent.ledger.test_balancebook import put

from bursar.agent.ledger import overridebook
from bursar.agent.ledger.balancebook import SHOWN
from bursar.policies.overrides import Override, OverrideKind

USD = 10**9


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        yield memory


def test_every_balance_of_now_the_fullest_first(db: Database) -> None:
    """In its own unit: a limit in tokens is no money."""
    put(db, "day", "tenant=acme", spent_nano=9 * USD)
    put(db, "day", "tenant=bob", spent_nano=USD)
    put(db, "tokens", unit="tokens", limit_amount=2_000_000, spent_tokens=1_000_000)
    assert cells(page(db, "/budgets"), "budgets", "budget", "scope", "used") == [
        ("day", "tenant=acme", 0.9),
        ("tokens", "all", 0.5),
        ("day", "tenant=bob", 0.1),
    ]
    said = text(db, "/budgets")
    assert "1,000,000 tokens" in said
    assert "$2,000" not in said
    assert "in 12 h" in said


def test_what_the_policy_says_stands_there_before_the_first_call(db: Database) -> None:
    """With what to do where there is no balance, and where there is no policy."""
    assert "10.00 USD every day for each tenant, for all calls." in text(db, "/budgets")
    assert "start the agent with --policy" in text(db, "/budgets")
    assert "The agent has no policy" in text(db, "/budgets", policy=None)


def test_more_than_fit_come_page_by_page(db: Database) -> None:
    """With links back and forth; a search narrows them."""
    for number in range(SHOWN + 1):
        put(db, "day", f"tenant=t{number}", spent_nano=number)
    assert f"1 to {SHOWN} of {SHOWN + 1} balances" in text(db, "/budgets")
    assert len(page(db, "/budgets?page=2").table("budgets").rows) == 1
    assert cells(page(db, "/budgets?find=T17"), "budgets", "scope") == [("tenant=t17",)]
    assert "Search for less" in text(db, "/budgets?find=nobody")


def test_what_is_paused_is_said_at_the_top(db: Database) -> None:
    """And beside the balances that it is about."""
    overridebook.keep(db, Override("o", OverrideKind.PAUSE, "day", 1, NOON + 60 * SECOND, reason="launch", by="ada"))
    put(db, "day", "tenant=acme")
    said = text(db, "/budgets")
    assert 'budget "day" is paused: it observes, and changes nothing' in said
    assert "paused until 2026-11-21 12:01:00 by ada: launch" in said


def test_names_are_texts(db: Database) -> None:
    """A scope value comes from an application."""
    put(db, "day", f"tenant={HOSTILE}")
    assert "<script>alert" not in markup(db, "/budgets")
    assert HOSTILE in text(db, "/budgets")
