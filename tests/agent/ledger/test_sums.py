"""Claims about the sums by hour: whatever is told in whatever order, they are what a recount of attempts says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, used

from bursar.agent.ledger import audit, repricing, rollups, sumtables
from bursar.agent.ledger.booking import book, book_new, orphan
from bursar.agent.ledger.repricing import Entry, Stretch
from bursar.agent.ledger.sumtables import FIGURES
from bursar.policies.cascade import Stage
from bursar.policies.charge import Basis
from bursar.policies.prices import shipped_book
from bursar.policies.records import Decided, Record, Released, Sent, Settled
from bursar.policies.usage import Usage

HOUR = 497_280
"""So many hours after the epoch: 2026-09-24T00:00Z."""
AT = HOUR * 3_600
FOR_EVER = 2**62
TABLES = ("sums", "spreads", "label_days")


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


Rows = dict[str, set[tuple[object, ...]]]


def kept(db: Database) -> Rows:
    """Every row that is not zero."""
    nothing = " AND ".join(f"{name} = 0" for name in FIGURES)
    conditions = {"sums": f"NOT ({nothing})", "spreads": "count != 0", "label_days": "count != 0"}
    return {table: set(db.conn.execute(f"SELECT * FROM {table} WHERE {conditions[table]}")) for table in TABLES}


def recounted(db: Database) -> Rows:
    """The same, made of the attempts that are there by the statements of the upgrade."""
    with Database(memory=True) as copy:
        db.conn.commit()  # else the copy would wait for it
        db.conn.backup(copy.conn)
        for table in TABLES:
            copy.conn.execute(f"DELETE FROM {table}")
        with copy.atomic():
            sumtables.fill(copy)
        return kept(copy)


def row_of(db: Database, label: str, seconds: int = 3_600) -> dict[str, int]:
    """All figures of a label that are not zero, whatever their kinds."""
    sums = ", ".join(f"sum({name})" for name in FIGURES)
    found = db.conn.execute(f"SELECT {sums} FROM sums WHERE label = ? AND seconds = ?", [label, seconds]).fetchone()
    return {name: figure for name, figure in zip(FIGURES, found, strict=True) if figure}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from(["", "c1", "c2"]),
        st.sampled_from(
            [
                "sent", "usage", "estimate", "unknown", "provisional", "other model", "same response", "span",
                "new spans", "other hour", "timed", "escalated", "failed", "unsent", "refused", "orphaned", "repriced",
            ]
        ),
        st.integers(0, 5),
    ),
    max_size=14,
)  # fmt: skip


def told(name: str, call: str, kind: str, tokens: int) -> list[Record]:
    """Something that may be told of an attempt."""
    at = AT + (3_600 if kind == "other hour" else 61 * len(name + call))
    start, settled = used(name, Usage(input=7, output=tokens), at=at, model=SONNET if kind == "other model" else OPUS)
    assert isinstance(start, Sent)
    assert isinstance(settled, Settled)
    labels = {"tenant": f"t{tokens % 2}", "env": "prod"}
    start = replace(start, call_id=call, labels=labels, bound_nano=99)
    charge = replace(settled.charge, call_id=call, labels=labels)
    stage = Stage("casc", "strong", OPUS, "max_tokens")
    match kind:
        case "sent":
            return [start]
        case "estimate":
            return [Settled(replace(charge, basis=Basis.ESTIMATE, cost_nano_usd=tokens * 99, missing=("output",)))]
        case "unknown":
            return [Settled(replace(charge, basis=Basis.UNKNOWN, cost_nano_usd=None, usage=Usage(), price_id=None))]
        case "provisional":
            return [Settled(charge, final=False)]
        case "same response":
            return [Settled(replace(charge, response_id="msg_1"))]
        case "timed":
            timed = replace(charge, duration_ns=1_000_000 << tokens, first_token_ns=400_000 * tokens)
            return [Settled(replace(timed, modifiers=("batch",)))]
        case "escalated":
            return [replace(start, stage=stage), Settled(replace(charge, stage=stage))]
        case "failed":
            return [start, Released(name, f"http 50{tokens}")]
        case "unsent":
            return [start, Released(name, "never sent")]
        case "refused":
            return [Decided(call or name, at * SECOND, "desk", OPUS, "block", "spent", labels)]
        case _:
            return [settled]


def happen(db: Database, name: str, call: str, kind: str, tokens: int) -> None:
    """Have it told, or done."""
    records = told(name, call, kind, tokens)
    charges = [record.charge for record in records if isinstance(record, Settled)]
    match kind:
        case "span":
            spans = [Settled(replace(charge, basis=Basis.SPAN, request_id="req_1")) for charge in charges]
            book(db, spans, holder=None, policy=None, now_ns=AT * SECOND)
        case "new spans":
            new = [replace(charges[0], attempt_id=f"{name}{n}-{db.conn.total_changes}", call_id=call) for n in "12"]
            book_new(db, new, policy=None, now_ns=AT * SECOND)
        case "orphaned":
            orphan(db, "h", now_ns=AT * SECOND)
        case "repriced":
            book_of = replace(shipped_book())
            repricing.reprice(db, book_of, Stretch(0, FOR_EVER), after=None, entry=Entry(db.conn.total_changes, "test"))
        case _:
            book(db, records, holder="h", policy=None, now_ns=AT * SECOND)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_is_told_they_are_what_a_recount_says(steps: list[tuple[str, str, str, int]]) -> None:
    """Every row: each kind, hour, minute and label, the calls among them, and how values lie."""
    with fresh.ledger() as db:
        for step in steps:
            happen(db, *step)
        assert kept(db) == recounted(db)
        before = kept(db)
        rollups.roll_up(db, FOR_EVER)
        assert kept(db) == before
        assert audit.wrong(db) == []
