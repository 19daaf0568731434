"""Claims about bookkeeping: every booking is by the rules in force, and raises each alert once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.alerting.delivery import Delivery
from bursar.agent.alerting.message import Message
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger, LedgerError, outbox
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.settings import Settings
from bursar.agent.spans.intake import heard
from bursar.agent.spans.seenevent import SeenEvent, SeenPoint
from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies import attributes as names
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Holder, Need, Snapshot, SyncRequest, Verdict
from bursar.policies.records import Record, Sent, Settled, to_json
from bursar.policies.usage import Usage

SECOND = 10**9
USD = 10**9
NOON = 1_795_262_400 * SECOND
KEY = "day|2026-11-21T00:00:00Z|"
POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
[budget.at]
"50%" = "alert log"
"80%" = "alert log"
"100%" = ["block", "alert log"]
"""


def rules(text: str | None = POLICY) -> Rules:
    """These rules, with the text's length for an id."""
    policy = None if text is None else parse_policy(text, file="bursar.toml")
    return Rules(policy, shipped_book(), Snapshot(f"id-{len(text or '')}", text))


@dataclass
class House:
    """A ledger, rules that can be swapped, and a bookkeeper between them."""

    ledger: Ledger
    in_force: RulesInForce
    nudges: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        self.bookkeeper = Bookkeeper(
            self.ledger, self.in_force, clock_ns=lambda: NOON, on_alert=lambda: self.nudges.append(1)
        )


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Callable[[], House]]:
    opened: list[Ledger] = []

    def build() -> House:
        for ledger in opened:
            ledger.close()
        opened.append(Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: NOON))
        settings = Settings(state_dir=tmp_path, db=tmp_path / "db")
        return House(opened[-1], RulesInForce(settings, read=lambda _: rules()))

    yield build
    for ledger in opened:
        ledger.close()


def message(holder: str, *records: Record, **changes: Any) -> SyncRequest:
    told = SyncRequest(Holder(holder, 42, "host", NOON), 0, records=tuple(to_json(record) for record in records))
    return replace(told, **changes)


def settled(attempt_id: str, cost: int, route: str = "r", at_ns: int = NOON) -> Settled:
    return Settled(
        Charge(attempt_id, cost, Usage(output=1), Basis.USAGE, "opus", "opus", route, attempt_id, at_ns=at_ns)
    )


def alerts(ledger: Ledger) -> list[str]:
    """The steps that were raised."""
    with ledger.reading() as db:
        return sorted(alert.step for alert in outbox.recent(db, 0))


def test_a_thousand_messages_over_the_threshold(open_house: Callable[[], House]) -> None:
    """Five processes spend 20 USD of 10 in a thousand messages, each sent twice, over a restart: one alert a step."""
    told: list[str] = []

    class Channel:
        async def send(self, message: Message) -> None:
            told.append(message.data["step"])

    requests = [message(f"h{number % 5}", settled(f"a{number}", USD // 50)) for number in range(1000)] * 2
    random.Random(4).shuffle(requests)
    for part in (requests[:900], requests[900:]):
        house = open_house()
        for future in [house.bookkeeper.sync(request) for request in part]:
            future.result()
        asyncio.run(Delivery(house.ledger, lambda _: Channel(), clock_ns=lambda: NOON).tell_due())
        asyncio.run(Delivery(house.ledger, lambda _: Channel(), clock_ns=lambda: NOON).tell_due())
    assert sorted(told) == ["100%", "50%", "80%"]


@pytest.mark.parametrize(
    ("records", "needs", "raised"),
    [
        ([settled("a", 5 * USD - 1)], [], []),
        ([settled("a", 5 * USD)], [], ["50%"]),
        ([settled("a", 9 * USD)], [], ["50%", "80%"]),
        ([settled("a", 3 * USD), settled("b", 3 * USD)], [], ["50%"]),
        ([Sent("a", "a", NOON, "r", "opus", "opus", bound_nano=9 * USD, expected_nano=5 * USD)], [], ["50%"]),
        ([], [Need("a", (KEY,), 9 * USD, 9 * USD, expected=8 * USD)], ["50%", "80%"]),
        ([settled("a", 9 * USD, at_ns=NOON - 86_400 * SECOND)], [], ["50%", "80%"]),
    ],
)
def test_what_raises_an_alert(
    open_house: Callable[[], House], records: list[Record], needs: list[Need], raised: list[str]
) -> None:
    """Charges, and what is expected of attempts in flight, reach a step; also in a window that has passed."""
    house = open_house()
    house.bookkeeper.sync(message("h", *records, needs=tuple(needs), seq=1)).result()
    assert alerts(house.ledger) == raised
    assert len(house.nudges) == bool(raised)


def test_told_after_the_commit(open_house: Callable[[], House]) -> None:
    """Who is nudged finds the alert in the ledger, and nobody is nudged for what was raised before."""
    house = open_house()
    seen: list[list[str]] = []
    keeper = Bookkeeper(
        house.ledger, house.in_force, clock_ns=lambda: NOON, on_alert=lambda: seen.append(alerts(house.ledger))
    )
    keeper.sync(message("h", settled("a", 6 * USD))).result()
    keeper.sync(message("h", settled("b", USD))).result()
    house.ledger.close()
    assert seen == [["50%"]]


def test_records_of_any_shape(open_house: Callable[[], House]) -> None:
    """Records that are none keep neither the good one nor its alert out."""
    house = open_house()
    bad: list[dict[str, Any]] = [{}, {"kind": "sent", "attempt_id": [1]}, {"kind": "settled", "charge": 7}]
    good = to_json(settled("a", 6 * USD))
    house.bookkeeper.sync(replace(message("h"), records=(*bad, good))).result()
    assert alerts(house.ledger) == ["50%"]


def test_no_policy(open_house: Callable[[], House]) -> None:
    """Without a policy money is counted and nothing is raised."""
    house = open_house()
    house.in_force.current = rules(None)
    response = house.bookkeeper.sync(message("h", settled("a", 60 * USD))).result()
    assert alerts(house.ledger) == []
    assert response.snapshot == Snapshot("id-0")


def test_snapshot_only_where_it_differs(open_house: Callable[[], House]) -> None:
    """A guard is sent the rules when it has others, and not again."""
    house = open_house()
    first = house.bookkeeper.sync(message("h")).result().snapshot
    assert first is not None
    assert first == rules().snapshot
    assert house.bookkeeper.sync(message("h", snapshot_id=first.id)).result().snapshot is None
    house.in_force.current = rules(POLICY.replace("10 USD", "100 USD"))
    changed = house.bookkeeper.sync(message("h", snapshot_id=first.id)).result().snapshot
    assert changed is not None
    assert changed.policy == POLICY.replace("10 USD", "100 USD")


def test_swapped_rules_hold_at_once(open_house: Callable[[], House]) -> None:
    """The next message is booked by the new limit."""
    house = open_house()
    house.bookkeeper.sync(message("h", settled("a", 4 * USD))).result()
    house.in_force.current = rules(POLICY.replace("10 USD", "5 USD"))
    answered = house.bookkeeper.sync(message("h", settled("b", 1), seq=1, needs=(Need("c", (KEY,), 2 * USD, 2 * USD),)))
    assert [answer.verdict for answer in answered.result().answers] == [Verdict.REFUSED]
    assert alerts(house.ledger) == ["50%", "80%"]


def test_dead_processes_raise_alerts(open_house: Callable[[], House]) -> None:
    """What a dead process may have cost counts, and reaches steps."""
    house = open_house()
    sent = Sent("a", "a", NOON, "r", "opus", "opus", balances=(KEY,), leased=(KEY,), bound_nano=9 * USD)
    house.bookkeeper.sync(message("h", sent)).result()
    assert alerts(house.ledger) == []
    assert house.bookkeeper.close_holder("h").result().balances == {KEY}
    assert alerts(house.ledger) == ["50%", "80%"]


def test_spans_raise_alerts(open_house: Callable[[], House]) -> None:
    """So does what spans of others tell: a million output tokens of Opus 5.5 are more than 5 USD."""
    house = open_house()
    span = SeenSpan(
        trace_id="1" * 32,
        span_id="2" * 16,
        parent=None,
        name="chat claude-opus-5-5",
        scope="opentelemetry.instrumentation.anthropic",
        kind="CLIENT",
        start_ns=NOON,
        end_ns=NOON + SECOND,
        attributes={
            names.OPERATION: "chat",
            names.PROVIDER: "anthropic",
            names.REQUEST_MODEL: "claude-opus-5-5",
            names.RESPONSE_MODEL: "claude-opus-5-5",
            names.INPUT_TOKENS: 10,
            names.OUTPUT_TOKENS: 1_000_000,
        },
    )
    assert (
        house.bookkeeper.book_spans(heard([span], policy=None, book=shipped_book(), now_ns=NOON)).result().charges == 1
    )
    assert "50%" in alerts(house.ledger)


def test_events_and_metrics_raise_alerts(open_house: Callable[[], House]) -> None:
    """So does what Claude Code tells, in events or in sums; the event of a sum takes its place, and moves nothing."""
    house = open_house()
    told: dict[str, str | int] = {"session.id": "s", "model": "claude-opus-5-5"}
    used = {**told, "input_tokens": 0, "output_tokens": 1_000_000, "request_id": "r"}
    scope = "com.anthropic.claude_code"
    point = SeenPoint("claude_code.token.usage", scope, 1e6, NOON, NOON, False, {**told, "type": "output"})
    assert house.bookkeeper.book_points([point]).result().charges == 1
    assert "50%" in alerts(house.ledger)
    before = alerts(house.ledger)
    event = SeenEvent("claude_code.api_request", f"{scope}.events", NOON, used)
    assert house.bookkeeper.book_events([event]).result().charges == 1
    assert alerts(house.ledger) == before


def test_an_attempt_counted_under_another(open_house: Callable[[], House]) -> None:
    """A response that another attempt told first counts under that one; what it moves is looked at all the same."""
    house = open_house()
    spoken = replace(settled("span", USD).charge, response_id="msg_1", basis=Basis.SPAN)
    house.bookkeeper.sync(message("other", Settled(spoken))).result()
    exact = replace(settled("own", 6 * USD).charge, response_id="msg_1")
    house.bookkeeper.sync(message("h", Settled(exact))).result()
    assert alerts(house.ledger) == ["50%"]


def test_trouble(open_house: Callable[[], House], monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that fails is remembered until one goes well; a job that fails by itself is no trouble."""
    house = open_house()
    failures = iter([LedgerError("the disk is full"), ValueError("mine"), LedgerError("the disk is full")])
    real = house.ledger.submit

    def submit(_: Callable[[Database], Any]) -> Any:
        error = next(failures)

        def failing(_: Database) -> Any:
            raise error

        return real(failing)

    with monkeypatch.context() as patched:
        patched.setattr(house.ledger, "submit", submit)
        with pytest.raises(LedgerError, match="the disk is full"):
            house.bookkeeper.sync(message("h")).result()
        with pytest.raises(ValueError, match="mine"):
            house.bookkeeper.sync(message("h")).result()
        seen = [house.bookkeeper.trouble]
        with pytest.raises(LedgerError, match="the disk is full"):
            house.bookkeeper.sync(message("h")).result()
        seen.append(house.bookkeeper.trouble)
    with pytest.raises(LedgerError, match="the disk is full"):
        house.bookkeeper.beat().result()
    house.bookkeeper.sync(message("h")).result()
    house.bookkeeper.beat().result()
    assert seen == [None, "the disk is full"]
