"""Claims about forecasts that are kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.flowing import spend

from bursar.agent.ledger.alertbook import Open
from bursar.agent.top.forecasts import Forecasts
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy

MIDNIGHT = 1_795_219_200
"""2026-11-21 in UTC."""
NOON = MIDNIGHT + 12 * 3600
SECOND = 10**9
DAY = Open("day|2026-11-21T00:00+00:00|", MIDNIGHT * SECOND, (MIDNIGHT + 86_400) * SECOND)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def policy(every: str = "day") -> Policy:
    text = f'version = 1\nmode = "enforce"\n[[budget]]\nname = "day"\nlimit = "1 USD"\nevery = "{every}"\n'
    return parse_policy(text, file="bursar.toml")


def foreseen(kept: Forecasts, db: Database, *, spent: int, at: int, rules: Policy | None = None) -> int | None:
    """What it will have cost in the end, in nano-dollars."""
    rules = rules or policy()
    found = kept.of(db, rules, rules.budgets[0], DAY, limit=10**9, spent=spent, now_ns=at * SECOND)
    return None if found is None else found.amount


def test_half_a_day_without_a_past(db: Database) -> None:
    """400 by noon: as much to come, of which three quarters are believed."""
    assert foreseen(Forecasts(), db, spent=400, at=NOON) == 700


def test_a_forecast_is_kept_for_its_minute(db: Database) -> None:
    """It is worked out anew in the next one."""
    kept = Forecasts()
    assert foreseen(kept, db, spent=400, at=NOON) == 700
    assert foreseen(kept, db, spent=800, at=NOON + 59) == 700
    assert (foreseen(kept, db, spent=800, at=NOON + 60) or 0) > 1_000


def test_windows_without_a_trend(db: Database) -> None:
    """An hour is over before one shows."""
    assert foreseen(Forecasts(), db, spent=400, at=NOON, rules=policy("hour")) is None


def test_the_past_is_read_once_a_day(db: Database) -> None:
    """What comes to it later, of days before, is not looked at before midnight."""
    kept = Forecasts()
    plain = foreseen(kept, db, spent=400, at=NOON)
    spend(db, "day", "", {MIDNIGHT - day * 86_400 + 6 * 3600: 900 for day in range(1, 29)})
    assert foreseen(kept, db, spent=400, at=NOON + 60) != foreseen(Forecasts(), db, spent=400, at=NOON + 60)
    assert plain == 700
