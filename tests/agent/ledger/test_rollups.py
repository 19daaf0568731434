"""Claims about rolling up: every sum stays what it was, nothing counts again, and what is not over is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import attempts, audit, reports, rollups
from bursar.agent.ledger.booking import book
from bursar.agent.ledger.rollups import DAY_NS, HOUR_NS, Place, is_buried, prune, roll_up
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.records import Record, Released, Sent, Settled
from bursar.policies.usage import Usage

NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z, a whole hour."""
EVER = (0, 2**62)
KEYS = ["route", "model", "day", "basis", "label:tenant"]
POLICY = parse_policy(
    """\
version = 1
mode = "enforce"
[[budget]]
name = "month"
limit = "50 USD"
every = "month"
per = ["tenant"]
[budget.at]
"100%" = "block"
""",
    file="f",
)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def charge(name: str, cost: int | None = 100, *, at_ns: int = NOON, call: str = "", tenant: str = "acme") -> Charge:
    basis = Basis.UNKNOWN if cost is None else Basis.USAGE
    whole = Charge(name, cost, Usage(input=7, output=3), basis, "opus", "opus", "draft", call, at_ns=at_ns)
    return replace(whole, labels={"tenant": tenant}, response_id=f"msg_{name}")


def booked(db: Database, *records: Record) -> None:
    book(db, records, holder=None, policy=POLICY, now_ns=NOON)


def rolled(db: Database, before_ns: int, *, limit: int = rollups.CHUNK) -> int:
    """Everything older; how many turns it took."""
    place, turns = roll_up(db, before_ns, limit=limit), 1
    while place is not None:
        place, turns = roll_up(db, before_ns, place, limit=limit), turns + 1
    return turns


def kept(db: Database) -> set[str]:
    return {name for (name,) in db.conn.execute("SELECT attempt_id FROM attempts")}


def seen(db: Database) -> object:
    """All that reports and balances say."""
    return reports.report(db, KEYS, since_ns=0, until_ns=EVER[1], tz=UTC), reports.budgets(db, NOON)


def test_reports_and_balances_say_the_same_afterwards(db: Database) -> None:
    """Old charges of several kinds are gone as they were; their sums are not."""
    booked(
        db,
        Settled(charge("a", call="c1")),
        Settled(charge("b", call="c1", at_ns=NOON + 1)),
        Settled(charge("c", None, tenant="bob")),
        Settled(replace(charge("d"), basis=Basis.ESTIMATE, missing=("output",))),
        Settled(charge("e", at_ns=NOON + HOUR_NS)),
    )
    before = seen(db)
    rolled(db, NOON + HOUR_NS)
    assert kept(db) == {"e"}
    assert seen(db) == before
    assert audit.wrong(db) == []


_attempts = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from(["", "c1", "c2", "c3"]),
        st.one_of(st.none(), st.integers(0, 10**12)),
        st.sampled_from(["acme", "bob"]),
        st.booleans(),
    ),
    max_size=30,
)


@given(made=_attempts, cut=st.integers(0, 7), limit=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_whatever_there_was_the_totals_stay(
    made: list[tuple[int, str, int | None, str, bool]], cut: int, limit: int
) -> None:
    """Any hours, calls, costs and labels, some still in flight, in chunks of any size."""
    with fresh.ledger() as db:
        for number, (hour, call, cost, tenant, over) in enumerate(made):
            at_ns = NOON + hour * HOUR_NS + number
            one = charge(f"a{number}", cost, at_ns=at_ns, call=call, tenant=tenant)
            start = Sent(one.attempt_id, call, at_ns, "draft", "opus", "opus", {"tenant": tenant}, bound_nano=5)
            booked(db, start, *([Settled(one)] if over else []))
        before = (reports.totals(db, *EVER), reports.by(db, ["label:tenant"], *EVER), reports.budgets(db, NOON))
        rolled(db, NOON + cut * HOUR_NS, limit=limit)
        after = (reports.totals(db, *EVER), reports.by(db, ["label:tenant"], *EVER), reports.budgets(db, NOON))
        assert after[0] == before[0]
        assert after[2] == before[2]
        assert [row["nano_usd"] for row in after[1]] == [row["nano_usd"] for row in before[1]]
        assert audit.wrong(db) == []


def test_a_call_that_is_not_over_is_left_whole(db: Database) -> None:
    """Its old attempt waits for the young one, and for the one in flight."""
    booked(
        db,
        Settled(charge("old", call="c1")),
        Settled(charge("young", call="c1", at_ns=NOON + 2 * HOUR_NS)),
        Settled(charge("first", call="c2")),
        Sent("flying", "c2", NOON + 1, "draft", "opus", "opus", bound_nano=5),
        Settled(charge("alone", call="c3")),
    )
    rolled(db, NOON + HOUR_NS)
    assert kept(db) == {"old", "young", "first", "flying"}


def test_what_is_told_again_does_not_count_again(db: Database) -> None:
    """Neither under the attempt's id nor the message's, from whoever; what is new does."""
    booked(db, Sent("a", "c", NOON, "draft", "opus", "opus", bound_nano=500), Settled(charge("a", call="c")))
    rolled(db, NOON + HOUR_NS)
    before = reports.totals(db, *EVER)
    again = charge("a", 70, call="c")
    other = replace(charge("span-7", 70), response_id="msg_a")
    booked(db, Sent("a", "c", NOON, "draft", "opus", "opus", bound_nano=500), Settled(again), Released("a"))
    booked(db, Settled(other))
    assert (reports.totals(db, *EVER), kept(db)) == (before, set())
    booked(db, Settled(charge("new", 1)))
    assert reports.totals(db, *EVER)["nano_usd"] == before["nano_usd"] + 1


def test_names_are_known_by_a_mark(db: Database) -> None:
    """Of attempts and of responses; others are not."""
    booked(db, Settled(charge("a")))
    rolled(db, NOON + HOUR_NS)
    assert is_buried(db, "a")
    assert is_buried(db, "x", "msg_a")
    assert not is_buried(db, "x", None)
    assert attempts.load(db, "a") is None


def test_it_goes_chunk_by_chunk(db: Database) -> None:
    """Five attempts in chunks of two: three with something in them, and one that finds the end."""
    booked(db, *(Settled(charge(f"a{n}", at_ns=NOON + n)) for n in range(5)))
    assert roll_up(db, NOON + HOUR_NS, limit=2) == Place(NOON + 1, "a1")
    assert kept(db) == {"a2", "a3", "a4"}
    assert rolled(db, NOON + HOUR_NS, limit=2) == 3
    assert kept(db) == set()


def test_pruning_forgets_minutes_after_three_days_and_hours_after_four_hundred(db: Database) -> None:
    """What rolling budgets and forecasts look at stays."""
    booked(db, Settled(charge("a")))
    slots = "SELECT seconds, count(*) FROM flows GROUP BY seconds ORDER BY seconds"
    prune(db, NOON + 3 * DAY_NS)
    assert db.conn.execute(slots).fetchall() == [(60, 1), (3600, 1)]
    prune(db, NOON + 3 * DAY_NS + 60 * 10**9)
    assert db.conn.execute(slots).fetchall() == [(3600, 1)]
    prune(db, NOON + 401 * DAY_NS)
    assert db.conn.execute(slots).fetchall() == []


def test_pruning_forgets_minutes_of_sums_after_two_days(db: Database) -> None:
    """Their hours and days stay."""
    booked(db, Settled(charge("a")))
    slots = "SELECT DISTINCT seconds FROM sums ORDER BY seconds"
    prune(db, NOON + 2 * DAY_NS)
    assert db.conn.execute(slots).fetchall() == [(60,), (3600,), (86400,)]
    prune(db, NOON + 2 * DAY_NS + 60 * 10**9)
    assert db.conn.execute(slots).fetchall() == [(3600,), (86400,)]


def test_pruning_keeps_balances_that_anything_still_names(db: Database) -> None:
    """Long after its window one goes as soon as nothing is posted to it."""
    booked(db, Settled(charge("a")))
    prune(db, NOON + 800 * DAY_NS)
    count = "SELECT count(*) FROM balances"
    assert db.conn.execute(count).fetchone() == (1,)
    rolled(db, NOON + HOUR_NS)
    prune(db, NOON + 800 * DAY_NS)
    assert db.conn.execute(count).fetchone() == (0,)
