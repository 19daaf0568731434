"""Claims about reports: exact sums by any key, and the reasons behind each decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import holders, reports
from bursar.agent.ledger.booking import book, hold
from bursar.agent.ledger.life import Attempt
from bursar.agent.ledger.reports import ReportError
from bursar.policies.amounts import Limit
from bursar.policies.cascade import Stage
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction
from bursar.policies.protocol import Holder
from bursar.policies.records import Decided, Record, Sent, Settled
from bursar.policies.usage import Usage

HOUR = 3600 * 10**9
NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
EVER = (0, 2**63 - 1)
DAY_KEY = "all|2026-11-21T00:00:00Z|"
BLOCK = Step("100%", Fraction(1), None, (StepAction("block"),))
POLICY = Policy(version=1, mode=Mode.ENFORCE, budgets=(Budget("all", Limit("usd", 1_000), "day", steps=(BLOCK,)),))


def charged(attempt_id: str, cost: int | None, basis: Basis = Basis.USAGE, **changes: Any) -> Charge:
    whole = Charge(attempt_id, cost, Usage(), basis, "opus", "opus", "draft", at_ns=NOON)
    return replace(whole, **changes)


ACME: dict[str, Any] = {"route": "triage", "call_id": "c1", "labels": {"tenant": "acme"}}
LATE = NOON + 11 * HOUR + HOUR // 2
"""The next day in Berlin, the same in UTC."""
NEXT_DAY = NOON + 13 * HOUR
CHARGES = [
    # Two attempts of one call.
    charged("a1", 10, usage=Usage(input=1, output=2), **ACME),
    charged("a2", 20, usage=Usage(input=10, cache_read=5), **ACME),
    charged(
        *("a3", 40, Basis.ESTIMATE),
        usage=Usage(output=7),
        model="haiku",
        labels={"tenant": "bob"},
        at_ns=LATE,
        missing=("output after the stream was broken off",),
    ),
    # Spans without a call, and one whose cost nobody knows.
    charged("s1", 80, Basis.SPAN, usage=Usage(cache_write_5m=3), at_ns=NEXT_DAY),
    charged("s2", None, Basis.UNKNOWN, model="mystery", at_ns=NEXT_DAY),
]


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


@pytest.fixture
def booked(db: Database) -> Database:
    book(db, [Settled(charge) for charge in CHARGES], holder=None, policy=None, now_ns=NOON)
    return db


def test_the_total_is_exact_and_names_what_is_not(booked: Database) -> None:
    """Estimates are in the sum and beside it; what is unknown is only counted."""
    total = reports.totals(booked, *EVER)
    expected = {
        "calls": 4,
        "charges": 5,
        "nano_usd": 150,
        "estimated_nano_usd": 40,
        "unknown_charges": 1,
        "incomplete_charges": 1,
        "told_nano_usd": 0,
    }
    assert {name: total[name] for name in expected} == expected
    assert [total[name] for name in ("input", "cache_read", "cache_write_5m", "output")] == [11, 5, 3, 9]


def test_an_empty_stretch_costs_nothing(booked: Database) -> None:
    """From the first instant to, and not including, the last."""
    assert reports.totals(booked, 0, NOON)["nano_usd"] == 0
    assert reports.totals(booked, NOON, NOON + 1)["nano_usd"] == 30
    assert reports.by(booked, ["route"], 0, NOON) == []


@pytest.mark.parametrize(
    ("keys", "rows"),
    [
        (["route"], [("draft", 120), ("triage", 30)]),
        (["model"], [("opus", 110), ("haiku", 40), ("mystery", 0)]),
        (["basis"], [("span", 80), ("estimate", 40), ("usage", 30), ("unknown", 0)]),
        (["source"], [("span", 150)]),
        (["label:tenant"], [(None, 80), ("bob", 40), ("acme", 30)]),
        (["label:nobody"], [(None, 150)]),
        (['label:"odd'], [(None, 150)]),
        (["day"], [("2026-11-22", 80), ("2026-11-21", 70)]),
        (["route", "label:tenant"], [("draft", None, 80), ("draft", "bob", 40), ("triage", "acme", 30)]),
        (["label:tenant", "day"], [(None, "2026-11-22", 80), ("bob", "2026-11-21", 40), ("acme", "2026-11-21", 30)]),
        ([], []),
    ],
)
def test_charges_are_grouped_by_any_key(booked: Database, keys: list[str], rows: list[tuple[Any, ...]]) -> None:
    """The dearest first."""
    found = reports.by(booked, keys, *EVER)
    assert [(*(row[key] for key in keys), row["nano_usd"]) for row in found] == rows


def test_days_are_those_of_the_zone(booked: Database) -> None:
    """Half past eleven at night in London is the next day in Berlin."""
    rows = reports.by(booked, ["day"], *EVER, tz=ZoneInfo("Europe/Berlin"))
    assert [(row["day"], row["nano_usd"]) for row in rows] == [("2026-11-22", 120), ("2026-11-21", 30)]


def test_an_unknown_key_is_refused_with_those_there_are(booked: Database) -> None:
    """Nothing a caller writes becomes part of a query."""
    with pytest.raises(ReportError, match=r"no key 'cost; --': use route, model.* or label:NAME"):
        reports.by(booked, ["cost; --"], *EVER)


def test_the_report_has_its_public_shape(booked: Database) -> None:
    """Total, rows, since and until."""
    report = reports.report(booked, ["route", "model"], since_ns=NOON, until_ns=NOON + HOUR)
    assert (report["since"], report["until"]) == ("2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z")
    assert report["total"]["nano_usd"] == 30
    assert [(row["route"], row["model"], row["calls"], row["charges"]) for row in report["rows"]] == [
        ("triage", "opus", 1, 2)
    ]


def test_what_has_no_charge_yet_is_not_in_a_report(db: Database) -> None:
    """Neither what is in flight, nor a stream's first figures, nor a response that another attempt counts."""
    streaming = Settled(replace(CHARGES[0], response_id="msg_1"), final=False)
    book(db, [Sent("a9", "c9", NOON, "triage", "opus", "opus"), streaming], holder="h1", policy=None, now_ns=NOON)
    assert reports.totals(db, *EVER)["charges"] == 0
    twin = Settled(replace(CHARGES[3], response_id="msg_1"))
    book(db, [twin], holder=None, policy=None, now_ns=NOON)
    total = reports.totals(db, *EVER)
    assert (total["charges"], total["nano_usd"]) == (1, 80)


def test_charges_are_grouped_by_the_service_that_made_them(db: Database) -> None:
    """The name its process gave."""
    holders.register(db, Holder("h1", 1, "host", 0, service="desk"), seq=1, now_ns=NOON)
    book(db, [Settled(CHARGES[0])], holder="h1", policy=None, now_ns=NOON)
    assert [(row["service"], row["nano_usd"]) for row in reports.by(db, ["service"], *EVER)] == [("desk", 10)]


def test_large_sums_stay_whole(db: Database) -> None:
    """Nine million dollars and a nano: no float could hold it."""
    large = [
        Settled(replace(CHARGES[0], attempt_id=f"b{cost}", cost_nano_usd=cost)) for cost in (9 * 10**15 + 1, 10**3)
    ]
    book(db, large, holder=None, policy=None, now_ns=NOON)
    assert reports.totals(db, *EVER)["nano_usd"] == 9_000_000_000_001_001


def test_budgets_stand_at_what_is_spent_expected_and_lent(db: Database) -> None:
    """Those whose window holds the instant."""
    holders.grant(db, "h1", DAY_KEY, 300)
    sent = Sent("a1", "c1", NOON, "triage", "opus", "opus", balances=(DAY_KEY,), leased=(DAY_KEY,), bound_nano=100)
    records: list[Record] = [sent, Settled(CHARGES[0]), replace(sent, attempt_id="a2", expected_nano=25)]
    book(db, records, holder="h1", policy=POLICY, now_ns=NOON)
    assert reports.budgets(db, NOON) == [
        {
            "key": DAY_KEY,
            "budget": "all",
            "scope": "",
            "window_start": NOON - 12 * HOUR,
            "window_end": NOON + 12 * HOUR,
            "window": "2026-11-21T00:00:00Z",
            "unit": "usd",
            "limit": 1_000,
            "ceiling": 1_000,
            "soft_ceiling": 1_000,
            "spent": 10,
            "unknown_nano": 0,
            "calls": 1,
            "expected": 25,
            "lent": 290,
            "moved_ns": NOON,
        }
    ]
    assert reports.budgets(db, NOON + 12 * HOUR) == []


def test_holds_name_their_owner(db: Database) -> None:
    """Every attempt in flight, sent or not, the oldest first."""
    holders.register(db, Holder("h1", 42, "host", 0, service="desk"), seq=1, now_ns=NOON)
    hold(db, Attempt("a2", holder="h1", at_ns=NOON + 1, bound_nano=60, expected_nano=6, leased=(DAY_KEY,)))
    sent = Sent("a1", "c1", NOON, "triage", "opus", "opus", balances=(DAY_KEY, "soft|x|"), bound_nano=100)
    book(db, [sent, Settled(CHARGES[2])], holder="h1", policy=POLICY, now_ns=NOON)
    found = reports.holds(db)
    assert [(row["attempt_id"], row["state"], row["bound_nano"], row["balances"]) for row in found] == [
        ("a1", "sent", 100, [DAY_KEY, "soft|x|"]),
        ("a2", "held", 60, [DAY_KEY]),
    ]
    assert {(row["holder"], row["pid"], row["host"], row["service"]) for row in found} == {("h1", 42, "host", "desk")}


def test_a_refusal_can_be_explained(db: Database) -> None:
    """From the ledger alone: the reason and the numbers, by time or by call."""
    refusals = [
        Decided(
            *(f"c{n}", NOON + n, "triage", "opus", "block", "spent", {"tenant": "acme"}, {"spent": n}),
            stage=Stage(f"k{n}", "strong", "opus", "max_tokens"),
        )
        for n in range(3)
    ]
    book(db, refusals, holder="h1", policy=None, now_ns=NOON)
    assert [row["call_id"] for row in reports.decisions(db, NOON + 1, NOON + 3)] == ["c2", "c1"]
    assert [row["call_id"] for row in reports.decisions(db, *EVER, limit=1)] == ["c2"]
    assert reports.decisions_of(db, "c1") == [
        {
            "id": f"c1@{NOON + 1}",
            "call_id": "c1",
            "at_ns": NOON + 1,
            "route": "triage",
            "model": "opus",
            "labels": {"tenant": "acme"},
            "action": "block",
            "reason": "spent",
            "decision": {"spent": 1},
            "cascade": "k1",
            "stage": "strong",
            "strong_model": "opus",
            "escalation": "max_tokens",
        }
    ]


def test_recent_calls_show_charges_and_refusals(booked: Database) -> None:
    """Newest first, up to so many; a change that went ahead stands with its charge and not twice."""
    refusal = Decided("c8", NOON + 14 * HOUR, "triage", "opus", "block", "spent")
    change = Decided("c1", NOON, "triage", "opus", "downgrade", "step")
    book(booked, [refusal, change], holder="h1", policy=None, now_ns=NOON)
    rows = reports.recent_calls(booked, *EVER, limit=100)
    found = [(row["at_ns"], row["action"], row["model"], row["cost_nano"]) for row in rows]
    assert found[0] == (NOON + 14 * HOUR, "block", None, None)
    assert set(found[1:3]) == {(NEXT_DAY, "go", "opus", 80), (NEXT_DAY, "go", "mystery", None)}
    assert found[3] == (LATE, "go", "haiku", 40)
    assert set(found[4:]) == {(NOON, "go", "opus", 10), (NOON, "go", "opus", 20)}
    assert [row["reason"] for row in reports.recent_calls(booked, *EVER, limit=1)] == ["spent"]
    assert reports.recent_calls(booked, 0, NOON, limit=100) == []


WITHOUT_END = Policy(
    version=1,
    mode=Mode.ENFORCE,
    budgets=(
        Budget("week", Limit("tokens", 1_000), "rolling 7d", steps=(BLOCK,)),
        Budget("talk", Limit("calls", 9), "conversation", steps=(BLOCK,)),
    ),
)
WEEK, TALK = "week|rolling 7d||tokens", "talk|conversation c1||calls"


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(0, [TALK, WEEK]), (23, [TALK, WEEK]), (24, [WEEK]), (7 * 24 - 1, [WEEK]), (7 * 24, [])],
)
def test_windows_without_an_end_are_shown_while_they_matter(db: Database, hours: int, shown: list[str]) -> None:
    """A day after they last moved, and a rolling one as long as it looks back."""
    sent = Sent("a1", "c1", NOON, "triage", "opus", "opus", balances=(WEEK, TALK), leased=(), bound_nano=100)
    charge = replace(CHARGES[0], usage=Usage(input=30, output=12))
    book(db, [sent, Settled(charge)], holder="h1", policy=WITHOUT_END, now_ns=NOON)
    rows = reports.budgets(db, NOON + hours * HOUR)
    assert [row["key"] for row in rows] == shown
    for row in rows:
        figures = {WEEK: ("tokens", "rolling 7d", 1_000, 42), TALK: ("calls", "conversation c1", 9, 1)}[row["key"]]
        assert (row["unit"], row["window"], row["limit"], row["spent"]) == figures


def test_a_conversation_in_flight_is_shown(db: Database) -> None:
    """However long its first answer takes."""
    sent = Sent("a1", "c1", NOON, "triage", "opus", "opus", balances=(TALK,), leased=(), bound_nano=100)
    book(db, [sent], holder="h1", policy=WITHOUT_END, now_ns=NOON)
    (row,) = reports.budgets(db, NOON + 48 * HOUR)
    assert (row["key"], row["spent"], row["expected"]) == (TALK, 0, 1)
    assert "flies" not in row


def test_whether_anything_was_ever_told() -> None:
    """A call that was sent, or one that was refused."""
    for record in (Sent("a", "a", 1, "desk", "opus", "opus"), Decided("d", 1, "desk", "opus", "block", "spent")):
        with fresh.ledger() as db:
            assert not reports.anything(db)
            book(db, [record], holder="h", policy=None, now_ns=1)
            assert reports.anything(db)
