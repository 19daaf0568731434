"""Claims about Claude Code's metrics: what no event tells is counted, whichever way they add up, and once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.spans.test_claudecode import BOOK, MODEL, NOON, event, take, total

from bursar.agent.ledger import reports
from bursar.agent.spans import claudecodemetrics, intake
from bursar.agent.spans.claudecode import LIFETIME, UNTOLD
from bursar.agent.spans.claudecodemetrics import COST, SUMMED, TOKENS
from bursar.agent.spans.seenevent import SeenPoint
from bursar.policies.charge import Basis
from bursar.policies.usage import Usage

MINUTE = 60 * 10**9


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def point(
    value: float,
    kind: str = "input",
    *,
    since: int = NOON,
    until: int = NOON + MINUTE,
    cumulative: bool = False,
    **more: Any,
) -> SeenPoint:
    """Of one session, in tokens of a kind; or dollars, of the kind `cost`."""
    attributes = {"session.id": "s1", "user.id": "hash", "model": MODEL, "query_source": "main", **more}
    if kind != "cost":
        attributes["type"] = kind
    present = {name: told for name, told in attributes.items() if told is not None}
    metric = COST if kind == "cost" else TOKENS
    return SeenPoint(metric, "com.anthropic.claude_code", value, since, until, cumulative, present)


def book(db: Database, *points: SeenPoint) -> intake.Counted:
    return intake.book_points(db, points, policy=None, book=BOOK, now_ns=NOON)


def test_points_of_one_stretch_are_one_charge(db: Database) -> None:
    """Each type is a token class, priced by the book, beside its own figure; an estimate, and it says why."""
    points = [
        point(1000),
        point(42, "output"),
        point(5, "cacheRead", since=NOON + 1),
        point(10, "cacheCreation"),
        point(0.0025, "cost"),
    ]
    [used] = claudecodemetrics.used(db, points)
    charge = claudecodemetrics.charge_of(used, BOOK, policy=None)
    assert charge.usage == Usage(input=1000, cache_read=5, cache_write_5m=10, output=42)
    assert charge.cost_nano_usd == 1000 * 2_000 + 5 * 100 + 10 * 2_500 + 42 * 10_000
    assert (charge.basis, charge.told_nano_usd) == (Basis.ESTIMATE, 2_500_000)
    assert charge.missing == (SUMMED, *UNTOLD, LIFETIME)
    assert charge.labels == {"session": "s1", "user": "hash", "query_source": "main"}


def test_deltas_add_up_and_repeats_do_not(db: Database) -> None:
    """Two minutes, the first of them sent twice."""
    later = point(10, since=NOON + MINUTE, until=NOON + 2 * MINUTE)
    for told in (point(1000), point(1000), later):
        book(db, told)
    assert (total(db)["input"], total(db)["charges"]) == (1010, 2)


def test_running_totals_count_by_what_they_grew(db: Database) -> None:
    """1000, the same again, 1010, one that comes too late; then a process anew, from nothing."""
    for value, minutes in ((1000, 1), (1000, 1), (1000, 2), (1010, 3), (1000, 1)):
        book(db, point(value, until=NOON + minutes * MINUTE, cumulative=True))
    assert total(db)["input"] == 1010
    book(db, point(7, since=NOON + 5 * MINUTE, until=NOON + 6 * MINUTE, cumulative=True))
    book(db, point(1020, until=NOON + 7 * MINUTE, cumulative=True))
    assert total(db)["input"] == 1017


def test_models_and_sources_are_apart(db: Database) -> None:
    """A subagent's tokens are another charge than those of the session itself."""
    book(db, point(1000), point(5, query_source="subagent"), point(7, model="claude-haiku-5-5"))
    rows = reports.by(db, ["label:query_source", "model"], 0, 2**62)
    assert {(row["label:query_source"], row["model"]): row["input"] for row in rows} == {
        ("main", MODEL): 1000,
        ("subagent", MODEL): 5,
        ("main", "claude-haiku-5-5"): 7,
    }


def test_classes_that_come_apart_are_all_counted(db: Database) -> None:
    """A collector between may split what was one export."""
    book(db, point(1000))
    book(db, point(42, "output"))
    assert (total(db)["input"], total(db)["output"]) == (1000, 42)


@pytest.mark.parametrize("events_first", [True, False])
@pytest.mark.parametrize("cumulative", [True, False])
def test_what_events_tell_metrics_do_not(db: Database, events_first: bool, cumulative: bool) -> None:
    """Whichever comes first: the stretch in which the event lies, or that ended a moment before it, is the event's."""
    counted = (point(1000, cumulative=cumulative), point(42, "output", cumulative=cumulative))
    if not events_first:
        book(db, *counted)
    take(db, event(at_ns=NOON + MINUTE + 10**9))
    if events_first:
        book(db, *counted)
    found = total(db)
    assert (found["charges"], found["input"], found["estimated_nano_usd"]) == (1, 1000, 0)


def test_what_was_taken_back_stays_so(db: Database) -> None:
    """The metric comes once more after its event."""
    for step in (point(1000), event(), point(1000)):
        book(db, step) if isinstance(step, SeenPoint) else take(db, step)
    assert (total(db)["charges"], total(db)["input"]) == (1, 1000)


def test_a_stretch_without_events_is_counted_beside_others(db: Database) -> None:
    """Events that were switched on, or lost, an hour ago hide nothing of now; nor do those of another session."""
    hour = 60 * MINUTE
    take(db, event())
    take(db, event(session__id="s2", request_id="req_2", at_ns=NOON + hour))
    book(db, point(5, since=NOON + hour, until=NOON + hour + MINUTE))
    assert total(db)["input"] == 2005


@pytest.mark.parametrize(
    "odd", [replace(point(1000), attributes={"type": "input", "model": MODEL}), point(1000, "thoughts")]
)
def test_points_that_cannot_be_told_apart_are_passed_over(db: Database, odd: SeenPoint) -> None:
    """Without a session nothing could know them for what events count; of a type nobody knows there is no price."""
    assert book(db, odd) == intake.Counted()


def test_nothing_used_is_no_charge(db: Database) -> None:
    """A counter that stood still, and a cost without tokens."""
    book(db, point(0), point(0.5, "cost"))
    assert total(db)["charges"] == 0
