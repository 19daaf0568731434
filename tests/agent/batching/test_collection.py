"""Claims about results: each is booked once, whatever it is, and what may succeed is asked again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.agent.batching.house import DAY, MOST, NOON, USD, House, outcomes, staged, take, turn

from bursar.agent.batching.office import Office
from bursar.agent.batching.results import Result, parse_result
from bursar.agent.ledger import batchbook
from bursar.agent.ledger.batchbook import BatchState
from bursar.policies.charge import Basis, Charge
from bursar.policies.deferral import State
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.usage import Usage

BATCHES = "/v1/messages/batches"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def live(house: House, *names: str, turns: int = 12) -> list[Any]:
    async def work(office: Office) -> list[Any]:
        await take(office, *(house.offer(name) for name in names))
        house.later(301)
        for _ in range(turns):
            await turn(office)
            house.later(6)
        return await outcomes(office, *(f"d-{name}" for name in names))

    return house.run(work)


def tries(house: House, name: str) -> list[tuple[str, str | None]]:
    with house.ledger.reading() as db:
        return [(row["attempt_id"], row["outcome"]) for row in batchbook.tries_of(db, f"d-{name}")]


@pytest.mark.parametrize("fate", ["errored", "expired"])
def test_what_may_succeed_is_asked_twice_more(house: House, fate: str) -> None:
    """Three attempts in all, each under an id of its own; a call that others succeed beside is asked alone."""
    house.wire.headers = staged(lambda attempt: fate if attempt.startswith("try-a") else "succeeded")
    first, *others = live(house, "a", "b", "c")  # of their results one comes before the first's, and one after it
    assert [first.state, *(one.state for one in others)] == [State(fate), State.SUCCEEDED, State.SUCCEEDED]
    assert tries(house, "a") == [("try-a", fate), ("try-a-r1", fate), ("try-a-r2", fate)]
    assert [len(json.loads(body)["requests"]) for body in house.wire.posts(BATCHES)] == [3, 1, 1]
    assert [tries(house, name) for name in "bc"] == [[("try-b", "succeeded")], [("try-c", "succeeded")]]
    assert house.held() == 0
    assert house.spent() == house.bill()


def test_an_error_as_its_answer(house: House) -> None:
    """With the status that it would have had, and all that the API said."""
    house.wire.headers = staged(lambda _: "errored")
    (outcome,) = live(house, "a")
    assert (outcome.status, outcome.error["error"]["type"]) == (500, "api_error")
    assert outcome.reason == "api_error: Internal server error"


def test_what_is_wrong_is_not_asked_again(house: House) -> None:
    """A request that the API will never take fails at once."""

    async def work(office: Office) -> Any:
        await take(office, house.offer("a", body='{"model":"claude-haiku-4-5","max_tokens":5,"messages":[]}'))
        house.later(301)
        await turn(office)
        return (await outcomes(office, "d-a"))[0]

    outcome = house.run(work)
    assert (outcome.state, outcome.status) == (State.ERRORED, 400)
    assert tries(house, "a") == [("try-a", "errored")]


def test_no_money_to_ask_again(house: House) -> None:
    """Its money went to others meanwhile: the call ends as refused."""
    house.wire.headers = staged(lambda _: "errored")

    async def work(office: Office) -> Any:
        await take(office, house.offer("a"))
        house.later(301)
        await office.send()
        house.ledger.book(_spent(10 * USD), holder="another", policy=house.rules.current.policy).result(10)
        await office.collection.run()
        return (await outcomes(office, "d-a"))[0]

    outcome = house.run(work)
    assert outcome.state is State.ERRORED
    assert outcome.refusal is not None
    assert outcome.refusal["needed"] == MOST


def _spent(nano: int) -> list[Record]:
    """Another process's call."""
    sent = Sent("other", "other", NOON, "r", "m", "m", balances=(DAY,))
    return [sent, Settled(Charge("other", nano, Usage(input=1), Basis.USAGE, "m", "m", "r", at_ns=NOON))]


def test_a_stream_that_breaks_off(house: House) -> None:
    """Results that came are booked, the others when they are read again, from the beginning; none twice."""
    broken = [1]

    def cut(http: httpx.Request) -> httpx.Response | None:
        if not http.url.path.endswith("/results") or not broken:
            return None
        broken.pop()
        raise httpx.ReadError("cut")

    house.wire.before = cut
    found = live(house, "a", "b", "c")
    assert {one.state for one in found} == {State.SUCCEEDED}
    assert house.spent() == house.bill()
    assert len([path for _, path, _ in house.wire.requests if path.endswith("/results")]) == 2


def test_results_that_are_gone(house: House) -> None:
    """Nobody will know what came of them: their bounds count, and the calls fail with the reason."""

    def gone(http: httpx.Request) -> httpx.Response | None:
        if not http.url.path.endswith("/results"):
            return None
        return httpx.Response(404, json={"type": "error", "error": {"type": "not_found_error", "message": "archived"}})

    house.wire.before = gone
    found = live(house, "a", "b")
    assert [(one.state, one.reason) for one in found] == [(State.ERRORED, "its batch's results are gone")] * 2
    assert house.spent() == 2 * MOST
    with house.ledger.reading() as db:
        assert batchbook.newest(db, 1)[0].state is BatchState.COLLECTED


def results(house: House, content: bytes, *, times: int) -> None:
    """So often the results are these."""
    left = [1] * times

    def before(http: httpx.Request) -> httpx.Response | None:
        if not http.url.path.endswith("/results") or not left:
            return None
        left.pop()
        return httpx.Response(200, content=content)

    house.wire.before = before


def test_a_batch_costs_half_whatever_its_results_say(house: House) -> None:
    """1,000 tokens at 1 USD and 40 at 5 USD a million are 1,200,000 nano-dollars, and no tier is told."""
    usage = {"input_tokens": 1_000, "output_tokens": 40}
    message = {"id": "msg_1", "model": "claude-haiku-4-5", "content": [{"type": "text", "text": "x"}], "usage": usage}
    line = {"custom_id": "try-a", "result": {"type": "succeeded", "message": message}}
    results(house, json.dumps(line).encode(), times=1)
    assert live(house, "a")[0].state is State.SUCCEEDED
    assert house.spent() == 600_000


CUT = b'{"custom_id":"try-b","result":{"type":"expired"}}\n\n{"custom_id":"try-a","resu'


def test_results_that_end_too_soon(house: House) -> None:
    """What they leave out is not taken for lost, which would be paid twice: they are read again."""
    results(house, CUT, times=1)
    first, second = live(house, "a", "b")
    assert (first.state, second.state) == (State.SUCCEEDED, State.SUCCEEDED)
    assert [outcome for _, outcome in tries(house, "a")] == ["succeeded"]
    assert next(outcome for _, outcome in tries(house, "b")) == "expired"


def test_results_that_are_never_complete(house: House) -> None:
    """After an hour nobody will know what came of the rest: its bound counts, and it is not sent again."""
    results(house, CUT.replace(b"expired", b"canceled"), times=1_000)
    assert live(house, "a", "b")[0].state is State.IN_PROGRESS
    house.later(3_600)
    first, _ = live(house, "a", "b")
    assert (first.state, first.reason) == (State.ERRORED, "its batch's results are gone")
    assert house.spent() == MOST


def test_batches_of_others_are_left_alone(house: House) -> None:
    """A result whose id is none of ours changes nothing."""
    live(house, "a")

    async def work(office: Office) -> None:
        await office.collection.book([Result("somebody's", "succeeded", message={"usage": {}})])

    before = house.spent()
    house.run(work)
    assert house.spent() == before


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"custom_id":"a","result":{"type":"canceled"}}', "cancelled"),
        (b'{"custom_id":"a","result":{"type":"new_kind"}}', None),
        (b'{"custom_id":3,"result":{"type":"canceled"}}', None),
        (b'{"custom_id":"a"}', None),
        (b"[]", None),
        (b'{"custom_id":"a","res', None),
    ],
)
def test_lines(line: bytes, kind: str | None) -> None:
    """What is no result is none."""
    result = parse_result(line)
    assert (result.kind if result is not None else None) == kind
