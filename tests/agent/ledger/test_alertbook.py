"""Claims about the alert book: what a message moved is found, and each step is put down once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.alerting.alerts import Looping
from bursar.agent.alerting.background import RouteCost
from bursar.agent.alerting.notices import Notice, Subject
from bursar.agent.ledger import alertbook, balances, outbox
from bursar.agent.ledger.booking import book
from bursar.agent.ledger.lending import sync
from bursar.policies.amounts import Limit
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import Holder, Need, SyncRequest
from bursar.policies.records import Record, Released, Sent, Settled, to_json
from bursar.policies.usage import Usage

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
DAY, YESTERDAY, TEAM = (
    "day|2026-11-21T00:00:00Z|",
    "day|2026-11-20T00:00:00Z|",
    "team|2026-11-21T00:00:00Z|team=a",
)


@pytest.fixture
def policy() -> Policy:
    return parse_policy(
        """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "0.000001 USD"
every = "day"
[budget.at]
"50%" = "alert log"
"80%" = "alert log"
[[budget]]
name = "team"
match = { team = "*" }
per = ["team"]
limit = "1 USD"
every = "day"
""",
        file="bursar.toml",
    )


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def settled(attempt_id: str, cost: int, route: str = "r", *, at_ns: int = NOON, response: str | None = None) -> Settled:
    charge = Charge(
        attempt_id, cost, Usage(), Basis.USAGE, "opus", "opus", route, attempt_id, response_id=response, at_ns=at_ns
    )
    return Settled(charge)


def sent(attempt_id: str, **labels: str) -> Sent:
    return Sent(attempt_id, attempt_id, NOON, "r", "opus", "opus", labels, bound_nano=100, expected_nano=50)


@pytest.mark.parametrize(
    ("told", "need", "found"),
    [
        ([], None, set[str]()),
        ([settled("new", 5)], None, {DAY}),
        ([settled("new", 5, at_ns=NOON - 86_400 * SECOND)], None, {YESTERDAY}),
        ([sent("new", team="a")], None, {DAY, TEAM}),
        ([sent("new"), Released("new")], None, set[str]()),
        ([settled("again", 5, response="msg_1")], None, {TEAM, DAY}),
        ([], Need("new", (TEAM,), 5, 5), {TEAM}),
    ],
)
def test_touched(db: Database, policy: Policy, told: list[Record], need: Need | None, found: set[str]) -> None:
    """The balances in which the attempts of a message count or are held, also where they count under another one."""
    before: list[Record] = [sent("first", team="a"), settled("first", 7, response="msg_1"), settled("alone", 9)]
    book(db, before, holder="other", policy=policy, now_ns=NOON)
    request = SyncRequest(
        Holder("h", 42, "host", NOON),
        1,
        records=tuple(to_json(record) for record in told),
        needs=() if need is None else (need,),
    )
    sync(db, request, policy=policy, now_ns=NOON)
    assert alertbook.touched(db, request) == found


def test_raised_once(db: Database, policy: Policy) -> None:
    """A step is put down when it is reached, and never again; what it stood at then is kept."""
    for cost, new, steps in [(499, 0, []), (1, 1, ["50%"]), (1, 0, ["50%"]), (399, 1, ["50%", "80%"])]:
        book(db, [settled(f"a{cost}{new}", cost)], holder="h", policy=policy, now_ns=NOON)
        assert alertbook.raise_reached(db, [DAY], policy=policy, now_ns=NOON) == new
        assert sorted(alert.step for alert in outbox.recent(db, 0)) == steps
    assert {alert.step: alert.payload["spent"] for alert in outbox.recent(db, 0)} == {"50%": 500, "80%": 900}


def test_top_routes(db: Database, policy: Policy) -> None:
    """The dearest routes of one balance, the dearest first, those that cost nothing left out."""
    costs = {"a": 1, "b": 5, "c": 3, "d": 4, "free": 0}
    records = [settled(f"{route}{n}", cost, route) for route, cost in costs.items() for n in range(2)]
    old = settled("old", 99, "old", at_ns=NOON - 86_400 * SECOND)
    book(db, [*records, old], holder="h", policy=policy, now_ns=NOON)
    assert alertbook.top_routes(db, DAY) == [RouteCost("b", 10), RouteCost("d", 8), RouteCost("c", 6)]
    assert alertbook.top_routes(db, YESTERDAY) == [RouteCost("old", 99)]


def test_a_loop_is_read_out_of_what_a_process_decided() -> None:
    """The balance and the step; what is of another shape, or about something else, is passed over."""
    told = {"kind": "decided", "reason": "loop", "decision": {"balance": DAY, "step": "loop"}}
    refused = {"kind": "decided", "reason": "loop", "decision": {"balance": TEAM}}
    odd = ({**told, "decision": 3}, {**told, "decision": {"balance": 3}}, {**told, "reason": "spent"}, {"kind": "sent"})
    request = SyncRequest(Holder("h1", 1, "host", NOON), 0, records=(told, refused, *odd))
    assert alertbook.looping(request) == {Looping(DAY, "loop"), Looping(TEAM, "")}


def test_a_loop_raises_its_alert_once(db: Database, policy: Policy) -> None:
    """In its balance's window, to the channels that the budget's other alerts tell."""
    looping = frozenset({Looping(DAY, "loop")})
    raised = [alertbook.raise_reached(db, (), policy=policy, now_ns=NOON, looping=looping) for _ in range(2)]
    assert raised == [0, 0]
    balances.ensure(db, DAY, policy)
    raised = [alertbook.raise_reached(db, (), policy=policy, now_ns=NOON, looping=looping) for _ in range(2)]
    assert raised == [1, 0]


def test_a_loop_is_told_again_another_day(db: Database, policy: Policy) -> None:
    """A window may be a month, or have no end; on one day it is told once."""
    looping = frozenset({Looping(DAY, "loop")})
    balances.ensure(db, DAY, policy)
    times = (NOON, NOON + 11 * 3_600 * SECOND, NOON + 12 * 3_600 * SECOND)
    raised = [alertbook.raise_reached(db, (), policy=policy, now_ns=at, looping=looping) for at in times]
    assert raised == [1, 0, 1]
    assert [alert.step for alert in outbox.recent(db, 0)] == ["loop 2026-11-22", "loop 2026-11-21"]


def test_an_unusual_hour_raises_an_alert_of_its_own(db: Database, policy: Policy) -> None:
    """With its figures: after a week in which nothing was spent at this hour two dollars are one too many."""
    rich = replace(policy, budgets=tuple(replace(b, limit=Limit("usd", 24 * 10**9)) for b in policy.budgets))
    long_ago = settled("old", 1, at_ns=NOON - WEEK_NS - 7_200 * SECOND)
    book(db, [long_ago, settled("a", 2 * 10**9)], holder="h", policy=rich, now_ns=NOON)
    assert [alertbook.raise_reached(db, [DAY], policy=rich, now_ns=NOON) for _ in range(2)] == [1, 0]
    alert = outbox.recent(db, 0)[0]
    told = {name: alert.payload[name] for name in ("step", "loop", "hour", "usual", "unusual")}
    assert alert.step == "loop, an unusual hour 2026-11-21"
    assert told == {"step": "loop", "loop": "unusual", "hour": 2 * 10**9, "usual": 0, "unusual": 10**9}


WEEK_NS = 7 * 86_400 * SECOND


def test_routes_of_another_time(db: Database, policy: Policy) -> None:
    """The same budget and scope a week before, up to the same moment; None where nothing is known of then."""
    then = NOON - WEEK_NS
    records = [settled("a", 5, "desk", at_ns=then - SECOND), settled("b", 7, "desk", at_ns=then - 2 * SECOND)]
    late, other = settled("c", 100, "desk", at_ns=then), settled("d", 3, "sort", at_ns=then - SECOND)
    book(db, [*records, late, other], holder="h", policy=policy, now_ns=NOON)
    start = then - 43_200 * SECOND
    assert alertbook.before(db, DAY, start, then) == {"desk": 12, "sort": 3}
    assert alertbook.before(db, DAY, start - WEEK_NS, then - WEEK_NS) is None
    assert alertbook.before(db, TEAM, start, then) is None


def test_open_balances(db: Database, policy: Policy) -> None:
    """Those whose window holds now, with its ends."""
    book(db, [settled("a", 5), settled("b", 7, at_ns=NOON - 86_400 * SECOND)], holder="h", policy=policy, now_ns=NOON)
    midnight = NOON - 43_200 * SECOND
    today = alertbook.Open(DAY, midnight, midnight + 86_400 * SECOND)
    assert alertbook.open_balances(db, NOON) == [today]
    assert alertbook.open_balances(db, midnight) == [today]
    assert [found.key for found in alertbook.open_balances(db, midnight - 1)] == [YESTERDAY]
    assert alertbook.window_of(db, DAY) == today
    assert alertbook.window_of(db, "day|never|") is None


def test_notices_are_raised_once(db: Database) -> None:
    """However often they are noticed."""
    about = Subject(DAY, "day", "", "2026-11-21T00:00:00Z", None, 8, 1, 10)
    notice = Notice("forecast", "forecast", "log", about, {"amount": 12})
    assert [alertbook.raise_notices(db, [notice, notice], NOON), alertbook.raise_notices(db, [notice], NOON)] == [1, 0]
    (alert,) = outbox.recent(db, 0)
    assert (alert.balance, alert.step, alert.channel, alert.payload["kind"]) == (DAY, "forecast", "log", "notice")


def test_a_week_is_raised_once(db: Database) -> None:
    """For each channel."""
    raised = [alertbook.raise_digest(db, "week", channel, {"kind": "digest"}, NOON) for channel in ("a", "a", "b")]
    assert raised == [1, 0, 1]
