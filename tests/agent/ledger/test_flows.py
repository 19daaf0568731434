"""Claims about flows: how much was spent of a budget in any stretch of minutes, and never too little."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import flows
from bursar.agent.ledger.flows import FOR_EVER, Flow, flow_of
from bursar.policies.balancekey import Amounts, parse_balance_key

MINUTE = 60 * 10**9
NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z, a whole hour."""
B = Flow("b", "tenant=acme")


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def add(db: Database, minutes: float, nano: int, flow: Flow = B) -> None:
    flows.add(db, flow, NOON + int(minutes * MINUTE), Amounts(nano, 10 * nano, 1))


def spent(db: Database, since: float, until: float | None = None, flow: Flow = B) -> tuple[int, int, int]:
    end = FOR_EVER if until is None else NOON + int(until * MINUTE)
    return flows.spent(db, flow, NOON + int(since * MINUTE), end)[:3]


@pytest.mark.parametrize(
    ("since", "until", "nano"),
    [
        (0, 0, 1),  # the minute that both fall into
        (0.9, 0.95, 1),
        (1, 1, 0),
        (-60, None, 1111),
        (0, None, 1111),
        (1, None, 1110),
        (59.5, 60.5, 110),
        (0, 60, 111),
        (0, 59, 11),
        (60, 600, 1100),
        (0, 179, 111),  # three whole hours but for nothing
        (0, 180, 1111),
        (181, None, 0),
    ],
)
def test_a_stretch_counts_the_minutes_it_touches_whole(
    db: Database, since: float, until: float | None, nano: int
) -> None:
    """1 at noon, 10 at 12:59, 100 at 13:00 and 1,000 at 15:00; hours are read as hours."""
    for minutes, amount in ((0.5, 1), (59.9, 10), (60, 100), (180, 1000)):
        add(db, minutes, amount)
    assert spent(db, since, until)[0] == nano


def test_money_tokens_and_calls_flow_together(db: Database) -> None:
    """And what is taken back flows back."""
    add(db, 0, 7)
    add(db, 0.5, 5)
    assert spent(db, 0) == (12, 120, 2)
    flows.add(db, B, NOON, Amounts(-7, -70, -1))
    assert spent(db, 0) == (5, 50, 1)


@pytest.mark.parametrize(
    ("key", "flow"),
    [
        ("b|2026-11-21T00:00:00Z|tenant=acme", B),
        ("b|2026-11-22T00:00:00Z|tenant=acme", B),  # across windows
        ("b|rolling 24h|tenant=acme|tokens", B),
        ("b|2026-11-21T00:00:00Z|tenant=bob", Flow("b", "tenant=bob")),
        ("b|conversation c1|tenant=acme", Flow("b", "tenant=acme|conversation c1")),
        ("b|run r1|", Flow("b", "|run r1")),
    ],
)
def test_a_flow_is_a_budget_s_for_one_scope(key: str, flow: Flow) -> None:
    """A conversation and a run have flows of their own."""
    assert flow_of(parse_balance_key(key)) == flow


def test_flows_of_others_do_not_mix(db: Database) -> None:
    """Another scope, another budget."""
    add(db, 0, 1)
    add(db, 0, 10, Flow("b", "tenant=bob"))
    add(db, 0, 100, Flow("c", "tenant=acme"))
    assert spent(db, 0)[0] == 1


@settings(max_examples=60, deadline=None)
@given(
    at=st.lists(st.integers(0, 600), max_size=20),
    since=st.integers(0, 600),
    length=st.integers(0, 600),
)
def test_no_stretch_counts_less_or_another_minute(at: list[int], since: int, length: int) -> None:
    """Minutes and hours add up to what a plain count of the minutes says."""
    with fresh.ledger() as db:
        for number, minute in enumerate(at):
            add(db, minute, 1 << number)
        plain = sum(1 << number for number, minute in enumerate(at) if since <= minute <= since + length)
        assert spent(db, since, since + length)[0] == plain
