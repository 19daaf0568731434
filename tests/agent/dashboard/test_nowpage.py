"""Claims about the first page: today beside yesterday, nothing hidden, and what to do where there is nothing yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, unexplained, used

from bursar.agent.dashboard import asking, shell
from bursar.agent.dashboard.burndown import Burndown
from bursar.agent.dashboard.chart import Chart
from bursar.agent.dashboard.nowpage import MOST_BUDGETS, MOST_DECISIONS, Tile, day_of, now_page
from bursar.agent.dashboard.page import Now, Page
from bursar.policies.policyfile import parse_policy
from bursar.policies.prices import shipped_book
from bursar.policies.records import Decided, Record, Sent
from bursar.policies.usage import Usage

NOON = 1_795_262_400
"""2026-11-21, in UTC."""
DAY = 86_400
POLICY = parse_policy(
    """
    version = 1
    mode = "enforce"
    budget = [
        {name = "day", limit = "10 USD", every = "day", per = ["tenant"]},
        {name = "digests", limit = "1 USD", every = "day", match = {route = "nightly.*"}},
    ]
    """,
    file="f",
)
NOW = Now(NOON * SECOND, UTC, shipped_book(), POLICY)
ASKED = asking.read("/", [], now_ns=NOON * SECOND, origin="http://127.0.0.1:4319")


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def shown(db: Database, now: Now = NOW) -> str:
    """The page as HTML, its white space as a reader sees it."""
    return re.sub(r"\s+", " ", shell.render(now_page(db, ASKED, now), ASKED, now, where="/"))


def tile(page: Page, name: str) -> Tile:
    tiles = cast("Sequence[Tile]", page.data["tiles"])
    return next(one for one in tiles if one.name == name)


def call(
    db: Database, name: str, tokens: int = 1_000, *, at: int = NOON - 60, tenant: str = "acme", route: str = "desk"
) -> None:
    """A call of Opus, at 4 USD per million tokens in; named after a tenant as guards do."""
    sent, settled = used(name, Usage(input=tokens), at=at, route=route)
    assert isinstance(sent, Sent)
    put(db, [replace(sent, labels={"tenant": tenant}), settled], policy=POLICY)


def refusal(name: str, at: int = NOON - 30, *, route: str = "desk", **figures: object) -> list[Record]:
    decision = {"budget": "day", "step": "100%", "expected": 1_000_000, **figures}
    return [Decided(name, at * SECOND, route, OPUS, "block", "spent", decision=decision)]


def test_a_ledger_without_a_call_says_how_to_connect(db: Database) -> None:
    """With the address under which this agent was reached; and how to write a policy, where there is none."""
    text = shown(db)
    assert "export BURSAR_AGENT=http://127.0.0.1:4319" in text
    assert "bursar run -- python app.py" in text
    assert "No policy is in force" not in text
    assert "bursar check bursar.toml" in shown(db, replace(NOW, policy=None))


def test_without_a_policy_the_page_says_how_to_write_one(db: Database) -> None:
    """Also once there are calls."""
    put(db, used("a", Usage(input=1_000), at=NOON - 60))
    assert "No policy is in force, so nothing is limited" in shown(db, replace(NOW, policy=None))


def test_today_stands_beside_yesterday_by_the_same_time(db: Database) -> None:
    """0.008 USD since midnight; yesterday 0.004 by noon, and more after it that does not count."""
    call(db, "a", 2_000)
    call(db, "b", at=NOON - DAY - 60)
    call(db, "c", at=NOON - DAY + 60)
    call(db, "d", at=NOON - DAY - 43_260)
    spent = tile(now_page(db, ASKED, NOW), "Spent today")
    assert (spent.figure, spent.exact) == ("$0.008", "0.008 USD")
    assert spent.notes == ("$0.004 yesterday by now (+100%)",)


def test_what_is_not_known_stands_beside_the_sum(db: Database) -> None:
    """Estimated, unknown: said, and neither hidden nor nothing."""
    call(db, "a")
    put(db, unexplained("e", 500_000_000, at=NOON - 60), unexplained("u", None, at=NOON - 60))
    notes = tile(now_page(db, ASKED, NOW), "Spent today").notes
    assert notes == ("no calls yesterday by now", "$0.50 of it estimated", "and 1 charge of unknown cost")


def test_sums_beyond_what_a_float_holds_are_exact(db: Database) -> None:
    """2 ** 53 + 1 nano-dollars, to the last of them."""
    put(db, unexplained("e", 2**53 + 1, at=NOON - 60))
    assert tile(now_page(db, ASKED, NOW), "Spent today").exact == "9007199.254740993 USD"
    assert "9007199.254740993 USD" in shown(db)


def test_what_is_in_flight(db: Database) -> None:
    """How many, and what they are expected to cost."""
    put(db, [Sent("f", "f", NOON * SECOND, "desk", OPUS, OPUS, expected_nano=20_000_000)])
    flying = tile(now_page(db, ASKED, NOW), "In flight")
    assert (flying.figure, flying.notes) == ("1", ("$0.02 expected",))


def test_refusals_are_counted_and_what_they_kept_back_is_no_saving(db: Database) -> None:
    """Told apart from what was saved."""
    put(db, refusal("a"), refusal("b"))
    assert tile(now_page(db, ASKED, NOW), "Refused today").figure == "2"
    text = shown(db)
    assert tile(now_page(db, ASKED, NOW), "Saved today").figure == "$0.00"
    assert 'Not spent, and no saving: 2 refused calls, expected to cost <span title="0.002 USD">' in text


@pytest.mark.parametrize(
    ("zone", "at", "midnight", "then"),
    [
        ("Asia/Kolkata", "2026-11-21T12:00", "2026-11-20T18:30", "2026-11-20T12:00"),
        ("Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-24T11:00"),
        ("UTC", "2026-11-21T12:00", "2026-11-21T00:00", "2026-11-20T12:00"),
    ],
)
def test_days_are_those_of_the_policys_clock(zone: str, at: str, midnight: str, then: str) -> None:
    """Where the clock was set back at three, one o'clock in the afternoon of yesterday was 25 hours ago."""
    place: tzinfo = ZoneInfo(zone)
    day = day_of(replace(NOW, ns=nanoseconds(at), tz=place))
    assert (day.midnight, day.then) == (nanoseconds(midnight), nanoseconds(then))


def nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}:00+00:00").timestamp()) * SECOND


def test_the_fullest_budgets_are_drawn_and_the_others_linked(db: Database) -> None:
    """So many of them, the fullest first; and those that no call has met are named."""
    for number in range(MOST_BUDGETS):
        call(db, f"a{number}", 1_000 * (number + 1), tenant=f"t{number}")
    drawn = cast("Sequence[Burndown]", now_page(db, ASKED, NOW).data["budgets"])
    assert [one.standing.scope for one in drawn] == [f"tenant=t{number}" for number in reversed(range(MOST_BUDGETS))]
    assert "No call has met digests in the present window" in shown(db)
    call(db, "one", 1, tenant="more")
    text = shown(db)
    assert text.count('<section class="burndown"') == MOST_BUDGETS
    assert "All budgets: these are the fullest" in text
    assert "No call has met" not in text


def test_minutes_keep_their_places(db: Database) -> None:
    """The last sixty, this one among them; routes by name, whichever is dearest."""
    call(db, "a", 1, route="desk", at=NOON)
    call(db, "b", 9, route="research", at=NOON - 59 * 60)
    call(db, "c", 9, route="research", at=NOON - 60 * 60)
    chart = cast("Chart", now_page(db, ASKED, NOW).data["minutes"])
    assert [line.name for line in chart.lines] == ["desk", "research"]
    assert (chart.x[0], chart.x[-1]) == (NOON - 59 * 60, NOON)
    assert [sum(value or 0 for value in line.values) for line in chart.lines] == [4_000, 36_000]


def test_nothing_spent_in_the_last_hour_is_said(db: Database) -> None:
    """Rather than shown as an empty chart."""
    call(db, "a", at=NOON - 7_200)
    assert "Nothing was spent in the last hour" in shown(db)


def test_the_last_decisions_lead_to_their_calls(db: Database) -> None:
    """So many, the newest first, each in a sentence, with its budget and its step."""
    refusals = [one for number in range(MOST_DECISIONS + 1) for one in refusal(f"c/{number}", NOON - number - 1)]
    moved = Decided("m", NOON * SECOND, "desk", OPUS, "downgrade", "step", decision={"budget": "day", "model": SONNET})
    put(db, [moved, *refusals])
    rows = now_page(db, ASKED, NOW).table("decisions").rows
    assert len(rows) == MOST_DECISIONS
    assert rows[0].cells["why"] == f'Moved from {OPUS} to {SONNET} by budget "day": it had passed a step.'
    assert (rows[1].href, rows[1].links) == ("/calls/c%2F0", {"budget": "/budgets/day"})
    told = [rows[1].cells[name] for name in ("action", "route", "budget", "step")]
    assert told == ["block", "desk", "day", "100%"]
    assert str(rows[1].cells["why"]).startswith('Refused by budget "day"')


def test_names_are_never_markup(db: Database) -> None:
    """A route, a tenant and a budget's step that an application made up stand there as they are."""
    evil = "<script>alert(1)</script>"
    call(db, "a", route=evil, tenant=evil)
    put(db, refusal("r", route=evil, budget=evil, step=evil))
    assert "<script>alert" not in shown(db)


def test_a_page_is_the_same_twice(db: Database) -> None:
    """Where nothing moved: so a refresh finds every element in its place."""
    for number in range(4):
        call(db, f"a{number}", route=f"route.{number}", tenant=f"t{number}")
    put(db, refusal("r"))
    assert shown(db) == shown(db)
