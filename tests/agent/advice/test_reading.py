"""Claims about reading: the calls that say something of a cache, by route and model, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.advice.reading import route_usage
from bursar.agent.ledger import booking
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.usage import Usage


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def settled(attempt_id: str, at_ns: int, usage: Usage, *, final: bool = True, **changes: Any) -> Settled:
    fields: dict[str, Any] = {
        "attempt_id": attempt_id,
        "cost_nano_usd": 5,
        "usage": usage,
        "basis": Basis.USAGE,
        "model": "claude-sonnet-5-5",
        "requested_model": "claude-sonnet-5-5",
        "route": "support",
        "at_ns": at_ns,
        **changes,
    }
    return Settled(Charge(**fields), final=final)


def test_calls_are_read_by_route_and_model_in_order(db: Database) -> None:
    """Whole prompts one by one, reads and writes in sum, whatever the order of booking."""
    records = [
        settled("a", 30, Usage(1, 2, 4, 8, 16)),
        settled("b", 10, Usage(input=100, output=5)),
        settled("c", 20, Usage(input=7), model="claude-haiku-5-5"),
        settled("d", 20, Usage(cache_read=9), route="other", basis=Basis.SPAN),
    ]
    booking.book(db, records, holder="p", policy=None, now_ns=1)
    found = [
        (u.route, u.model, list(u.at_ns), list(u.prompts), u.cache_read, u.cache_write) for u in route_usage(db, 0, 99)
    ]
    assert found == [
        ("other", "claude-sonnet-5-5", [20], [9], 9, 0),
        ("support", "claude-haiku-5-5", [20], [7], 0, 0),
        ("support", "claude-sonnet-5-5", [10, 30], [100, 15], 2, 12),
    ]


def test_what_says_nothing_of_a_cache_is_left_out(db: Database) -> None:
    """Batches, bounds, streams in flight, other people's telling of the same call, and other times."""
    usage = Usage(input=100)
    records: list[Record] = [
        settled("batch", 10, usage, modifiers=("fast", "batch")),
        settled("bound", 10, usage, basis=Basis.ESTIMATE),
        settled("open", 10, usage, final=False),
        settled("before", 9, usage),
        settled("after", 20, usage),
        Sent("kept", "c", 10, "support", "claude-sonnet-5-5", "claude-sonnet-5-5"),
        settled("kept", 10, usage, response_id="m", modifiers=("fast",)),
    ]
    booking.book(db, records, holder="p", policy=None, now_ns=1)
    booking.book(db, [settled("twin", 10, usage, response_id="m")], holder=None, policy=None, now_ns=1)
    (found,) = route_usage(db, 10, 20)
    assert list(found.at_ns) == [10]
    (last,) = route_usage(db, 10, 21)
    assert list(last.at_ns) == [10, 20]
