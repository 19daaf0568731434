"""Claims about the tables of a budget's past: each figure in its unit, and each empty one with what to do."""

from __future__ import annotations

from datetime import UTC

from tests.agent.dashboard.shown import NOON, POLICY, SECOND

from bursar.agent.dashboard import asking, budgetrecords
from bursar.agent.dashboard.page import Now
from bursar.agent.dashboard.table import to_csv
from bursar.agent.ledger.budgetpast import Decisions, Held, Past, Told
from bursar.agent.ledger.outbox import Try
from bursar.agent.ledger.overridebook import Entry
from bursar.policies.overrides import Override, OverrideKind
from bursar.policies.pricefile import shipped_book

ASKED = asking.read("/budgets/day", [], now_ns=NOON)
AT_NOON = Now(NOON, UTC, shipped_book(), POLICY)


def test_a_window_in_tokens_is_no_money() -> None:
    """In a spreadsheet neither: 150 of 100 tokens are 50 over."""
    past = Past("tokens|w||tokens", "", "tokens", 0, NOON, 100, 150, 0, 3)
    (row,) = budgetrecords.windows([past]).rows
    assert (row.unit, row.cells["over"], row.badges) == ("tokens", 50, {"over": "bad"})
    assert to_csv(budgetrecords.windows([past])).splitlines()[1] == (
        "1970-01-01T00:00:00Z,2026-11-21T12:00:00Z,all,1.5,150,100,50,,3,tokens"
    )


def test_what_is_in_flight_leads_to_its_call() -> None:
    """By the attempt's name."""
    held = Held("day|w|tenant=acme", "a/1", "usd", 5, 2, NOON - SECOND, "desk", "haiku", "sent")
    (row,) = budgetrecords.holds([held], ASKED).rows
    assert (row.href, row.cells["scope"], row.cells["since"]) == ("/calls/a%2F1", "tenant=acme", NOON - SECOND)


def test_an_alert_says_what_its_channel_said_last() -> None:
    """The last error while it waits, else the answer to the try that was accepted."""
    tried = Try("day|w|", "80%", "slack", NOON, NOON, "accepted", "ok")
    told = Told("day|w|", "80%", "slack", "sent", NOON, NOON, NOON, None, (tried,))
    waits = Told("day|w|", "90%", "slack", "pending", NOON, None, NOON, "503", ())
    rows = budgetrecords.alerts([told, waits]).rows
    assert [(row.cells["state"], row.cells["said"], row.cells["tries"]) for row in rows] == [
        ("told", "ok", 1),
        ("waits", "503", 0),
    ]


def test_every_try_is_told_with_its_outcome() -> None:
    """The newest first; one that was broken off has no end."""
    first = Try("day|w|", "80%", "slack", NOON - SECOND, NOON, "failed", "503")
    last = Try("day|w|", "80%", "slack", NOON, None, "begun", None)
    told = Told("day|w|", "80%", "slack", "pending", NOON, None, NOON, "503", (first, last))
    rows = budgetrecords.deliveries([told]).rows
    assert [(row.cells["outcome"], row.cells["took"], row.cells["said"]) for row in rows] == [
        ("begun", None, None),
        ("failed", SECOND, "503"),
    ]


def test_an_override_that_was_taken_back_says_by_whom() -> None:
    """And when."""
    override = Override("o", OverrideKind.PAUSE, "day", NOON, NOON + SECOND, reason="why", by="ada")
    (row,) = budgetrecords.overrides([Entry(override, NOON, "bob")], AT_NOON).rows
    assert (row.cells["by"], row.cells["ended"]) == ("ada", "2026-11-21 12:00:00 by bob")


def test_every_empty_table_says_something() -> None:
    """None is a mere nothing."""
    nothing = Decisions((), None, 0)
    tables = (
        budgetrecords.decisions(nothing, ASKED),
        budgetrecords.windows([]),
        budgetrecords.holds([], ASKED),
        budgetrecords.alerts([]),
        budgetrecords.deliveries([]),
        budgetrecords.overrides([], AT_NOON),
    )
    for table in tables:
        assert table.empty.endswith("."), table.name


def test_whom_a_balance_is_for() -> None:
    """Everybody, where it has no scope; the key itself where it is none of ours."""
    assert [budgetrecords.scope_of(key) for key in ("day|w|tenant=a", "day|w|", "odd", "")] == [
        *("tenant=a", "all", "odd", "all")
    ]
