"""Claims about pricing history anew: charges, postings and balances move together, and each change is on record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import attempts, reports
from bursar.agent.ledger.booking import book, orphan
from bursar.agent.ledger.recount import Left
from bursar.agent.ledger.repricing import Entry, Kind, Outcome, Place, Stretch, Sum, count, reprice
from bursar.policies.amounts import Limit
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Budget, Mode, Policy
from bursar.policies.prices import PriceBook, parse_book, price, shipped_book
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.usage import Part, Usage, UsageReport

NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
MTOK = 1_000_000
USD = 10**9
EVER = Stretch(0, 2**63 - 1)
LATER = Entry(NOON + 5, "contract")
POLICY = Policy(
    version=1,
    mode=Mode.ENFORCE,
    budgets=(
        Budget("all", Limit("usd", 100 * USD), "day"),
        Budget("tenants", Limit("usd", 50 * USD), "day", match={"tenant": "*"}, per=("tenant",)),
    ),
)
HALF = shipped_book().extended(parse_book('multiply = "0.5"', source="acme.toml"))
ROW = "\n".join(f"{name} = 2" for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output"))
NEXT = HALF.extended(parse_book(f'[[model]]\nid = "claude-next"\n{ROW}', source="acme.toml"))


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def charged(name: str, model: str = "claude-opus-5-5", *, at_ns: int = NOON, **changes: Any) -> tuple[Sent, Settled]:
    """A call of a million tokens in, sent and settled at the shipped prices."""
    usage = Usage(input=MTOK)
    quote = price(UsageReport(usage, (Part(usage),)), model=model, at=date(2026, 11, 21), book=shipped_book())
    start = Sent(name, f"call-{name}", at_ns, "support", model, model, {"tenant": "acme"}, bound_nano=9 * USD)
    charge = Charge(name, quote.cost_nano_usd, usage, Basis.USAGE, model, model, "support", labels={"tenant": "acme"})
    if quote.cost_nano_usd is None:
        charge = replace(charge, basis=Basis.UNKNOWN)
    charge = replace(
        charge,
        call_id=start.call_id,
        at_ns=at_ns,
        price_id=quote.price_id,
        lines=quote.lines,
        missing=quote.missing,
        modifiers=quote.modifiers,
    )
    return start, Settled(replace(charge, **changes))


def booked(db: Database, *records: Sequence[Record]) -> None:
    for each in records:
        book(db, each, holder="p1", policy=POLICY, now_ns=NOON)


def balances(db: Database) -> dict[str, tuple[int, int, int]]:
    rows = db.conn.execute("SELECT budget, spent_nano, unknown_nano, calls FROM balances ORDER BY budget").fetchall()
    return {budget: (spent, unknown, calls) for budget, spent, unknown, calls in rows}


def folded(db: Database) -> bool:
    """Whether every balance is the sum of its postings, and every posting what its attempt counts as."""
    sums = db.conn.execute(
        """
        SELECT key, spent_nano, balances.unknown_nano, calls,
            coalesce(sum(nano), 0), coalesce(sum(postings.unknown_nano), 0), count(attempt_id)
        FROM balances LEFT JOIN postings ON balance = key GROUP BY key
        """
    ).fetchall()
    rows = db.conn.execute("SELECT attempt_id, nano, unknown_nano FROM postings").fetchall()
    loaded = [(attempts.load(db, name), nano, unknown) for name, nano, unknown in rows]
    return all(row[1:4] == row[4:] for row in sums) and all(
        attempt is not None and (attempt.posted_nano, attempt.unknown_nano) == (nano, unknown)
        for attempt, nano, unknown in loaded
    )


def audit(db: Database) -> list[tuple[Any, ...]]:
    return db.conn.execute("SELECT * FROM repricings ORDER BY attempt_id, at_ns").fetchall()


def carried_out(
    db: Database,
    book: PriceBook = HALF,
    stretch: Stretch = EVER,
    *,
    entry: Entry | None = LATER,
    after: Place | None = None,
    limit: int = 100,
) -> Outcome:
    return reprice(db, book, stretch, after=after, entry=entry, limit=limit)


def test_charge_balances_and_record_move_together(db: Database) -> None:
    """A call of 4 dollars at half the price: 2 in its attempt, 2 in both balances, and one row that tells of it."""
    booked(db, charged("a1"))
    assert balances(db) == {"all": (4 * USD, 0, 1), "tenants": (4 * USD, 0, 1)}
    outcome = carried_out(db)
    assert outcome == Outcome(
        1, {Kind("claude-opus-5-5", "claude-opus-5-5@launch", "claude-opus-5-5@launch"): Sum(1, 4 * USD, 2 * USD)}
    )
    assert balances(db) == {"all": (2 * USD, 0, 1), "tenants": (2 * USD, 0, 1)}
    row = ("a1", NOON + 5, "contract", 4 * USD, 2 * USD, *["claude-opus-5-5@launch"] * 2, "usage", "usage")
    assert audit(db) == [row]
    attempt = attempts.load(db, "a1")
    assert attempt is not None
    assert attempt.charge is not None
    assert (attempt.charge.modifiers, attempt.own_cost_nano) == (("multiply:0.5",), 4 * USD)
    assert folded(db)
    assert reports.totals(db, *EVER)["nano_usd"] == 2 * USD


def test_twice_changes_nothing_more(db: Database) -> None:
    """What is at the new price already is left as it is, without a row; and back again is a change like any other."""
    booked(db, charged("a1"))
    carried_out(db)
    assert carried_out(db, entry=Entry(NOON + 6, "again")).changed == {}
    assert len(audit(db)) == 1
    back = shipped_book().extended(parse_book("as_of = 2026-11-30", source="acme.toml"))
    assert carried_out(db, back, entry=Entry(NOON + 7, "back")).total == Sum(1, 2 * USD, 4 * USD)
    assert [row[1] for row in audit(db)] == [NOON + 5, NOON + 7]
    assert balances(db)["all"] == (4 * USD, 0, 1)


def test_an_unknown_cost_becomes_known(db: Database) -> None:
    """It counted as its bound of 9 dollars; a row of 2 at half makes it 1, and nothing in the balance unknown."""
    booked(db, charged("a1", "claude-next"))
    assert balances(db)["all"] == (9 * USD, 9 * USD, 1)
    outcome = carried_out(db, NEXT)
    assert outcome.total == Sum(1, 0, USD, known=1)
    assert balances(db)["all"] == (USD, 0, 1)
    assert audit(db)[0][3:] == (None, USD, None, "claude-next@launch/acme.toml", "unknown", "usage")
    assert folded(db)
    assert reports.totals(db, *EVER)["unknown_charges"] == 0


def test_without_an_entry_nothing_is_written(db: Database) -> None:
    """A rehearsal tells the same and changes nothing."""
    booked(db, charged("a1"), charged("a2", "claude-next"))
    before = list(db.conn.iterdump())
    rehearsed = carried_out(db, NEXT, entry=None)
    assert list(db.conn.iterdump()) == before
    assert rehearsed == carried_out(db, NEXT)


def test_only_the_stretch_is_priced_anew(db: Database) -> None:
    """From its first instant up to, and without, its last."""
    booked(db, *[charged(f"a{n}", at_ns=NOON + n) for n in range(4)])
    stretch = Stretch(NOON + 1, NOON + 3)
    assert count(db, stretch) == 2
    assert carried_out(db, stretch=stretch).looked_at == 2
    assert [row[0] for row in audit(db)] == ["a1", "a2"]
    assert balances(db)["all"] == (12 * USD, 0, 4)


def test_chunks_meet_without_gap_or_overlap(db: Database) -> None:
    """Five charges, three of one instant, in chunks of two: each once, and the place says where to go on."""
    booked(
        db,
        *[charged(name, at_ns=at) for name, at in (("c", NOON), ("b", NOON), ("a", NOON), ("d", NOON + 1), ("e", 1))],
    )
    whole, after, places = Outcome(), None, list[Place | None]()
    while True:
        part = carried_out(db, after=after, limit=2)
        whole.add(part)
        places.append(after := part.at)
        if after is None:
            break
    assert places == [Place(NOON, "a"), Place(NOON, "c"), None]
    assert (whole.looked_at, whole.total) == (5, Sum(5, 20 * USD, 10 * USD))
    assert [row[0] for row in audit(db)] == ["a", "b", "c", "d", "e"]


def test_what_counts_elsewhere_or_not_yet_is_passed_over(db: Database) -> None:
    """A duplicate counts under another attempt, and a call in flight will be charged by its own process."""
    booked(db, charged("a1", response_id="msg_1"), charged("a2", response_id="msg_1")[1:])
    booked(db, charged("a3")[:1], [Settled(charged("a4")[1].charge, final=False)])
    assert carried_out(db).looked_at == 1
    assert len(audit(db)) == 1
    assert folded(db)


def test_what_cannot_be_told_is_counted_and_left(db: Database) -> None:
    """An orphan's bound is no price, and an unpriced charge of an earlier version lacks its terms."""
    booked(db, charged("a1")[:1], charged("a2", "claude-next", lines=(), modifiers=()))
    orphan(db, "p1", policy=POLICY, now_ns=NOON)
    before = balances(db)
    outcome = carried_out(db, NEXT)
    assert (outcome.looked_at, outcome.changed) == (2, {})
    assert outcome.left == {Left.NO_LINES: 1, Left.NO_TERMS: 1}
    assert (balances(db), audit(db)) == (before, [])


def test_sums_are_kept_by_model_and_price() -> None:
    """Parts of one kind add up, other kinds stay apart."""
    whole = Outcome()
    opus, haiku = Kind("opus", "p1", "p2"), Kind("haiku", None, "p3")
    whole.add(Outcome(3, {opus: Sum(1, 10, 5)}))
    whole.add(Outcome(2, {opus: Sum(2, 20, 8), haiku: Sum(1, 0, 4, 1)}))
    assert whole.changed == {opus: Sum(3, 30, 13), haiku: Sum(1, 0, 4, 1)}
    assert (whole.looked_at, whole.total, whole.total.moved) == (5, Sum(4, 30, 17, 1), -13)


def test_the_sum_is_exact_over_many_kinds_of_charges(db: Database) -> None:
    """By a third of every price: what the report says is what the lines of all attempts say."""
    third = shipped_book().extended(parse_book('multiply = "0.333333333333"', source="acme.toml"))
    models = ["claude-opus-5-5", "claude-haiku-5-5", "claude-3-haiku-20240307", "claude-sonnet-4-5"]
    booked(db, *[charged(f"a{n}", model) for n, model in enumerate(models)])
    carried_out(db, third)
    exact = sum(Fraction(333333333333, 10**12) * nano * USD for nano in (4, Fraction(1, 2), Fraction(1, 4), 3))
    assert abs(reports.totals(db, *EVER)["nano_usd"] - exact) < 4
    assert folded(db)
