"""Claims about the ledger's days: lines of every model, what is billed elsewhere apart, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, unexplained, used

from bursar.agent.ledger import daybook, rollups, schema
from bursar.agent.ledger.daybook import WHOLE, Entry
from bursar.policies.charge import Line
from bursar.policies.prices import LINKED, PRIORITY, REFUSED
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.usage import Usage

DAY = 20_778
AT = DAY * 86_400 + 43_200
FOR_EVER = 2**62


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "db", execute_plugins=False)
    schema.upgrade(made)
    yield made
    made.close()


def days(db: Database, fresh_ns: int = FOR_EVER) -> list[Entry]:
    found = daybook.entries(db, 0, FOR_EVER, fresh_ns=fresh_ns)
    return sorted(found, key=lambda entry: (entry.model, entry.label, entry.unknown))


def entry(label: str, quantity: int, nano: int, *flags: str, unknown: int = 0) -> Entry:
    flagged = {name: name in flags for name in ("linked", "priority", "estimated", "fresh")}
    return Entry(DAY, OPUS, OPUS, label, **flagged, workspace="", quantity=quantity, nano=nano, unknown=unknown)


def with_charge(records: list[Record], **changes: object) -> list[Record]:
    """The same attempt with another charge."""
    start, settled = records
    assert isinstance(settled, Settled)
    return [start, Settled(replace(settled.charge, **changes))]  # type: ignore[arg-type]


def test_lines_add_up(db: Database) -> None:
    """Two calls of one model are one entry a class: 30 tokens in at 4,000 nano-dollars, 3 out at 20,000."""
    put(db, used("a", Usage(input=10, output=1), at=AT), used("b", Usage(input=20, output=2), at=AT + 60))
    assert days(db) == [entry("input", 30, 120_000), entry("output", 3, 60_000)]


def test_a_line_is_its_own_model_s(db: Database) -> None:
    """An adviser's tokens are billed at the adviser, wherever they were asked for."""
    line = Line("output", 7, 0, 70_000, SONNET, "p")
    records = with_charge(used("a", Usage(output=7), at=AT), lines=(line,), cost_nano_usd=70_000)
    put(db, records)
    (found,) = days(db)
    assert (found.model, found.requested_model, found.nano) == (SONNET, OPUS, 70_000)


@pytest.mark.parametrize(
    ("changes", "flag"),
    [({"modifiers": (LINKED,)}, "linked"), ({"missing": (PRIORITY,)}, "priority")],
)
def test_what_another_bill_has(db: Database, changes: dict[str, object], flag: str) -> None:
    """Linked billing and the priority tier are told apart."""
    put(db, with_charge(used("a", Usage(output=1), at=AT), **changes))
    assert days(db) == [entry("output", 1, 20_000, flag)]


def test_a_refusal_is_not_billed(db: Database) -> None:
    """Its tokens stand in the ledger, and on no bill."""
    put(db, with_charge(used("a", Usage(output=1), at=AT), modifiers=(REFUSED,), cost_nano_usd=0, lines=()))
    assert days(db) == []


def test_what_has_no_lines(db: Database) -> None:
    """A bound counts whole, and a charge without a price is counted beside it."""
    put(db, unexplained("a", 500, at=AT), unexplained("b", None, at=AT))
    assert days(db) == [entry(WHOLE, 0, 500, "estimated"), entry(WHOLE, 0, 0, unknown=1)]


def test_fresh(db: Database) -> None:
    """Sent at that instant or after it."""
    put(db, used("a", Usage(output=1), at=AT), used("b", Usage(output=2), at=AT + 1))
    found = {entry.fresh: entry.nano for entry in days(db, fresh_ns=(AT + 1) * SECOND)}
    assert found == {False: 20_000, True: 40_000}


def test_old_days_keep_tokens_and_cost(db: Database) -> None:
    """Rolled up, the tokens stand by class and the cost beside them: the sums are the same."""
    put(db, used("a", Usage(input=10, output=1), at=AT))
    before = sum(entry.nano for entry in days(db))
    assert rollups.roll_up(db, FOR_EVER) is not None
    assert days(db) == [entry("input", 10, 0), entry("output", 1, 0), entry(WHOLE, 0, before)]


@pytest.mark.parametrize("roll_up", [False, True])
def test_a_label_may_name_the_workspace(db: Database, roll_up: bool) -> None:
    """Each call under what its label says, also once it is rolled up; without the label under nothing."""
    for name, labels in (("a", {"ws": "wrkspc_1"}), ("b", {"ws": "wrkspc_2", "x": "y"}), ("c", {})):
        start, settled = used(name, Usage(output=1), at=AT)
        assert isinstance(start, Sent)
        put(db, [replace(start, labels=labels), settled])
    if roll_up:
        rollups.roll_up(db, FOR_EVER)
    found = daybook.entries(db, 0, FOR_EVER, fresh_ns=FOR_EVER, label="ws")
    spent = {entry.workspace: entry.nano for entry in found if entry.nano}
    assert spent == {"": 20_000, "wrkspc_1": 20_000, "wrkspc_2": 20_000}
