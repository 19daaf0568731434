"""Claims about reading the sums by hour: they say what reports of attempts say, in any stretch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, used
from tests.agent.ledger.summed import ALL, MIDNIGHT, charge, told

from bursar.agent.ledger import reports, sumbook, usagebook
from bursar.agent.ledger.sumbook import OTHER, Line, Row, Series, Spend, SumError
from bursar.policies.records import Decided, Released, Sent
from bursar.policies.usage import Usage

HOUR, DAY = 3_600, 86_400


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


@pytest.fixture(scope="module")
def week() -> Iterator[Database]:
    """A call every five hours for ten days, of two routes and models, some batched: 48 of them."""
    with fresh.ledger() as memory:
        for n in range(48):
            model = SONNET if n % 3 else OPUS
            at = MIDNIGHT + 5 * HOUR * n + 60
            call = used(
                f"a{n}", Usage(input=100 + n, cache_read=10 * n, output=n + 1), model=model, at=at,
                route=f"r{n % 2}", batch=n % 4 == 0,
            )  # fmt: skip
            put(memory, call)
        yield memory


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


def test_what_figures_come_to() -> None:
    """30 of 40 prompt tokens were read; one of four attempts failed; 5 nano-dollars in two calls are 2, in four 1."""
    spend = Spend(charges=3, calls=2, nano=5, input=4, cache_read=30, cache_write_5m=1, cache_write_1h=5, failures=1)
    assert (spend.prompt, spend.cache_share, spend.error_share, spend.cost_per_call_nano) == (40, 0.75, 0.25, 2)
    assert [replace(spend, nano=nano).cost_per_call_nano for nano in (3, 4, 7)] == [2, 2, 4]
    nothing = Spend()
    assert (nothing.cache_share, nothing.error_share, nothing.cost_per_call_nano) == (None, None, None)
    assert (spend + spend).nano == 10


def test_failures_and_refusals(db: Database) -> None:
    """An error of the API's is one; what was never sent is none; a refusal counts at the model that was asked for."""
    for name, why in (("a", "http 529"), ("b", "never sent"), ("c", "APITimeoutError")):
        told(db, Sent(name, name, MIDNIGHT * SECOND, "desk", OPUS, OPUS, {"env": "prod"}), Released(name, why))
    told(db, Decided("d", MIDNIGHT * SECOND, "desk", SONNET, "block", "spent", {"env": "prod"}))
    told(db, Decided("e", MIDNIGHT * SECOND, "desk", SONNET, "downgrade", "step"))
    rows = sumbook.by(db, ["requested_model", "model"], *ALL, label="env=prod")
    assert rows == [Row((OPUS, OPUS), Spend(failures=2)), Row((SONNET, ""), Spend(refusals=1))]


def test_days_of_a_place(db: Database) -> None:
    """In Berlin in September a day begins at 22:00 UTC: what was spent at 21:59 is of the day before."""
    evening = MIDNIGHT - 2 * HOUR
    told(db, charge("a", 1, at=evening - 60), charge("b", 10, at=evening), charge("c", 100, at=MIDNIGHT + DAY))
    stretch = ((evening - DAY) * SECOND, (evening + 3 * DAY) * SECOND)
    found = sumbook.series(db, None, *stretch, step_seconds=DAY, tz=ZoneInfo("Europe/Berlin"))
    assert found.slots == (evening - DAY, evening, evening + DAY, evening + 2 * DAY)
    assert found.lines == (Line("", [1, 10, 100, 0], [1, 1, 1, 0]),)


def test_a_day_of_twenty_five_hours() -> None:
    """Clocks in Berlin go back on 2026-10-25, a month after 2026-09-24."""
    sunday = MIDNIGHT + 31 * DAY - 2 * HOUR
    found = sumbook.edges(sunday * SECOND, (sunday + 50 * HOUR) * SECOND, DAY, ZoneInfo("Europe/Berlin"))
    assert [at - sunday for at in found] == [0, 25 * HOUR, 49 * HOUR]


def test_the_dearest_have_lines_of_their_own(db: Database) -> None:
    """Of nine routes seven; the two cheapest are one. Minutes without any are zero."""
    for n in range(9):
        put(db, used(f"{n}", Usage(output=n + 1), at=MIDNIGHT + 60 * (n % 2), route=f"r{n}"))
    stretch = (MIDNIGHT * SECOND, (MIDNIGHT + 180) * SECOND)
    found = sumbook.series(db, "route", *stretch, step_seconds=60)
    assert found.slots == (MIDNIGHT, MIDNIGHT + 60, MIDNIGHT + 120)
    assert [line.key for line in found.lines] == ["r8", "r7", "r6", "r5", "r4", "r3", "r2", OTHER]
    assert found.lines[0] == Line("r8", [180_000, 0, 0], [1, 0, 0])
    assert found.lines[-1] == Line(OTHER, [20_000, 40_000, 0], [1, 1, 0])
    assert [line.key for line in sumbook.series(db, "route", *stretch, step_seconds=60, most=9).lines][7:] == [
        "r1",
        "r0",
    ]
    only = sumbook.series(db, "route", *stretch, step_seconds=60, route="r3").lines
    assert only == (Line("r3", [0, 80_000, 0], [0, 1, 0]),)


def test_series_that_there_are_none_of(db: Database) -> None:
    """Each error says what to do."""
    with pytest.raises(SumError, match="only hours are kept: ask for a step of whole hours"):
        sumbook.series(db, None, *ALL, step_seconds=60, label="env=prod")
    with pytest.raises(SumError, match="a whole number of minutes, got 90 s"):
        sumbook.series(db, None, 0, 1, step_seconds=90)
    with pytest.raises(SumError, match="more than 20,000 slots: ask for a longer step, or less time"):
        sumbook.series(db, None, *ALL, step_seconds=DAY)
    assert sumbook.series(db, None, 0, 0, step_seconds=60) == Series((), ())


def test_labels(db: Database) -> None:
    """The most used first; only those of the days asked for."""
    for n, tenant in enumerate(("a", "b", "b")):
        told(db, charge(f"{n}", 1, labels={"tenant": tenant, "env": "prod"}))
    told(db, charge("x", 1, at=MIDNIGHT + DAY, labels={"user": "u=1"}), charge("y", 1, labels={"env": "prod"}))
    stretch = (MIDNIGHT * SECOND, (MIDNIGHT + DAY) * SECOND)
    assert sumbook.labels(db, *stretch) == {"env": ["prod"], "tenant": ["b", "a"]}
    assert sumbook.labels(db, *ALL) == {"env": ["prod"], "tenant": ["b", "a"], "user": ["u=1"]}
    assert sumbook.total(db, *ALL, label="user=u=1").charges == 1
