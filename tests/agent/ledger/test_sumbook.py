"""Claims about reading the sums by hour: they say what reports of attempts say, in any stretch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, used

from bursar.agent.ledger import reports, schema, sumbook, usagebook
from bursar.agent.ledger.booking import book
from bursar.agent.ledger.sumbook import OTHER, Bucket, Line, Row, Series, Spend, Spread, SumError
from bursar.policies.records import Decided, Record, Released, Sent, Settled
from bursar.policies.usage import Usage

MIDNIGHT = 1_790_208_000
"""2026-09-24T00:00Z, in seconds since the epoch."""
HOUR, DAY = 3_600, 86_400
ALL = (0, 2**62)


@pytest.fixture
def db() -> Iterator[Database]:
    with Database(memory=True) as memory:
        schema.upgrade(memory)
        yield memory


@pytest.fixture(scope="module")
def week() -> Iterator[Database]:
    """A call every five hours for ten days, of two routes and models, some batched: 48 of them."""
    with Database(memory=True) as memory:
        schema.upgrade(memory)
        for n in range(48):
            model = SONNET if n % 3 else OPUS
            at = MIDNIGHT + 5 * HOUR * n + 60
            call = used(
                f"a{n}", Usage(input=100 + n, cache_read=10 * n, output=n + 1), model=model, at=at,
                route=f"r{n % 2}", batch=n % 4 == 0,
            )  # fmt: skip
            put(memory, call)
        yield memory


def charge(
    name: str, nano: int, *, at: int = MIDNIGHT, duration_ms: float | None = None, labels: dict[str, str] | None = None
) -> Settled:
    (_, settled) = used(name, Usage(input=10, output=1), at=at)
    assert isinstance(settled, Settled)
    duration = None if duration_ms is None else int(duration_ms * 10**6)
    return Settled(replace(settled.charge, cost_nano_usd=nano, duration_ns=duration, labels=labels or {}))


def told(db: Database, *records: Record) -> None:
    book(db, records, holder="h", policy=None, now_ns=MIDNIGHT * SECOND)


@settings(max_examples=60, deadline=None)
@given(st.integers(-30, 260), st.integers(0, 280))
def test_any_stretch_of_hours_is_what_the_report_says(week: Database, start: int, length: int) -> None:
    """Within a day, across some, or over all of them."""
    stretch = tuple((MIDNIGHT + hours * HOUR) * SECOND for hours in (start, start + length))
    found = sumbook.total(week, *stretch)
    said = reports.totals(week, *stretch)
    assert (found.nano, found.calls, found.charges) == (said["nano_usd"], said["calls"], said["charges"])
    assert (found.input, found.cache_read, found.output) == (said["input"], said["cache_read"], said["output"])


def test_groups_are_those_of_the_attempts(week: Database) -> None:
    """By model, day, price row and modifiers."""
    found = sumbook.groups(week, *ALL)
    assert sorted(found, key=repr) == sorted(usagebook.groups_of(week, *ALL), key=repr)
    assert {group.modifiers for group in found} == {(), ("batch",)}


def test_by_some_keys_the_dearest_first(db: Database) -> None:
    """Of equal cost by name; a batch is told from what is none."""
    put(db, used("a", Usage(output=1), at=MIDNIGHT), used("b", Usage(output=2), at=MIDNIGHT, batch=True, route="z"))
    rows = sumbook.by(db, ["route", "batch"], *ALL)
    assert rows == [
        Row(("desk", ""), Spend(charges=1, calls=1, nano=20_000, output=1)),
        Row(("z", "batch"), Spend(charges=1, calls=1, nano=20_000, output=2)),
    ]
    with pytest.raises(SumError, match="there is no key 'colour': use route, requested_model, model, action, batch"):
        sumbook.by(db, ["colour"], *ALL)
    assert sumbook.by(db, ["route"], 0, MIDNIGHT * SECOND) == []
