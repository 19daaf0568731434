"""Claims about slices: others come between them, and an export is taken whole or not, and counts once if repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger, reports
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.settings import Settings
from bursar.agent.spans.intake import Heard
from bursar.agent.spans.receiver import BehindError
from bursar.agent.spans.seenevent import SeenEvent
from bursar.agent.spans.seenspan import SeenSpan
from bursar.agent.spans.slicing import Slicing, Turns
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot

NOON = 1_795_262_400 * 10**9
MODEL = "claude-sonnet-5-5"


def call(number: int, *, parent: str | None = None, named: bool = True, trace: int = 1) -> SeenSpan:
    """A call of 1,000 tokens."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": MODEL,
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 10,
    }
    if named:
        attributes["gen_ai.response.id"] = f"msg_{number}"
    return SeenSpan(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        parent=parent,
        name="chat",
        scope="somebody's",
        kind="CLIENT",
        start_ns=NOON,
        end_ns=NOON + 1,
        attributes=attributes,
    )


class House:
    """A ledger whose writer tells which jobs it did, and slices of four spans."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path / "db", clock_ns=lambda: NOON)
        rules = Rules(None, shipped_book(), Snapshot("s"))
        in_force = RulesInForce(Settings(state_dir=path, db=path / "db"), read=lambda _: rules)
        self.bookkeeper = Bookkeeper(self.ledger, in_force, clock_ns=lambda: NOON, on_alert=lambda: None)
        self.slicing = Slicing(self.bookkeeper, lambda: NOON, size=4)

    @property
    def charges(self) -> int:
        with self.ledger.reading() as db:
            found: int = reports.totals(db, 0, 2**62)["charges"]
            return found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.ledger.close()


def test_others_come_between(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Ten spans are slices of four, four and two, each given to the writer when the one before it is on the disk.

    What somebody else asks of the ledger while the first is booked sees no more than that.
    """
    seen: list[int] = []

    def look(db: Database) -> None:
        seen.append(db["attempts"].count)

    booked = house.bookkeeper.book_spans

    def booking_beside(part: Any) -> Any:
        future = booked(part)
        house.ledger.submit(look)
        return future

    monkeypatch.setattr(house.bookkeeper, "book_spans", booking_beside)
    asyncio.run(house.slicing.spans([call(number) for number in range(1, 11)]))
    assert seen == [4, 8, 10]
    assert house.charges == 10


def test_a_slice_that_fails(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged, with when to come again; the whole export, sent again, counts once."""
    spans = [call(number) for number in range(1, 11)]
    booked, parts = house.bookkeeper.book_spans, iter(range(3))

    def failing_once(part: Any) -> Any:
        return house.ledger.submit(_fail) if next(parts, None) == 1 else booked(part)

    monkeypatch.setattr(house.bookkeeper, "book_spans", failing_once)
    with pytest.raises(BehindError, match="could not be written") as behind:
        asyncio.run(house.slicing.spans(spans))
    assert behind.value.retry_after_seconds == 5
    assert house.charges == 4
    asyncio.run(house.slicing.spans(spans))
    assert house.charges == 10


def _fail(db: Database) -> None:
    """As a full disk does: the whole transaction is gone."""
    db.conn.execute("ROLLBACK")
    raise OSError("no space left on device")


def test_a_layer_around_calls_of_another_slice(house: House) -> None:
    """The span around a call counts nothing, wherever in the export it stands: calls do not nest."""
    outer = replace(call(100, named=False), end_ns=NOON + 10)
    inner = call(1, parent=outer.span_id)
    others = [call(number, trace=2) for number in range(2, 10)]
    asyncio.run(house.slicing.spans([outer, *others, inner]))
    assert house.charges == 9


def test_an_ignored_span_takes_no_room(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of many other things is one slice."""
    calls: list[int] = []
    booked = house.bookkeeper.book_spans

    def counting(told: Heard) -> Any:
        calls.append(told.spans)
        return booked(told)

    monkeypatch.setattr(house.bookkeeper, "book_spans", counting)
    other = replace(call(1), attributes={})
    asyncio.run(house.slicing.spans([other] * 100 + [call(2)]))
    assert (calls, house.charges) == ([101], 1)


def test_events(house: House) -> None:
    """The same for what Claude Code tells one by one."""
    told: dict[str, Any] = {"session.id": "s", "model": MODEL, "input_tokens": 1_000, "output_tokens": 1}
    events = [
        SeenEvent(
            "claude_code.api_request", "com.anthropic.claude_code.events", NOON, {**told, "request_id": f"r{n}"}, {}
        )
        for n in range(9)
    ]
    asyncio.run(house.slicing.events(events))
    assert house.charges == 9


def test_turns() -> None:
    """Three and one fit into four; five goes alone; and whoever came first goes first."""
    order: list[str] = []

    async def one(turns: Turns, name: str, size: int, after: asyncio.Event) -> None:
        async with turns.of(size):
            order.append(name)
            await after.wait()

    async def run() -> None:
        turns, first, rest = Turns(4), asyncio.Event(), asyncio.Event()
        rest.set()
        tasks = [asyncio.create_task(one(turns, "three", 3, first)), asyncio.create_task(one(turns, "one", 1, first))]
        for name, size in (("five", 5), ("gone", 4), ("small", 1)):
            tasks.append(asyncio.create_task(one(turns, name, size, rest)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == ["three", "one"]
        tasks[3].cancel()
        first.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    assert order == ["three", "one", "five", "small"]
