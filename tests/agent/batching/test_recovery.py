"""Claims about batches whose submission nobody saw answered: found again, or sent again, and never both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.agent.batching.house import KEY, House, outcomes, request, staged, take, turn

from bursar.agent.batching.office import Office
from bursar.policies.deferral import State

BATCHES = "/v1/messages/batches"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def lose_first(house: House, *, arrives: bool) -> None:
    """The first submission is not answered, whether or not it arrives."""
    left = [1]

    def unanswered(http: httpx.Request) -> None:
        if left and (http.method, http.url.path) == ("POST", BATCHES):
            left.pop()
            raise httpx.ReadTimeout("no answer")

    def before(http: httpx.Request) -> None:
        if not arrives:
            unanswered(http)

    house.wire.before = before
    house.wire.after = unanswered


def live(house: House, *seconds: float) -> list[Any]:
    async def work(office: Office) -> list[Any]:
        await take(office, house.offer("a"), house.offer("b"))
        for each in seconds:
            house.later(each)
            await turn(office)
        return await outcomes(office, "d-a", "d-b")

    return house.run(work)


async def somebody_else(house: House, *ids: str) -> None:
    """Another application of the workspace submits a batch."""
    requests = [{"custom_id": one, "params": json.loads(request(one))} for one in ids]
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    async with httpx.AsyncClient(transport=house.wire) as client:
        await client.post("http://sandbox" + BATCHES, json={"requests": requests}, headers=headers)


def test_it_had_arrived(house: House) -> None:
    """Found by its results' ids, and paid once."""
    house.wire.headers = staged(lambda _: "succeeded", batch_ms=30_000)
    lose_first(house, arrives=True)
    found = live(house, 301, 6, 6, 60, 60)
    assert {one.state for one in found} == {State.SUCCEEDED}
    assert len(house.wire.posts(BATCHES)) == 1
    assert house.spent() == house.bill()
    assert house.held() == 0


def test_one_that_may_be_it_is_waited_for(house: House) -> None:
    """Long after the grace: while a batch of the same size is not over, nothing is sent again."""
    house.wire.headers = staged(lambda _: "succeeded", batch_ms=3_000_000)
    lose_first(house, arrives=True)
    found = live(house, 301, *[100] * 20)
    assert {one.state for one in found} == {State.SUBMITTING}
    assert len(house.wire.posts(BATCHES)) == 1


def test_it_never_arrived(house: House) -> None:
    """After a minute its calls are sent again, under new attempts; the first ones cost nothing."""
    lose_first(house, arrives=False)
    assert {one.state for one in live(house, 301, 30, 29)} == {State.SUBMITTING}
    found = live(house, 5, 5, 5)
    assert {one.state for one in found} == {State.SUCCEEDED}
    ids = [item["custom_id"] for item in json.loads(house.wire.posts(BATCHES)[1])["requests"]]
    assert ids == ["try-a-r1", "try-b-r1"]
    assert house.spent() == house.bill()
    assert house.held() == 0


def test_somebody_elses_batch_is_not_taken_for_it(house: House) -> None:
    """One of the same size, created in the same minute: its ids are others."""

    async def work(office: Office) -> list[Any]:
        await take(office, house.offer("a"), house.offer("b"))
        lose_first(house, arrives=False)
        house.later(301)
        await turn(office)
        await somebody_else(house, "x", "y")
        for each in (6, 60, 6, 6):
            house.later(each)
            await turn(office)
        return await outcomes(office, "d-a", "d-b")

    found = house.run(work)
    assert {one.state for one in found} == {State.SUCCEEDED}
    assert house.spent() == sum(one.charges[0]["cost_nano_usd"] for one in found) < house.bill()
    assert house.sandbox.state.bill.totals()["requests"] == 4


def test_an_api_that_does_not_answer_is_asked_later(house: House) -> None:
    """As long as the list cannot be had, nothing is sent again."""
    lose_first(house, arrives=True)

    def refuse(http: httpx.Request) -> httpx.Response | None:
        return httpx.Response(500, text="broken") if http.method == "GET" else None

    house.wire.before = refuse
    assert {one.state for one in live(house, 301, 100, 100)} == {State.SUBMITTING}
    assert len(house.wire.posts(BATCHES)) == 1


def test_fallen_back_before_it_is_found(house: House) -> None:
    """What fell back meanwhile is answered already: its attempt in the lost batch is released, or charged if found."""
    lose_first(house, arrives=False)

    async def work(office: Office) -> list[Any]:
        due = house.clock.ns() + 350 * 10**9
        await take(office, house.offer("a", due_ns=due), house.offer("b", due_ns=due))
        house.later(36)
        await turn(office)
        house.later(280)
        await turn(office)
        house.later(6)
        await turn(office)
        house.later(61)
        await turn(office)
        return await outcomes(office, "d-a", "d-b")

    found = house.run(work)
    assert {one.state for one in found} == {State.SUCCEEDED}
    assert house.held() == 0
    assert house.spent() == house.bill()
