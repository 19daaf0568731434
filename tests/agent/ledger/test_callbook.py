"""Claims about searching for calls: the newest first, all of them once, and never longer than a search may take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.shown import ledger
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, used

from bursar.agent.ledger import callbook, cases
from bursar.agent.ledger.callbook import Cursor, Found, Wanted
from bursar.policies.records import Decided, Record, Sent
from bursar.policies.usage import Usage

NOON = 1_795_262_400
USED = Usage(input=1_000, output=100)
WANTED = Wanted(since_ns=0, until_ns=(NOON + 3_600) * SECOND)


def refused(name: str, at: int, *, route: str = "desk", **labels: str) -> list[Record]:
    decision = {"budget": "day", "decision_id": f"{name}-asked"}
    return [Decided(name, at * SECOND, route, OPUS, "block", "spent", labels, decision)]


@pytest.fixture
def db() -> Iterator[Database]:
    """Five attempts and two refusals, a second apart; three share their instant."""
    with ledger() as memory:
        start, settled = used("labelled", USED, at=NOON + 1, route="triage")
        assert isinstance(start, Sent)
        put(
            memory,
            used("a", USED, at=NOON),
            [replace(start, labels={"tenant": "acme"}), settled],
            used(
                "moved", USED, model=SONNET, requested=OPUS, at=NOON + 2, action="downgrade", decision={"budget": "d"}
            ),
            refused("no", NOON + 3, tenant="acme"),
            used("b", USED, at=NOON + 4),
            used("c", USED, at=NOON + 4),
            refused("never", NOON + 4, route="other"),
        )
        yield memory


def ids(found: Found) -> list[str]:
    return [call.call_id for call in found.calls]


def search(db: Database, before: Cursor | None = None, *, limit: int = 100, look: int = 100, **wanted: Any) -> Found:
    return callbook.search(db, replace(WANTED, **wanted), before, limit=limit, look=look)


def test_the_newest_come_first_with_refusals_among_them(db: Database) -> None:
    """What was asked, what was served, what it cost; of a refusal, by which budget."""
    found = search(db)
    assert ids(found) == ["never", "c", "b", "no", "moved", "labelled", "a"]
    moved, no = found.calls[4], found.calls[3]
    # 1,000 tokens in at 2 and 100 out at 10 USD per MTok.
    assert (moved.requested_model, moved.model, moved.cost_nano, moved.basis) == (OPUS, SONNET, 3_000_000, "usage")
    assert (no.state, no.budget, no.model, no.cost_nano) == ("refused", "day", None, None)
    assert found.older is None


@pytest.mark.parametrize("limit", [1, 2, 3, 6])
def test_page_by_page_everything_comes_once(db: Database, limit: int) -> None:
    """Also where a page ends among calls of one instant."""
    seen: list[str] = []
    found = search(db, limit=limit)
    while True:
        seen += ids(found)
        if found.older is None:
            break
        found = search(db, found.older, limit=limit)
    assert seen == ["never", "c", "b", "no", "moved", "labelled", "a"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"find": "TRI"}, ["labelled"]),
        ({"route": "triage"}, ["labelled"]),
        ({"route": "tri"}, []),
        ({"route": "other"}, ["never"]),
        ({"model": "sonnet"}, ["moved"]),
        ({"state": "refused"}, ["never", "no"]),
        ({"state": "settled", "action": "downgrade"}, ["moved"]),
        ({"action": "block"}, ["never", "no"]),
        ({"state": "in flight"}, []),
        ({"label": ("tenant", "acme")}, ["no", "labelled"]),
        ({"label": ("tenant", "acm")}, []),
        ({"since_ns": (NOON + 4) * SECOND}, ["never", "c", "b"]),
        ({"until_ns": (NOON + 1) * SECOND}, ["a"]),
    ],
)
def test_what_is_wanted_is_found(db: Database, wanted: dict[str, Any], expected: list[str]) -> None:
    """By parts of names, by exact labels, by time; an end is not within."""
    assert ids(search(db, **wanted)) == expected


def test_a_rare_thing_is_searched_for_in_stretches(db: Database) -> None:
    """So many rows are looked at, then it says how far it came; each link goes on, and the last one ends."""
    found = search(db, look=2, find="triage")
    stretches = 1
    while not found.calls and found.older is not None:
        assert found.older.at_ns == found.searched_to_ns
        found = search(db, found.older, look=2, find="triage")
        stretches += 1
    assert (ids(found), stretches > 1) == (["labelled"], True)


def test_ties_never_stop_a_search(db: Database) -> None:
    """Where more calls share an instant than one search looks at, it goes on behind them."""
    found = search(db, look=1, state="released")
    for _ in range(10):
        if found.older is None:
            break
        found = search(db, found.older, look=1, state="released")
    assert found.older is None


def test_the_calls_of_one_case(db: Database) -> None:
    """The same rows as a search finds, told from what is known of one call."""
    for name in ("moved", "no"):
        case = cases.find(db, name)
        assert case is not None
        (alone,) = callbook.of_case(case).calls
        assert alone in search(db).calls


@pytest.mark.parametrize("route", ["", "triage"])
def test_a_search_uses_an_index(db: Database, route: str) -> None:
    """However many calls there are, only those of the stretch are looked at."""
    said: list[str] = []
    db.conn.set_trace_callback(said.append)
    search(db, route=route)
    db.conn.set_trace_callback(None)
    for sql in [one for one in said if one.startswith("SELECT")]:
        plan = " ".join(str(row[3]) for row in db.conn.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())
        assert "SCAN attempts" not in plan
        assert "SCAN decisions" not in plan
