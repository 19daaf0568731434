"""Claims about a budget's page: what the policy says, what it stands at, and why it decided as it did."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.decided import booked, moved, refused
from tests.agent.dashboard.shown import HOSTILE, NOON, SECOND, ledger, markup, page, text
from tests.agent.ledger.test_balancebook import DAY, MIDNIGHT, put

from bursar.agent.dashboard.chart import Chart, Measure
from bursar.agent.dashboard.page import NotThereError
from bursar.agent.ledger import outbox
from bursar.agent.ledger.balancebook import SHOWN

USD = 10**9


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        yield memory


def test_the_policy_in_words_and_what_can_be_done(db: Database) -> None:
    """As `bursar check` says it; with the commands under its own name."""
    said = text(db, "/budgets/day")
    assert 'Budget "day": 10.00 USD every day for each tenant, for all calls.' in said
    assert "At 80% (8.00 USD): downgrade to the next model of the ladder, alert log." in said
    for command in ("bursar pause day --for 1h", "bursar raise day 20 USD --for 1h", "bursar resume day"):
        assert command in said


def test_why_it_refused_leads_to_the_call(db: Database) -> None:
    """A sentence for each decision, and a link to the call that it was about."""
    booked(db, moved(), refused())
    rows = page(db, "/budgets/day").table("decisions").rows
    assert [row.cells["action"] for row in rows] == ["block", "downgrade"]
    assert rows[0].cells["why"] == (
        'Refused by budget "day" (tenant=acme): 9.50 USD of 10.00 USD were spent; this call may need 20.00 USD, '
        "more than is left."
    )
    assert rows[0].href.startswith("/calls/refused%40")


def test_one_balance_is_told_in_tiles(db: Database) -> None:
    """Spent, in flight, left, and when its window ends; many are told in the table alone."""
    put(db, "day", "tenant=acme", spent_nano=9 * USD)
    said = text(db, "/budgets/day")
    assert "Spent $9.00 of $10.00" in said
    assert "Left $1.00" in said
    put(db, "day", "tenant=bob")
    assert "Left" not in text(db, "/budgets/day")


def test_one_of_many_balances_is_searched_for(db: Database) -> None:
    """By a part of whom it is for; where all fit on the page, nothing is offered to search with."""
    put(db, "day", "tenant=acme")
    assert 'name="find"' not in markup(db, "/budgets/day")
    for number in range(SHOWN):
        put(db, "day", f"tenant=t{number}")
    assert 'name="find"' in markup(db, "/budgets/day")
    assert [row.cells["scope"] for row in page(db, "/budgets/day?find=acm").table("balances").rows] == ["tenant=acme"]


def test_its_pace_is_drawn_by_scope(db: Database) -> None:
    """By the minute in the last hour; a budget in tokens is drawn in tokens."""
    booked(db, moved(labels={"tenant": "acme"}))
    chart = page(db, "/budgets/day?span=1h").data["chart"]
    assert isinstance(chart, Chart)
    assert (chart.title, chart.measure, [line.name for line in chart.lines]) == (
        *("Spend per minute", Measure.MONEY),
        ["tenant=acme"],
    )
    assert sum(value or 0 for value in chart.lines[0].values) == 150_000
    tokens = page(db, "/budgets/tokens?span=24h").data["chart"]
    assert isinstance(tokens, Chart)
    assert (tokens.title, sum(value or 0 for value in tokens.lines[0].values)) == ("Tokens per hour", 1_100)


def test_its_past_and_its_alerts(db: Database) -> None:
    """Windows that are over, by how much; alerts, and what the channel said."""
    put(db, "day", "tenant=acme", window_start=MIDNIGHT - DAY, window_end=MIDNIGHT, spent_nano=12 * USD)
    outbox.raise_alert(db, balance="day|w|tenant=acme", step="80%", channel="log", payload={}, now_ns=NOON - SECOND)
    found = page(db, "/budgets/day")
    assert found.table("windows").rows[0].cells["over"] == 2 * USD
    assert found.table("alerts").rows[0].cells["state"] == "waits"


def test_a_title_sorts_past_windows(db: Database) -> None:
    """The newest first, unless something else is asked."""
    for days, spent in ((1, 3 * USD), (2, 5 * USD), (3, 4 * USD)):
        put(db, "day", window_start=MIDNIGHT - days * DAY, window_end=MIDNIGHT - (days - 1) * DAY, spent_nano=spent)

    def shown(url: str) -> list[object]:
        return [row.cells["spent"] for row in page(db, url).table("windows").rows]

    assert shown("/budgets/day") == [3 * USD, 5 * USD, 4 * USD]
    assert shown("/budgets/day?sort=-spent") == [5 * USD, 4 * USD, 3 * USD]


def test_a_budget_that_is_gone_from_the_policy_is_still_told(db: Database) -> None:
    """As far as the ledger keeps it."""
    put(db, "old", window_start=MIDNIGHT - DAY, window_end=MIDNIGHT)
    assert "has no budget of this name any more" in text(db, "/budgets/old")


@pytest.mark.parametrize("name", ["nothing", "da", "day|", HOSTILE])
def test_a_budget_there_is_none_of(db: Database, name: str) -> None:
    """Said, with where all of them are."""
    put(db, "day")
    with pytest.raises(NotThereError, match="The page of budgets lists them all"):
        page(db, f"/budgets/{quote(name, safe='')}")


def test_names_are_texts(db: Database) -> None:
    """Of the budget, of scopes, and in what it decided."""
    put(db, HOSTILE, f"tenant={HOSTILE}")
    booked(db, refused(route=HOSTILE))
    for name in (HOSTILE, "day"):
        assert "<script>alert" not in markup(db, f"/budgets/{quote(name, safe='')}")
