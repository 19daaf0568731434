"""Claims about a budget's past: its windows, pace, holds, alerts and decisions, and nothing of another's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.shown import ledger
from tests.agent.ledger.booked import OPUS, put
from tests.agent.ledger.flowing import spend
from tests.agent.ledger.test_balancebook import DAY, MIDNIGHT, NOON, SECOND
from tests.agent.ledger.test_balancebook import put as balance

from bursar.agent.ledger import budgetpast, outbox, overridebook
from bursar.agent.ledger.flows import HOUR, MINUTE
from bursar.policies.overrides import Override, OverrideKind
from bursar.policies.records import Decided


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        yield memory


def test_past_windows_say_by_how_much_they_were_over(db: Database) -> None:
    """The newest first; the one of now is none of them, and those of a budget of a similar name neither."""
    balance(db, "day")
    balance(db, "daily", window_start=MIDNIGHT - DAY, window_end=MIDNIGHT)
    balance(db, "day", window_start=MIDNIGHT - DAY, window_end=MIDNIGHT, spent_nano=12 * SECOND, calls=7)
    balance(db, "day", window_start=MIDNIGHT - 2 * DAY, window_end=MIDNIGHT - DAY, spent_nano=SECOND)
    newest, older = budgetpast.windows(db, "day", NOON)
    assert (newest.end_ns, newest.spent, newest.over, newest.calls) == (MIDNIGHT, 12 * SECOND, 2 * SECOND, 7)
    assert (older.spent, older.over) == (SECOND, 0)


def test_the_pace_of_each_scope_by_slot(db: Database) -> None:
    """What was spent in each hour, nothing where nothing was; also in tokens."""
    spend(db, "day", "tenant=a", {NOON // SECOND: 5, NOON // SECOND - 7_200: 3}, tokens=10)
    (a, b) = budgetpast.pace(db, "day", ["tenant=a", "tenant=b"], NOON - 3 * HOUR * SECOND, NOON + SECOND, HOUR)
    assert (list(a.nano), list(a.of("tokens"))) == ([0, 3, 0, 5], [0, 10, 0, 10])
    assert list(b.of("usd")) == [0, 0, 0, 0]


@pytest.mark.parametrize(("hours", "step"), [(1, MINUTE), (3, MINUTE), (4, HOUR), (24 * 30, HOUR)])
def test_a_short_time_is_told_by_minutes(hours: int, step: int) -> None:
    """So that a chart has some sixty to some thousand points."""
    assert budgetpast.step_for(NOON - hours * HOUR * SECOND, NOON) == step


def test_holds_are_those_of_its_balances(db: Database) -> None:
    """In the balance's unit; what is held in a second currency is not told twice."""
    for key in ("day|w|", "day|w||expected", "other|w|", "calls|w||calls"):
        db.conn.execute("INSERT INTO holds VALUES (?, 'a', 'h', 5, 2)", [key])
    (held,) = budgetpast.holds(db, "day")
    assert (held.balance, held.unit, held.expected, held.lent) == ("day|w|", "usd", 5, 2)
    assert budgetpast.holds(db, "calls")[0].unit == "calls"


def test_an_alert_is_told_with_every_try(db: Database) -> None:
    """What failed and what was accepted, in that order."""
    outbox.raise_alert(db, balance="day|w|", step="80%", channel="slack", payload={}, now_ns=NOON)
    outbox.raise_alert(db, balance="other|w|", step="80%", channel="slack", payload={}, now_ns=NOON)
    (alert,) = [one for one in outbox.due(db, NOON) if one.balance == "day|w|"]
    outbox.mark_failed(db, alert, "503", next_try_ns=NOON + 5, number=outbox.begin(db, alert, NOON), now_ns=NOON + 1)
    outbox.mark_sent(db, alert, NOON + 9, number=outbox.begin(db, alert, NOON + 8), said="ok")
    (told,) = budgetpast.alerts(db, "day")
    assert (told.state, told.sent_ns) == ("sent", NOON + 9)
    assert [(each.outcome, each.said) for each in told.tries] == [("failed", "503"), ("accepted", "ok")]


def refusal(number: int, budget: str) -> Decided:
    decision = {"budget": budget, "balance": f"{budget}|w|", "model": "haiku"}
    return Decided(f"c{number}", NOON + number, "desk", OPUS, "block", "spent", {"tenant": "acme"}, decision)


def test_decisions_are_its_own_the_newest_first(db: Database) -> None:
    """By the budget that decided, in the time asked for, page by page; a budget named in passing is not meant."""
    put(db, [refusal(number, "day" if number % 2 else "other") for number in range(10)])
    found = budgetpast.decisions(db, "day", NOON, NOON + 100, limit=3)
    assert [one.at_ns - NOON for one in found.found] == [9, 7, 5]
    assert (found.found[0].action, found.found[0].planned, found.found[0].labels) == (
        *("block", "haiku"),
        {"tenant": "acme"},
    )
    rest = budgetpast.decisions(db, "day", NOON, NOON + 100, found.older, limit=3)
    assert ([one.at_ns - NOON for one in rest.found], rest.older) == ([3, 1], None)
    assert budgetpast.decisions(db, "da", NOON, NOON + 100).found == ()


def test_a_search_for_decisions_stops_in_time(db: Database) -> None:
    """After so many of all budgets; it says how far it came, and the next one goes on from there."""
    put(db, [refusal(number, "other" if number else "day") for number in range(10)])
    found = budgetpast.decisions(db, "day", NOON, NOON + 100, look=4)
    assert (found.found, found.searched_to_ns) == ((), NOON + 6)
    while not found.found:
        assert found.older is not None
        found = budgetpast.decisions(db, "day", NOON, NOON + 100, found.older, look=4)
    assert found.found[0].at_ns == NOON


@pytest.mark.parametrize("name", ["größe", 'a"b', "a\\b", "50%_off"])
def test_a_budget_of_any_name_is_found(db: Database, name: str) -> None:
    """However its name is written in what the ledger keeps."""
    put(db, [refusal(1, name), refusal(2, "other")])
    assert len(budgetpast.decisions(db, name, NOON, NOON + 100).found) == 1


def test_overrides_are_those_of_its_name_its_table_or_of_all(db: Database) -> None:
    """A pause of `support` is one of its window `support:day` too."""
    for place, budget in enumerate(("support", "support:day", "*", "sales")):
        overridebook.keep(db, Override(str(place), OverrideKind.PAUSE, budget, NOON + place, NOON + DAY))
    names = [entry.override.budget for entry in budgetpast.overrides(db, "support:day")]
    assert names == ["*", "support:day", "support"]
