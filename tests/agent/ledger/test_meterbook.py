"""Claims about the sums for frequent readers: never falling, never other than the report, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, unexplained, used

from bursar.agent.ledger import meterbook, reports, rollups, schema
from bursar.agent.ledger.booking import book
from bursar.agent.ledger.meterbook import OTHER, Spend, Standing
from bursar.policies.charge import Basis
from bursar.policies.policyfile import parse_policy
from bursar.policies.records import Decided, Record, Sent, Settled
from bursar.policies.usage import Usage

NOON = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp())
FOR_EVER = 2**62


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def spend(db: Database) -> dict[tuple[str, str], Spend]:
    return {(found.route, found.model): found for found in meterbook.read(db, NOON * SECOND).spend}


def reported(db: Database) -> dict[tuple[str, str], tuple[int, int, int]]:
    """By route and model: known, estimated, and how many are unknown."""
    rows = reports.by(db, ["route", "model"], 0, FOR_EVER)
    return {
        (row["route"], row["model"]): (row["nano_usd"], row["estimated_nano_usd"], row["unknown_charges"])
        for row in rows
    }


def assert_true(db: Database) -> None:
    """What the sums say of now is what the report says."""
    told = {key: (found.up - found.down, found.estimated, found.unknown) for key, found in spend(db).items()}
    assert {key: value for key, value in told.items() if any(value)} == {
        key: value for key, value in reported(db).items() if any(value)
    }


def test_a_call(db: Database) -> None:
    """Ten tokens in and one out on Opus 5.5: 60,000 nano-dollars."""
    put(db, used("a", Usage(input=10, output=1), at=NOON))
    assert spend(db) == {("desk", OPUS): Spend("desk", OPUS, 60_000, 0, 1, 0, 0, (10, 0, 0, 0, 1))}


def test_a_correction_is_counted_apart(db: Database) -> None:
    """A bound of 100,000 that turns out to be 20,000 leaves 100,000 up and 80,000 down."""
    put(db, unexplained("a", 100_000, at=NOON))
    put(db, used("a", Usage(output=1), at=NOON))
    (found,) = spend(db).values()
    assert (found.up, found.down, found.estimated, found.charges) == (100_000, 80_000, 0, 1)


def test_rolling_up_moves_nothing(db: Database) -> None:
    """What is put into sums was counted already."""
    put(db, used("a", Usage(output=1), at=NOON), unexplained("b", None, at=NOON))
    before = meterbook.read(db, NOON * SECOND)
    assert rollups.roll_up(db, FOR_EVER) is not None
    assert meterbook.read(db, NOON * SECOND) == before
    assert_true(db)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["sent", "estimate", "usage", "unknown", "provisional", "other model", "same response"]),
        st.integers(0, 5),
    ),
    max_size=12,
)


def step(name: str, kind: str, tokens: int) -> list[Record]:
    """Something that may be told of an attempt."""
    model = SONNET if kind == "other model" else OPUS
    start, settled = used(name, Usage(output=tokens), at=NOON, model=model)
    assert isinstance(settled, Settled)
    charge = settled.charge
    match kind:
        case "sent":
            return [start]
        case "estimate":
            return [Settled(replace(charge, basis=Basis.ESTIMATE, cost_nano_usd=tokens * 99))]
        case "unknown":
            return [Settled(replace(charge, basis=Basis.UNKNOWN, cost_nano_usd=None))]
        case "provisional":
            return [Settled(charge, final=False)]
        case "same response":
            return [Settled(replace(charge, response_id="msg_1"))]
        case _:
            return [settled]


@settings(max_examples=40, deadline=None)
@given(STEPS, st.booleans())
def test_whatever_is_told_in_whatever_order(steps: list[tuple[str, str, int]], roll_up: bool) -> None:
    """After each record the difference is the report's, and nothing that counts up has fallen."""
    with fresh.ledger() as db:
        before: dict[tuple[str, str], Spend] = {}
        for name, kind, tokens in steps:
            book(db, step(name, kind, tokens), holder="h", policy=None, now_ns=NOON * SECOND)
            now = spend(db)
            assert all(_grown(now[key], old) for key, old in before.items())
            assert_true(db)
            before = now
        if roll_up:
            rollups.roll_up(db, FOR_EVER)
            assert_true(db)


def _grown(now: Spend, old: Spend) -> bool:
    return all(
        a >= b
        for a, b in zip(
            (now.up, now.down, now.charges, *now.tokens), (old.up, old.down, old.charges, *old.tokens), strict=True
        )
    )


def test_an_older_file_is_counted_once(tmp_path: Path) -> None:
    """The upgrade adds up what is there, rolled up or not, in the order in which it was met."""
    with Database(tmp_path / "db") as db:
        schema.upgrade(db)
        put(db, used("a", Usage(output=1), at=NOON, route="later"))
        put(db, used("b", Usage(output=2), at=NOON - 90_000, route="first"))
        rollups.roll_up(db, (NOON - 80_000) * SECOND)
        for table in ("meters", "decision_meters"):
            db.conn.execute(f"DROP TABLE {table}")
        db.conn.execute("DROP INDEX balances_endless")
        db.conn.execute("DELETE FROM _sqlite_migrations WHERE name = 'm018_meters'")
        schema.upgrade(db)
        assert [found.route for found in meterbook.read(db, NOON * SECOND).spend] == ["first", "later"]
        assert_true(db)


def instructions(db: Database) -> int:
    """What SQLite executes for one reading."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    db.conn.set_progress_handler(step, 1)
    meterbook.read(db, NOON * SECOND)
    db.conn.set_progress_handler(None, 1)
    return count


def test_many_charges_cost_a_reading_nothing(db: Database) -> None:
    """Of ten charges and of four hundred: the same instructions."""
    put(db, *(used(f"{n}", Usage(output=1), at=NOON + n) for n in range(10)))
    few = instructions(db)
    put(db, *(used(f"{n}", Usage(output=1), at=NOON + n) for n in range(10, 400)))
    assert instructions(db) == few


def test_many_routes_are_told_as_one(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two keep their names for ever, though a later one costs more; the others are one."""
    monkeypatch.setattr(meterbook, "MOST_SERIES", 2)
    for n in range(4):
        put(db, used(f"{n}", Usage(output=1 + n), at=NOON, route=f"r{n}"))
    assert [(found.route, found.up) for found in spend(db).values()] == [
        ("r0", 20_000),
        ("r1", 40_000),
        (OTHER, 60_000 + 80_000),
    ]


def test_decisions(db: Database) -> None:
    """Counted once, however often they are told; what was let go as it was is none."""
    refused = Decided("c1", NOON * SECOND, "desk", OPUS, action="block", reason="spent")
    moved = Sent("a1", "c2", NOON * SECOND, "desk", SONNET, OPUS, action="downgrade", reason="step")
    plain = Sent("a2", "c3", NOON * SECOND, "desk", OPUS, OPUS, action="go", reason="within")
    for _ in range(2):
        book(db, [refused, moved, plain], holder="h", policy=None, now_ns=0)
    assert meterbook.read(db, 0).decisions == (("block", "spent", 1), ("downgrade", "step", 1))


POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "1 USD"
every = "day"
per = ["tenant"]
[[budget]]
name = "lately"
limit = "100 tokens"
every = "rolling 1h"
[[budget]]
name = "talk"
limit = "1 USD"
every = "conversation"
"""


DAY = "day|2026-11-21T00:00:00Z|"


def test_balances(db: Database) -> None:
    """Of windows of now, the fullest first; a rolling one as far as it looks back; none of a conversation."""
    policy = parse_policy(POLICY, file="f")
    now_ns = NOON * SECOND
    for tenant, tokens in (("b", 1), ("a", 2)):
        start, settled = used(tenant, Usage(output=tokens), at=NOON)
        assert isinstance(start, Sent)
        start = replace(start, labels={"tenant": tenant}, expected_nano=7)
        book(db, [start, settled], holder="h", policy=policy, now_ns=now_ns)
        flying = replace(start, attempt_id="f", call_id="f")
    book(db, [flying], holder="h", policy=policy, now_ns=now_ns)
    found = meterbook.read(db, NOON * SECOND)
    assert found.standings == (
        Standing("lately", "", "tokens", 100, 3, 0, 0, "lately|rolling 1h||tokens"),
        Standing("day", "tenant=a", "usd", 10**9, 40_000, 7, 0, f"{DAY}tenant=a"),
        Standing("day", "tenant=b", "usd", 10**9, 20_000, 0, 0, f"{DAY}tenant=b"),
    )
    assert (found.holds, found.held_nano) == (1, 7)
    assert meterbook.standings(db, now_ns, most=1) == found.standings[:1]
    later = meterbook.read(db, (NOON + 2 * 86_400) * SECOND)
    assert later.standings == ()
