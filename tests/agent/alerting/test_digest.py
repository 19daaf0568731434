"""Claims about the digest: which week is due, what it says, and that its parts add up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from sqlite_utils import Database
from tests.agent.alerting.slackserver import refusal
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SONNET, put, unexplained, used

from bursar.agent.alerting.background import RouteCost
from bursar.agent.alerting.causes import CAUSES
from bursar.agent.alerting.digest import Span, compose_digest, due_week, last_week, step_of, tell_of, to_json
from bursar.agent.alerting.savings import Savings
from bursar.agent.alerting.slack import slack_body
from bursar.policies.policy import Digest
from bursar.policies.prices import shipped_book
from bursar.policies.usage import Usage

DAY = 86_400
SATURDAY = 1_795_219_200
"""2026-11-21, midnight in UTC."""
WEEK = Span(SATURDAY - 7 * DAY, SATURDAY)
BERLIN = ZoneInfo("Europe/Berlin")
M = 10**6


def at(text: str, zone: tzinfo = UTC) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


@pytest.mark.parametrize(
    ("digest", "now", "zone", "since", "until"),
    [
        (Digest("log"), "2026-11-23T09:00", UTC, "2026-11-16", "2026-11-23"),
        (Digest("log"), "2026-11-23T08:59", UTC, "2026-11-09", "2026-11-16"),
        (Digest("log"), "2026-11-22T23:59", UTC, "2026-11-09", "2026-11-16"),
        (Digest("log"), "2026-11-29T23:59", UTC, "2026-11-16", "2026-11-23"),
        (Digest("log", "friday", 0), "2026-11-20T00:00", UTC, "2026-11-13", "2026-11-20"),
        (Digest("log"), "2026-11-23T09:00", BERLIN, "2026-11-16", "2026-11-23"),
        (Digest("log"), "2026-10-26T09:00", BERLIN, "2026-10-19", "2026-10-26"),
    ],
)
def test_the_week_that_is_due(digest: Digest, now: str, zone: tzinfo, since: str, until: str) -> None:
    """Seven days to the midnight before it is told, by the policy's clock: 169 hours where that was set back."""
    week = due_week(digest, at(now, zone), zone)
    assert week == (at(since, zone), at(until, zone))


def test_its_name() -> None:
    """By its end, so that a digest on another day is another one."""
    assert step_of(WEEK) == "week to 2026-11-21T00:00Z"
    assert last_week(SATURDAY) == WEEK


@pytest.fixture
def db() -> Iterator[Database]:
    """
    Two weeks. Before: two calls of a million tokens in on Opus 5.5, at 4 USD each.

    Now: three on Opus, one of them half read from the cache (2 and 0.10), one for a batch (2), and one that a budget
    moved to Sonnet (2 instead of 4); one of unknown cost.
    """
    with fresh.ledger() as memory:
        plain = Usage(input=M)
        put(
            memory,
            used("a", plain, at=WEEK.since - 1),
            used("b", plain, at=WEEK.since - 2, route="sort"),
            used("c", plain, at=WEEK.since),
            used("d", Usage(input=M // 2, cache_read=M // 2), at=WEEK.since + 1, route="sort"),
            used("e", plain, at=WEEK.until - 1, batch=True),
            used("f", plain, at=WEEK.until - 2, model=SONNET, requested=OPUS, action="downgrade"),
            used("g", plain, at=WEEK.until),
            unexplained("h", None, at=WEEK.since),
        )
        yield memory


def test_what_is_told(db: Database) -> None:
    """
    8 USD before; 4, 2.10, 2 and 2, so 10.10 now. The parts by hand, over four calls.

    volume: 8 * 4 / 2 is 16. mix: three at 4 and one at 2 are 14. size: all are as long as before. cache: of three
    million tokens half a million are read, at 0.20: 2.5 * 4 + 0.1 + 2 is 12.10. price: the batch's half, 10.10.
    """
    told = tell_of(db, WEEK, UTC, shipped_book())
    assert (told.spent, told.spent_before, told.calls, told.calls_before) == (10_100_000_000, 8_000_000_000, 5, 2)
    assert told.unknown == 1
    assert told.causes == {
        "volume": 8_000_000_000,
        "mix": -2_000_000_000,
        "size": 0,
        "cache": -1_900_000_000,
        "price": -2_000_000_000,
    }
    assert told.savings == Savings(cache_reads=1_900_000_000, downgrades=2_000_000_000, batches=2_000_000_000)
    assert told.routes == (
        RouteCost("desk", 8_000_000_000, 4_000_000_000),
        RouteCost("sort", 2_100_000_000, 4_000_000_000),
    )


def test_the_parts_are_the_change(db: Database) -> None:
    """To the nano-dollar, also with a charge of which only the sum is known."""
    put(db, unexplained("i", 1_234_567, at=WEEK.since), unexplained("j", 7, at=WEEK.since - 1))
    told = tell_of(db, WEEK, UTC, shipped_book())
    assert sum(told.causes.values()) == told.spent - told.spent_before == 2_101_234_560


def test_the_message(db: Database) -> None:
    """Word by word."""
    message = compose_digest(tell_of(db, WEEK, UTC, shipped_book()), UTC)
    assert message.text == (
        "Claude spending of the week to 2026-11-21 00:00 UTC. "
        "10.10 USD in 5 calls, +2.10 USD, +26% against the week before. "
        "By cause: volume +8.00 USD, mix -2.00 USD, cache -1.90 USD, price -2.00 USD. "
        "Saved: 1.90 USD by reading the cache, 2.00 USD by smaller models, 2.00 USD by batches. "
        "1 charge of unknown cost, in no sum. "
        "Most went to desk: 8.00 USD (+4.00 USD), sort: 2.10 USD (-1.90 USD)."
    )
    assert [field.title for field in message.fields] == ["Spent", "The week before", "Change", "Of unknown cost"]
    assert len(message.listings[0].lines) == len(CAUSES)
    assert refusal(slack_body(message)) is None


def test_for_programs(db: Database) -> None:
    """Plain data, in nano-dollars."""
    plain = json.loads(json.dumps(to_json(tell_of(db, WEEK, UTC, shipped_book()))))
    assert (plain["kind"], plain["change"], plain["savings"]["batches"]) == ("digest", 2_100_000_000, 2_000_000_000)
    assert plain["week"] == {"since": "2026-11-14T00:00:00+00:00", "until": "2026-11-21T00:00:00+00:00"}
    assert plain["routes"][1] == {"route": "sort", "nano": 2_100_000_000, "before": 4_000_000_000}


def test_a_week_without_anything(db: Database) -> None:
    """Is told without a percentage of nothing."""
    told = tell_of(db, Span(0, 7 * DAY), UTC, shipped_book())
    assert told.silent
    message = compose_digest(told, UTC)
    assert message.sentences == ("0.00 USD in 0 calls, +0.00 USD against the week before.",)
    assert message.listings[1].lines == ("nothing yet: see `bursar advise`",)
