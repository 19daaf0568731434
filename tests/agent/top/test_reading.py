"""Claims about the picture that is read from a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import put, unexplained

from bursar.agent.ledger import overridebook
from bursar.agent.top.picture import DecisionNow, Totals, to_json
from bursar.agent.top.reading import Reader
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import Snapshot
from bursar.policies.records import Decided, Sent

SECOND = 10**9
NOON = 1_795_262_400
"""2026-11-21, twelve o'clock in UTC."""
HOUR = 3600
POLICY = """\
version = 1
mode = "enforce"
timezone = "Asia/Tokyo"
[[budget]]
name = "desk-day"
match = { route = "desk" }
limit = "0.001 USD"
every = "day"
[budget.at]
"100%" = "block"
"""
OPUS = "claude-opus-5-5"
LEDGER = Path("bursar.sqlite")


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def told(db: Database) -> None:
    """A day of Tokyo, which began at 15:00 in UTC: 400,000 nano-dollars spent, 100,000 held, and a refusal."""
    policy = parse_policy(POLICY, file="bursar.toml")
    overridebook.keep_rules(db, Snapshot(id="r1", policy=POLICY, file="bursar.toml"), NOON * SECOND)
    refusal = {"budget": "desk-day", "step": "100%"}
    put(
        db,
        unexplained("a1", 300_000, at=NOON - 8 * HOUR),
        unexplained("a2", 100_000, at=NOON - 30 * 60, model="claude-haiku-5-5"),
        unexplained("a3", 70_000, at=NOON - 22 * HOUR),
        [Sent("a4", "a4", NOON * SECOND, "desk", OPUS, OPUS, bound_nano=100_000, expected_nano=100_000)],
        [Decided("c1", (NOON - 60) * SECOND, "desk", OPUS, "block", "spent", decision=refusal)],
        policy=policy,
    )


def test_a_budget_with_its_forecast(db: Database) -> None:
    """21 of 24 hours are over in which 400,000 were spent: 0.75 of the rest, 57,143, makes 442,857."""
    told(db)
    (budget,) = Reader().read(db, LEDGER, NOON * SECOND).budgets
    assert (budget.budget, budget.limit, budget.spent, budget.held) == ("desk-day", 10**6, 400_000, 100_000)
    assert budget.percent == 50
    assert budget.ends_ns == (NOON + 3 * HOUR) * SECOND
    assert (budget.forecast, budget.exhausted_ns) == (442_857, None)


def test_routes_of_the_hour_and_of_the_day_by_the_policy_s_clock(db: Database) -> None:
    """What was sent 22 hours ago was yesterday in Tokyo; half an hour ago is the 31st of the last 60 minutes."""
    told(db)
    picture = Reader().read(db, LEDGER, NOON * SECOND)
    (route,) = picture.routes
    assert (route.route, route.hour_calls, route.hour_nano) == ("desk", 1, 100_000)
    assert (route.today_calls, route.today_nano) == (2, 400_000)
    assert route.models == (OPUS, "claude-haiku-5-5")
    assert [(place, nano) for place, nano in enumerate(route.minutes) if nano] == [(29, 100_000)]
    assert picture.zone == ZoneInfo("Asia/Tokyo")
    assert picture.totals == Totals(2, 400_000, 0, 1, 100_000, 0, 0)


def test_the_last_decisions(db: Database) -> None:
    """With the budget and the step that asked for it."""
    told(db)
    at_ns = (NOON - 60) * SECOND
    assert Reader().read(db, LEDGER, NOON * SECOND).decisions == (
        DecisionNow(at_ns, "desk", OPUS, "block", "spent", "desk-day", "100%"),
    )


def test_the_same_decided_again_and_again_stands_there_once(db: Database) -> None:
    """How often, and when last; what was decided between them keeps its place by its own newest."""
    for second, action in ((1, "block"), (2, "block"), (3, "downgrade"), (4, "block"), (5, "downgrade")):
        put(db, [Decided(f"c{second}", (NOON - 60 + second) * SECOND, "desk", OPUS, action, "spent")])
    seen = Reader().read(db, LEDGER, NOON * SECOND).decisions
    assert [(one.action, one.times, one.at_ns // SECOND - NOON + 60) for one in seen] == [
        ("downgrade", 2, 5),
        ("block", 3, 4),
    ]


def test_an_empty_ledger(db: Database) -> None:
    """Nothing, and no policy."""
    picture = Reader().read(db, LEDGER, NOON * SECOND)
    assert (picture.policy, picture.budgets, picture.routes, picture.decisions) == (False, (), (), ())
    assert picture.totals == Totals()


def test_rules_that_cannot_be_read_are_none(db: Database) -> None:
    """A newer agent may have written them."""
    overridebook.keep_rules(db, Snapshot(id="r1", policy="version = 99", file="x"), NOON * SECOND)
    assert not Reader().read(db, LEDGER, NOON * SECOND).policy


def test_a_charge_that_comes_late_is_seen_at_once(db: Database) -> None:
    """As of a batch: it counts when it was sent."""
    reader, now_ns = Reader(), (NOON + 60) * SECOND
    assert reader.read(db, LEDGER, now_ns).totals.today_nano == 0
    put(db, unexplained("late", 5, at=NOON - 2 * HOUR), unexplained("now", 7, at=NOON + 1))
    assert reader.read(db, LEDGER, now_ns).totals.today_nano == 12


def test_a_day_that_begins_at_half_past(db: Database) -> None:
    """In Kolkata at 18:30 in UTC: a minute before is yesterday."""
    rules = 'version = 1\nmode = "observe"\ntimezone = "Asia/Kolkata"\n'
    overridebook.keep_rules(db, Snapshot(id="r1", policy=rules, file="x"), NOON * SECOND)
    midnight = NOON - 17 * HOUR - 1800
    put(db, unexplained("a1", 5, at=midnight - 1), unexplained("a2", 7, at=midnight), unexplained("a3", 8, at=NOON))
    assert Reader().read(db, LEDGER, (NOON + 1) * SECOND).totals.today_nano == 15


def test_as_json(db: Database) -> None:
    """Amounts as they are, instants as text."""
    told(db)
    made = to_json(Reader().read(db, LEDGER, NOON * SECOND))
    assert (made["at"], made["ledger"]) == ("2026-11-21T12:00:00Z", "bursar.sqlite")
    assert (made["budgets"][0]["spent"], made["budgets"][0]["ends"]) == (400_000, "2026-11-21T15:00:00Z")
    assert made["budgets"][0]["exhausted"] is None
    assert made["decisions"][0]["at"] == "2026-11-21T11:59:00Z"
