"""Claims about submission: requests travel byte for byte, within limits, and every refusal has its remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_utils import Database
from tests.agent.batching.house import MOST, House, outcomes, request, staged, take, turn

from bursar.agent.batching.office import Office
from bursar.agent.ledger import batchbook, deferralbook, deferring
from bursar.agent.ledger.batchbook import BatchState
from bursar.agent.ledger.deferring import Step, Terms
from bursar.policies import batchflush
from bursar.policies.deferral import State, WithdrawRequest

BATCHES = "/v1/messages/batches"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def error(status: int, kind: str, **headers: str) -> httpx.Response:
    body = {"type": "error", "error": {"type": kind, "message": "no"}}
    return httpx.Response(status, json=body, headers=headers)


def once(house: House, answer: Callable[[], httpx.Response]) -> None:
    """The first batch that is submitted is answered so, and never reaches the API."""
    left = [answer]

    def before(http: httpx.Request) -> httpx.Response | None:
        return left.pop()() if left and (http.method, http.url.path) == ("POST", BATCHES) else None

    house.wire.before = before


def sent_after(house: House, *offers: Any, seconds: tuple[float, ...] = (301,)) -> list[Any]:
    """Take offers, and have a turn after each of so many seconds; how all of them stand."""

    async def work(office: Office) -> list[Any]:
        await take(office, *offers)
        for each in seconds:
            house.later(each)
            await turn(office)
        return await outcomes(office, *(offer.id for offer in offers))

    return house.run(work)


def batches(house: House) -> list[batchbook.Batch]:
    with house.ledger.reading() as db:
        return batchbook.newest(db, 100)


def test_requests_travel_byte_for_byte(house: House) -> None:
    """Whatever an encoder would have made of their spaces and signs, and each under its attempt's id."""
    sent_after(house, house.offer("a"), house.offer("b"))
    (body,) = house.wire.posts(BATCHES)
    for name in "ab":
        assert f'{{"custom_id":"try-{name}","params":{request(name)}}}'.encode() in body
    assert len(json.loads(body)["requests"]) == 2


def test_shared_prefixes_stand_together(house: House) -> None:
    """Offered in turn, the two kinds are sent one after the other."""
    texts = {kind: f'{{"model":"claude-haiku-4-5","max_tokens":5,"system":"{kind}","messages":[' for kind in "xy"}
    user = '{"role":"user","content":"hi"}]}'
    offers = [house.offer(f"{kind}{n}", body=texts[kind] + user) for n in range(3) for kind in "xy"]
    sent_after(house, *offers)
    ids = [item["custom_id"][4] for item in json.loads(house.wire.posts(BATCHES)[0])["requests"]]
    assert "".join(ids) in ("xxxyyy", "yyyxxx")


def test_what_may_not_travel_together(house: House) -> None:
    """Other betas, or another time to wait: batches of their own, the betas in the header of theirs."""
    soon = house.clock.ns() + 400 * 10**9
    offers = [house.offer("a"), house.offer("b", betas="beta-1"), house.offer("c", due_ns=soon)]
    sent_after(house, *offers)
    assert len(house.wire.posts(BATCHES)) == 3
    assert sorted(batch.betas for batch in batches(house)) == ["", "", "beta-1"]


def test_a_batch_that_is_full(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """With three requests a batch at most, seven are three batches, the first of them at once."""
    monkeypatch.setattr(batchflush, "MOST_REQUESTS", 3)
    offers = [house.offer(f"{n}") for n in range(7)]
    sent_after(house, *offers, seconds=(1, 1, 301))
    assert [len(json.loads(body)["requests"]) for body in house.wire.posts(BATCHES)] == [3, 3, 1]
    assert [batch.reason for batch in batches(house)][::-1] == ["count", "count", "age"]


def test_too_many_requests(house: House) -> None:
    """A 429 says that the API has nothing of it: after the time it names the same attempts are sent."""
    once(house, lambda: error(429, "rate_limit_error", **{"retry-after": "7"}))
    assert sent_after(house, house.offer("a"), seconds=(301, 6))[0].state is State.QUEUED
    assert house.held() == MOST
    assert sent_after(house, house.offer("a"), seconds=(1,))[0].state is State.SUCCEEDED
    first, second = house.wire.posts(BATCHES)
    assert first == second
    assert house.spent() == house.bill()


def test_no_connection(house: House) -> None:
    """Nothing left: it is sent again under the same attempts."""

    def refuse() -> httpx.Response:
        raise httpx.ConnectError("refused")

    once(house, refuse)
    assert sent_after(house, house.offer("a"), seconds=(301, 6))[0].state is State.SUCCEEDED
    assert [batch.state for batch in batches(house)] == [BatchState.COLLECTED, BatchState.FAILED]


def test_a_batch_that_is_too_large(house: House) -> None:
    """A 413 halves what is sent: four requests become two batches of two."""
    once(house, lambda: error(413, "request_too_large"))
    found = sent_after(house, *(house.offer(f"{n}") for n in range(4)), seconds=(301, 1, 1, 1))
    assert {outcome.state for outcome in found} == {State.SUCCEEDED}
    assert [len(json.loads(body)["requests"]) for body in house.wire.posts(BATCHES)] == [4, 2, 2]


def test_a_request_that_is_too_large_alone(house: House) -> None:
    """It cannot be halved: the error is its answer."""
    once(house, lambda: error(413, "request_too_large"))
    (outcome,) = sent_after(house, house.offer("a"))
    assert (outcome.state, outcome.status) == (State.ERRORED, 413)
    assert house.held() == 0


def test_a_batch_that_is_wrong(house: House) -> None:
    """A 400 is the answer of every request in it, as it would have been at once."""
    once(house, lambda: error(400, "invalid_request_error"))
    found = sent_after(house, house.offer("a"), house.offer("b"))
    assert [(one.state, one.status, one.error["error"]["type"]) for one in found] == [
        (State.ERRORED, 400, "invalid_request_error")
    ] * 2
    assert house.held() == 0


def test_a_key_that_is_turned_away(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """It waits a minute, and is told; the key itself never is."""
    once(house, lambda: error(401, "authentication_error"))
    assert sent_after(house, house.offer("a"), seconds=(301, 59))[0].state is State.QUEUED
    assert "no batch is taken from the agent" in caplog.text
    assert "sk-ant" not in caplog.text
    assert sent_after(house, house.offer("a"), seconds=(2,))[0].state is State.SUCCEEDED


def test_withdrawn_while_the_batch_is_on_its_way(house: House) -> None:
    """The batch never left after all: nothing of the call is held any more, and the others are sent again."""

    async def work(office: Office) -> list[Any]:
        await take(office, house.offer("a"), house.offer("b"))
        house.later(301)

        async def withdrawn() -> None:
            await office.desk.withdraw(WithdrawRequest("d-a"))

        office.submission._put_back = _after(withdrawn, office.submission._put_back)  # type: ignore[method-assign]
        once(house, lambda: error(429, "rate_limit_error"))
        await turn(office)
        house.later(11)
        await turn(office)
        return await outcomes(office, "d-a", "d-b")

    first, second = house.run(work)
    assert (first.state, second.state) == (State.CANCELLED, State.SUCCEEDED)
    assert house.held() == 0
    assert house.spent() == house.bill()


def _after(first: Callable[[], Any], then: Callable[..., Any]) -> Callable[..., Any]:
    async def both(*arguments: Any) -> None:
        await first()
        await then(*arguments)

    return both


def test_nothing_waits(house: House) -> None:
    """A line of which all was withdrawn leaves no batch behind."""

    async def work(office: Office) -> None:
        await take(office, house.offer("a"))
        house.later(301)
        (line,) = await office.means.read(deferralbook.lines)
        await office.means.step(_emptied)
        await office.submission.send(line, batchflush.Flush.AGE)

    house.run(work)
    assert batches(house) == []
    assert house.wire.requests == []


def _emptied(db: Database, terms: Terms) -> Step:
    found = deferralbook.find(db, "d-a")
    assert found is not None
    return deferring.give_up(db, found, State.CANCELLED, "test", terms)


def test_the_deadline_flushes(house: House) -> None:
    """With batches that take 1,000 s, what must be there in 1,050 s is sent before its age would say so."""
    house.wire.headers = staged(lambda _: "succeeded", batch_ms=1_000_000)

    async def work(office: Office) -> None:
        for n in range(5):
            await take(office, house.offer(f"{n}"))
            house.later(301)
            await turn(office)
            house.later(1_001)
            await turn(office)
        await take(office, house.offer("late", due_ns=house.clock.ns() + 1_050 * 10**9))
        await turn(office)

    house.run(work)
    assert batches(house)[0].reason == "deadline"
