"""Claims about burndowns: what was spent by when, the alerts' own forecast of the rest, and when it is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.flowing import spend

from bursar.agent.dashboard.burndown import Burndown, burndown
from bursar.agent.dashboard.page import Now
from bursar.agent.ledger import balances
from bursar.agent.ledger.meterbook import Standing
from bursar.policies.policyfile import parse_policy
from bursar.policies.prices import shipped_book

HOUR, DAY = 3_600, 86_400
MIDNIGHT = 1_795_219_200
"""2026-11-21, a Saturday, in UTC."""
NOON = MIDNIGHT + 12 * HOUR
USD = 10**9
POLICY = parse_policy(
    """
    version = 1
    mode = "enforce"
    budget = [
        {name = "day", limit = "10 USD", every = "day"},
        {name = "hour", limit = "10 USD", every = "hour"},
        {name = "late", limit = "10 USD", every = "rolling 24h"},
        {name = "words", limit = "100 tokens", every = "day"},
        {name = "month", limit = "10 USD", every = "month"},
    ]
    """,
    file="f",
)
TODAY = "2026-11-21T00:00:00Z"


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def drawn(
    db: Database, spent: Mapping[int, int], *, key: str = f"day|{TODAY}|", now: int = NOON, limit: int = 10 * USD
) -> Burndown:
    """A balance whose scope spent so much at these instants, seconds since the epoch."""
    budget, _, scope, *unit = key.split("|")
    spend(db, budget, scope, spent, tokens=7)
    balances.ensure(db, key, POLICY)
    total = sum(nano for at, nano in spent.items() if at >= MIDNIGHT)
    standing = Standing(budget, scope, "tokens" if unit else "usd", limit, total, 0, 0, key)
    return burndown(db, standing, Now((now + 59) * 10**9, UTC, shipped_book(), POLICY))


def line(found: Burndown, name: str) -> dict[int, int | None]:
    """A line of the chart, where it has a value."""
    values = next(each.values for each in found.chart.lines if each.name == name)
    return {at: value for at, value in zip(found.chart.x, values, strict=True) if value is not None}


def test_what_was_spent_by_when(db: Database) -> None:
    """A day is drawn every ten minutes from its beginning, up to the last whole minute, where it is the balance's."""
    spent = line(drawn(db, {MIDNIGHT - 60: 9 * USD, MIDNIGHT + HOUR: USD, NOON - 60: USD}, now=NOON + 120), "spent")
    assert list(spent)[:2] == [MIDNIGHT, MIDNIGHT + 600]
    assert (spent[MIDNIGHT], spent[MIDNIGHT + HOUR], spent[MIDNIGHT + HOUR + 600]) == (0, 0, USD)
    assert list(spent.items())[-2:] == [(NOON, 2 * USD), (NOON + 120, 2 * USD)]


def test_the_forecast_goes_on_from_there(db: Database) -> None:
    """8 USD by noon of a flat day, and three quarters of 8 more; without a past within half and twice as much."""
    found = drawn(db, {MIDNIGHT: 8 * USD})
    end = MIDNIGHT + DAY
    assert line(found, "forecast")[NOON] == line(found, "at most")[NOON] == 8 * USD
    ends = [line(found, name)[end] for name in ("at least", "forecast", "at most")]
    assert ends == [12 * USD, 14 * USD, 24 * USD]
    assert line(found, "limit") == dict.fromkeys(found.chart.x, 10 * USD)
    assert min(line(found, "forecast")) == NOON


def test_when_it_runs_out(db: Database) -> None:
    """Of 6 USD that come in 12 hours 2 are there: they last for 4, and the chart crosses the limit at that instant."""
    found = drawn(db, {MIDNIGHT: 8 * USD})
    assert found.ending.headline == "Runs out about 16:00"
    assert found.ending.detail.startswith("4 h from now, 8 h before the window turns.")
    assert "$14.00 ($12.00 to $24.00, a wide guess" in found.ending.detail
    assert line(found, "forecast")[NOON + 4 * HOUR] == 10 * USD


@pytest.mark.parametrize(
    ("spent", "headline", "level"),
    [
        (USD, "Lasts to the end of the window", "good"),
        (4 * USD, "Lasts, if it goes on as before", ""),
        (8 * USD, "Runs out about 16:00", "warn"),
        (10 * USD - 1, "As good as used up", "bad"),
        (11 * USD, "Used up by 00:10", "bad"),
    ],
)
def test_every_ending(db: Database, spent: int, headline: str, level: str) -> None:
    """From one that lasts to one that is over; 4 USD may become 12, which is more than the limit."""
    found = drawn(db, {MIDNIGHT: spent})
    assert (found.ending.headline, found.ending.level) == (headline, level)
    assert headline in found.chart.summary


def test_a_limit_that_was_passed(db: Database) -> None:
    """By how much, and until when."""
    assert drawn(db, {MIDNIGHT: 11 * USD}).ending.detail == (
        "$1.00 more than the limit is spent. The window turns Sun 22 Nov 00:00."
    )


def test_a_past_that_was_learnt_from(db: Database) -> None:
    """Nine whole days, each with as much after noon as before it."""
    past = {MIDNIGHT - back * DAY + at * HOUR: USD for back in range(1, 11) for at in (6, 18)}
    assert "four of five of the 9 windows before" in drawn(db, {**past, MIDNIGHT: USD}).ending.detail


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("late|rolling 24h|", "A rolling window has no end"),
        ("hour|2026-11-21T12:00:00Z|", "A window of an hour is over before a trend shows"),
        (f"gone|{TODAY}|", "The policy in force has no such budget any more"),
    ],
)
def test_what_has_no_forecast_says_why(db: Database, key: str, why: str) -> None:
    """And draws none."""
    found = drawn(db, {NOON: USD}, key=key, now=NOON + 60)
    assert found.ending.headline == "No forecast"
    assert found.ending.detail.startswith(why)
    assert [each.name for each in found.chart.lines] == ["spent", "limit"]


def test_too_early(db: Database) -> None:
    """An hour is a twenty-fourth of a flat day, and a tenth must be due."""
    found = drawn(db, {MIDNIGHT: USD}, now=MIDNIGHT + HOUR)
    assert found.ending.headline == "Too early for a forecast"
    assert "4.2%" in found.ending.detail
    assert found.chart.x[-1] == MIDNIGHT + DAY


def test_a_budget_of_tokens_counts_tokens(db: Database) -> None:
    """In its own unit, and no money anywhere."""
    key = f"words|{TODAY}||tokens"
    spend(db, "words", "", {MIDNIGHT: USD}, tokens=7)
    balances.ensure(db, key, POLICY)
    now = Now(NOON * 10**9, UTC, shipped_book(), POLICY)
    found = burndown(db, Standing("words", "", "tokens", 100, 7, 0, 0, key), now)
    assert line(found, "spent")[NOON - 600] == 7
    assert (found.chart.measure, "$" in found.chart.summary) == ("count", False)


def test_a_month_is_drawn_by_the_hour(db: Database) -> None:
    """Minutes are not kept that long: in steps of six hours, of which no window has more than 150."""
    found = drawn(db, {MIDNIGHT: USD}, key="month|2026-11-01T00:00:00Z|")
    assert found.chart.x[1] - found.chart.x[0] == 6 * HOUR
    assert len(found.chart.x) <= 150
    assert found.window == "since Sun 1 Nov 00:00, turns Tue 1 Dec 00:00"


def test_charts_keep_their_names(db: Database) -> None:
    """So that a page that is refreshed finds its charts again; each balance has another."""
    one, again = drawn(db, {}), drawn(db, {})
    assert one.chart.name == again.chart.name
    assert drawn(db, {}, key="hour|2026-11-21T12:00:00Z|").chart.name != one.chart.name
