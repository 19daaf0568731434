"""Claims about offers: taken means on the disk with its money, refused means a reason and nothing kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agent.batching.house import MOST, SECOND, USD, House, outcomes, request, staged, take, turn

from bursar.agent.batching import desk
from bursar.agent.batching.desk import Backlog, prefix_id
from bursar.agent.batching.office import Office
from bursar.agent.ledger import deferralbook
from bursar.policies.deferral import DeferralError, State, Taken, WaitRequest, WithdrawRequest
from bursar.policies.unbatched import Unbatched


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def offered(house: House, name: str = "a", **other: Any) -> Taken:
    return house.run(lambda office: take(office, house.offer(name, **other)))[0]


def kept(house: House, name: str = "a") -> bytes | None:
    with house.ledger.reading() as db:
        text = deferralbook.text_of(db, f"d-{name}", "request")
    return None if text is None else text.text


def test_taken_means_on_the_disk(house: House) -> None:
    """With its request byte for byte, its money held, and still there for the next agent."""
    assert offered(house) == Taken("d-a", accepted=True)
    house.restart()
    assert kept(house) == request("a").encode()
    assert (house.held(), house.spent()) == (MOST, 0)


def test_the_same_again_is_rejoined(house: House) -> None:
    """Under its id, or under its key on the same route; nothing is held twice."""
    offered(house, key="invoice-4711")
    again = offered(house)
    other = offered(house, "b", key="invoice-4711")
    elsewhere = offered(house, "c", key="invoice-4711", route="report")
    assert (again.id, again.rejoined) == ("d-a", True)
    assert (other.id, other.rejoined, other.accepted) == ("d-a", True, True)
    assert (elsewhere.id, elsewhere.rejoined) == ("d-c", False)
    assert house.held() == 2 * MOST


def test_a_key_whose_work_failed_is_free_again(house: House) -> None:
    """Cancelled: the rerun is a call of its own."""

    async def work(office: Office) -> list[Taken]:
        await take(office, house.offer("a", key="k"))
        await office.desk.withdraw(WithdrawRequest("d-a"))
        return await take(office, house.offer("b", key="k"))

    assert house.run(work) == [Taken("d-b", accepted=True)]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"credential": "somebody's"}, Unbatched.CREDENTIAL),
        ({"credential": ""}, Unbatched.CREDENTIAL),
        ({"body": '{"model":"m","max_tokens":0}'}, Unbatched.PARAMETER),
        ({"body": '{"model":"m","stream":false}'}, Unbatched.PARAMETER),
        ({"body": '{"model":"m","store":true}'}, Unbatched.THREAD),
        ({"due_ns": 1}, Unbatched.SOON),
    ],
)
def test_what_cannot_be_put_off(house: House, other: dict[str, Any], reason: Unbatched) -> None:
    """Is refused by name, and nothing of it is kept."""
    assert offered(house, **other) == Taken("d-a", accepted=False, reason=reason)
    assert kept(house) is None
    assert house.held() == 0


def test_a_large_request(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One beyond what the API takes is refused."""
    monkeypatch.setattr(desk, "MOST_BODY_BYTES", 50)
    assert offered(house).reason == Unbatched.LARGE


def test_a_full_queue(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there already is still rejoined."""
    monkeypatch.setattr(desk, "MOST_WAITING", 1)

    async def work(office: Office) -> list[Taken]:
        return await take(office, house.offer("a"), house.offer("b"), house.offer("a"))

    first, second, again = house.run(work)
    assert (first.accepted, second.reason, again.rejoined) == (True, Unbatched.FULL, True)
    assert Backlog(0, desk.MOST_WAITING_BYTES).full


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"attempt_id": "no custom id"}, "attempt_id must have"),
        ({"attempt_id": "a" * 59}, "attempt_id must have"),
        ({"body": "{"}, "JSON of a request"),
        ({"body": "[]"}, "JSON object"),
        ({"key": "\ud800"}, "must be whole"),
        ({"labels": 3}, "labels must be an object"),
    ],
)
def test_what_cannot_be_understood(house: House, other: dict[str, Any], said: str) -> None:
    """Raises, and takes nothing."""
    with pytest.raises(DeferralError, match=said):
        offered(house, **other)


def test_money_that_is_not_there(house: House) -> None:
    """The budget's ten dollars do not lend eleven; what is held already is told apart from what is spent."""
    assert offered(house, most=11 * USD) == Taken(
        "d-a", accepted=False, reason="spent", balance="day|2026-11-21T00:00:00Z|"
    )
    assert offered(house, "b", most=9 * USD).accepted
    assert offered(house, "c", most=2 * USD).reason == "held"
    assert house.held() == 9 * USD


def test_a_balance_that_the_policy_does_not_have(house: House) -> None:
    """The asker decided by another version of it."""
    assert offered(house, hard=("week|2026-11-16T00:00:00Z|",)).reason == "no_balance"


def test_waiting(house: House) -> None:
    """An unknown call is left out; one that is not over is told with when it is expected."""

    async def work(office: Office) -> list[Any]:
        await take(office, house.offer("a"))
        return await outcomes(office, "d-a", "d-unknown")

    (outcome,) = house.run(work)
    assert (outcome.state, outcome.expected_ns) == (State.QUEUED, house.clock.ns() + 320 * SECOND)


def test_who_waits_hears_at_once(house: House) -> None:
    """A request that is held open is answered when its call is over, not when its time is."""

    async def work(office: Office) -> State:
        await take(office, house.offer("a"))
        waiting = asyncio.create_task(office.desk.wait(WaitRequest(("d-a",), 20.0)))
        await asyncio.sleep(0)
        house.later(301)
        await turn(office)
        return (await asyncio.wait_for(waiting, 10)).outcomes[0].state

    assert house.run(work) is State.SUCCEEDED


def test_an_answer_can_be_fetched_again(house: House) -> None:
    """It was handed over, and may have been lost on the wire."""

    async def work(office: Office) -> tuple[Any, Any]:
        await take(office, house.offer("a"))
        house.later(301)
        await turn(office)
        return await outcomes(office, "d-a"), await outcomes(office, "d-a")

    first, second = house.run(work)
    assert first == second
    with house.ledger.reading() as db:
        found = deferralbook.find(db, "d-a")
    assert found is not None
    assert (found.told, found.state) == (State.DELIVERED, State.SUCCEEDED)


def test_more_than_anybody_waits_for(house: House) -> None:
    """Names are remembered while they are waited for, and once withdrawn: not any number, nor of any length."""

    async def work(office: Office) -> None:
        with pytest.raises(DeferralError, match="ask for at most 100000 at a time"):
            await office.desk.wait(WaitRequest(tuple(f"d-{n}" for n in range(100_001)), 0.0))
        with pytest.raises(DeferralError, match="has at most 200 signs, not 201"):
            await office.desk.withdraw(WithdrawRequest("d" * 201))
        with pytest.raises(DeferralError, match="and why is 7"):
            await office.desk.withdraw(WithdrawRequest("d-a", why=7))  # type: ignore[arg-type]

    house.run(work)


def test_withdrawing_what_waits(house: House) -> None:
    """Its money is free at once; again, it stays as it is."""

    async def work(office: Office) -> list[Any]:
        await take(office, house.offer("a"))
        first = await office.desk.withdraw(WithdrawRequest("d-a", sends=True))
        again = await office.desk.withdraw(WithdrawRequest("d-a", why="other"))
        unknown = await office.desk.withdraw(WithdrawRequest("d-z"))
        return [first, again, unknown]

    first, again, unknown = house.run(work)
    assert first.outcomes[0].state is State.CANCELLED
    assert first.outcomes[0].reason == "the application sends it itself"
    assert (again.outcomes, unknown.outcomes) == (first.outcomes, ())
    assert house.held() == 0


def test_an_offer_that_comes_after_its_withdrawal(house: House) -> None:
    """The application has sent the call itself by then: it is not taken."""

    async def work(office: Office) -> list[Taken]:
        await office.desk.withdraw(WithdrawRequest("d-a", sends=True))
        return await take(office, house.offer("a"))

    assert house.run(work) == [Taken("d-a", accepted=False, reason=Unbatched.WITHDRAWN)]
    assert house.held() == 0


def test_withdrawing_what_is_answered(house: House) -> None:
    """The answer is handed over instead."""

    async def work(office: Office) -> Any:
        await take(office, house.offer("a"))
        house.later(301)
        await turn(office)
        return await office.desk.withdraw(WithdrawRequest("d-a", sends=True))

    (outcome,) = house.run(work).outcomes
    assert outcome.state is State.SUCCEEDED
    assert outcome.message is not None


def test_withdrawing_what_is_in_a_batch(house: House) -> None:
    """Nobody waits for the batch any more, so it is cancelled; what it answers all the same is paid and booked."""
    house.wire.headers = staged(lambda _: "succeeded", batch_ms=60_000)

    async def work(office: Office) -> None:
        await take(office, house.offer("a"))
        house.later(301)
        await turn(office)
        await office.desk.withdraw(WithdrawRequest("d-a"))
        await turn(office)
        house.later(70)
        await turn(office)

    house.run(work)
    assert [path for _, path, _ in house.wire.requests if path.endswith("/cancel")]
    assert house.spent() == house.bill() > 0
    assert house.held() == 0


def test_cancelling_a_batch(house: House) -> None:
    """By either of its names; every call in it is let go."""
    house.wire.headers = staged(lambda _: "succeeded", batch_ms=60_000)

    async def work(office: Office) -> tuple[bool, bool, list[Any]]:
        await take(office, house.offer("a"), house.offer("b"))
        house.later(301)
        await turn(office)
        (api_id,) = {outcome.batch_id for outcome in await outcomes(office, "d-a", "d-b")}
        done = await office.desk.cancel_batch(api_id)
        return done, await office.desk.cancel_batch("none"), await outcomes(office, "d-a", "d-b")

    done, unknown, found = house.run(work)
    assert (done, unknown) == (True, False)
    assert [(one.state, one.reason) for one in found] == [(State.CANCELLED, "its batch was cancelled")] * 2


def test_shared_prefixes() -> None:
    """The same tools, system and model share a name, under the salt, whatever else is asked."""
    body = {"system": "s", "messages": [1]}
    assert prefix_id("00", "m", body) == prefix_id("00", "m", {**body, "messages": [2]})
    assert prefix_id("00", "m", body) != prefix_id("00", "m", {"system": "t"})
    assert prefix_id("00", "m", body) != prefix_id("00", "n", body)
    assert prefix_id("00", "m", body) != prefix_id("01", "m", body)
