"""Claims about outlooks: the past of a scope becomes a season, days and a band, none of today in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.flowing import spend

from bursar.agent.alerting.outlook import Memories, forecast_of, remember
from bursar.agent.ledger.history import Purse
from bursar.policies.outlook.course import Course
from bursar.policies.outlook.forecast import WIDE

HOUR, DAY = 3600, 86_400
MIDNIGHT = 1_795_219_200
"""2026-11-21, a Saturday, in UTC."""
NOON = MIDNIGHT + 12 * HOUR
PURSE = Purse("day", "")


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        spend(memory, "other", "", {MIDNIGHT: 1})
        yield memory


def office(weeks: int, nano: int = 600) -> dict[int, int]:
    """So many weeks up to today in which six and eighteen o'clock cost the same each day."""
    return {MIDNIGHT - day * DAY + hour * HOUR: nano for day in range(1, 7 * weeks + 1) for hour in (6, 18)}


def test_days_are_whole_and_over(db: Database) -> None:
    """Today is not among them, nor the first, of which nobody knows whether it is whole."""
    spend(db, "day", "", {**office(1), MIDNIGHT + HOUR: 99})
    assert remember(db, PURSE, NOON, UTC).days == (1200,) * 6


def test_days_are_those_of_the_policy_s_clock(db: Database) -> None:
    """Half past eleven at night in UTC is tomorrow in Berlin."""
    spend(db, "day", "", {MIDNIGHT - 2 * DAY: 1, MIDNIGHT - 1800: 7})
    assert remember(db, PURSE, NOON, UTC).days[-1] == 7
    assert remember(db, PURSE, NOON, ZoneInfo("Europe/Berlin")).days[-1] == 0


def test_a_season_is_learnt_from_the_past(db: Database) -> None:
    """Before five o'clock nothing is due of such a day; what began six hours after a week ago is no whole week yet."""
    day = (MIDNIGHT, MIDNIGHT + DAY)
    spend(db, "day", "", office(2))
    assert remember(db, PURSE, NOON, UTC).season.share(*day, MIDNIGHT, MIDNIGHT + 5 * HOUR) == 0.0
    spend(db, "short", "", office(1))
    assert not remember(db, Purse("short", ""), NOON, UTC).season.learnt


def test_a_scope_without_a_past(db: Database) -> None:
    """Has no days, and a flat season."""
    memory = remember(db, Purse("day", "tenant=new"), NOON, UTC)
    assert (memory.days, memory.hours, memory.season.learnt) == ((), {}, False)


def course(spent: int) -> Course:
    return Course(limit=2000, spent=spent, start=MIDNIGHT, end=MIDNIGHT + DAY, now=NOON)


def test_a_forecast_with_the_band_of_the_days_before(db: Database) -> None:
    """
    Thirteen whole days that ended exactly as they began: half at noon, and the same again.

    1,000 and three quarters of 1,000 are 1,750; all of it, as every day of the past, is 2,000.
    """
    spend(db, "day", "", office(2))
    found = forecast_of(remember(db, PURSE, NOON, UTC), "day", course(1000))
    assert found is not None
    assert (found.amount, found.low, found.high, found.windows) == (1750, 1750, 2000, 13)


def test_a_forecast_without_a_past(db: Database) -> None:
    """Says that its band is a guess; and windows that are no day, week or month have none."""
    memory = remember(db, Purse("day", "tenant=new"), NOON, UTC)
    found = forecast_of(memory, "day", course(1000))
    assert found is not None
    assert (found.amount, found.low, found.high, found.windows) == (1750, 1500, 3000, WIDE.windows)
    assert forecast_of(memory, "hour", course(1000)) is None
    assert forecast_of(memory, "rolling 24h", course(1000)) is None


def test_a_week_is_compared_with_weeks(db: Database) -> None:
    """Six of them are a band; four are not."""
    start = MIDNIGHT - 5 * DAY
    week = Course(limit=20_000, spent=6000, start=start, end=start + 7 * DAY, now=NOON)
    spend(db, "day", "", office(7))
    found = forecast_of(remember(db, PURSE, NOON, UTC), "week", week)
    assert found is not None
    assert found.windows == 6
    spend(db, "few", "", office(5))
    found = forecast_of(remember(db, Purse("few", ""), NOON, UTC), "week", week)
    assert found is not None
    assert found.windows == 0


def test_memories_are_kept_until_midnight(db: Database) -> None:
    """What is spent today teaches nobody anything before tomorrow; another clock has another midnight."""
    spend(db, "day", "", office(2))
    memories = Memories()
    first = memories.of(db, PURSE, NOON, UTC)
    spend(db, "day", "", {MIDNIGHT + HOUR: 99})
    assert memories.of(db, PURSE, NOON + HOUR, UTC) is first
    assert memories.of(db, PURSE, NOON, ZoneInfo("Europe/Berlin")) is not first
    assert memories.of(db, PURSE, NOON + DAY, UTC).days[-1] == 99


def test_only_so_many_memories_are_kept(db: Database) -> None:
    """Beyond these all go, and come back as they are asked for."""
    memories = Memories(most=1)
    first = memories.of(db, PURSE, NOON, UTC)
    memories.of(db, Purse("day", "tenant=a"), NOON, UTC)
    assert memories.of(db, PURSE, NOON, UTC) is not first


def test_a_forecast_out_of_memories_is_the_same(db: Database) -> None:
    """For every minute: the band of one is not that of the next."""
    spend(db, "day", "", office(2))
    memories = Memories()
    memory = memories.of(db, PURSE, NOON, UTC)
    for at in (course(1000), course(1500), replace(course(1000), now=NOON + 7 * HOUR)):
        assert memories.forecast(memory, PURSE, "day", at) == forecast_of(memory, "day", at)
    assert memories.forecast(memory, PURSE, "hour", course(1000)) is None
