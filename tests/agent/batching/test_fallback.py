"""Claims about deadlines: what no batch answers in time is asked at once, once, if there is money for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.agent.batching.house import MOST, USD, Died, House, outcomes, request, staged, take, turn

from bursar.agent.batching.office import Office
from bursar.policies.deferral import State

MESSAGES = "/v1/messages"
SLOW = 10_000_000


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.wire.headers = staged(lambda _: "succeeded", batch_ms=SLOW)
    yield made
    made.close()


def live(house: House, *seconds: float, **other: Any) -> Any:
    """One call that must be answered in two hours, and a turn after each of so many seconds."""

    async def work(office: Office) -> Any:
        await take(office, house.offer("a", **other))
        for each in seconds:
            house.later(each)
            await turn(office)
        return (await outcomes(office, "d-a"))[0]

    return house.run(work)


def answers(house: House, *responses: httpx.Response | Exception) -> None:
    """The first calls at the ordinary price come to this."""
    left = list(responses)

    def before(http: httpx.Request) -> httpx.Response | None:
        if http.url.path != MESSAGES or not left:
            return None
        first = left.pop(0)
        if isinstance(first, Exception):
            raise first
        return first

    house.wire.before = before


def refusal(status: int, kind: str) -> httpx.Response:
    return httpx.Response(status, json={"type": "error", "error": {"type": kind, "message": "no"}})


def test_in_time_by_the_ordinary_way(house: House) -> None:
    """A minute before it is due, byte for byte, at the full price; nobody else waits, so the batch is cancelled."""
    assert live(house, 301, 6_838).state is State.IN_PROGRESS
    outcome = live(house, 2, 2)
    assert outcome.state is State.SUCCEEDED
    assert house.wire.posts(MESSAGES) == [request("a").encode()]
    assert [path for _, path, _ in house.wire.requests if path.endswith("/cancel")]
    assert outcome.charges[-1]["modifiers"] == ()
    assert outcome.request_id is not None


def test_both_answers_are_recorded(house: House) -> None:
    """The batch answers after all: the first answer stays, and both are paid for and booked."""
    house.wire.headers = staged(lambda _: "succeeded", batch_ms=7_000_000)
    first = live(house, 301, 6_840)
    later = live(house, 500, 60)
    assert (later.message, later.state) == (first.message, State.SUCCEEDED)
    assert [charge["attempt_id"] for charge in later.charges] == ["try-a", "try-a-f"]
    assert house.spent() == house.bill() == sum(charge["cost_nano_usd"] for charge in later.charges)
    assert house.held() == 0


def test_what_was_never_sent_costs_nothing(house: House) -> None:
    """A queue whose batches are not taken: the first attempt is released, and the call still answered."""
    house.wire.before = lambda http: refusal(429, "rate_limit_error") if http.url.path.endswith("batches") else None
    outcome = live(house, 301, 6_840)
    assert outcome.state is State.SUCCEEDED
    assert len(outcome.charges) == 1
    assert house.spent() == house.bill()
    assert house.held() == 0


def test_no_money_for_it(house: House) -> None:
    """The refusal names the balance; the batch's own hold stands until the batch is over."""
    outcome = live(house, 301, 6_840, sync_most=10 * USD)
    assert (outcome.state, outcome.refusal) == (
        State.ERRORED,
        {"balance": "day|2026-11-21T00:00:00Z|", "reason": "held", "needed": 10 * USD},
    )
    assert house.wire.posts(MESSAGES) == []
    assert house.held() == MOST


def test_passing_errors_are_tried_again(house: House) -> None:
    """Twice; then it is answered."""
    answers(house, refusal(529, "overloaded_error"), httpx.ConnectError("no"))
    assert live(house, 301, 6_840).state is State.SUCCEEDED
    assert len(house.wire.posts(MESSAGES)) == 3


@pytest.mark.parametrize(
    ("responses", "status", "asked"),
    [
        ([refusal(400, "invalid_request_error")], 400, 1),
        ([refusal(529, "overloaded_error")] * 3, 529, 3),
        ([httpx.ConnectError("no")] * 3, 0, 3),
    ],
)
def test_errors_that_stay(house: House, responses: list[Any], status: int, asked: int) -> None:
    """Are the call's answer, and cost nothing."""
    answers(house, *responses)
    outcome = live(house, 301, 6_840)
    assert (outcome.state, outcome.status) == (State.ERRORED, status)
    assert len(house.wire.posts(MESSAGES)) == asked
    assert house.held() == MOST  # of the batch


def test_no_answer(house: House) -> None:
    """Nobody knows whether it was answered: not sent again, its bound counts."""
    answers(house, httpx.ReadTimeout("slow"))
    outcome = live(house, 301, 6_840)
    assert (outcome.state, outcome.error) == (State.ERRORED, None)
    assert "no answer" in outcome.reason
    assert len(house.wire.posts(MESSAGES)) == 1
    assert house.spent() == 2 * MOST


@pytest.mark.parametrize(("step", "sent"), [("fell back", 1), ("falling back", 0), ("answered", 1)])
def test_a_death_while_it_falls_back(house: House, step: str, sent: int) -> None:
    """Before it may have left it is sent by the next agent; once it may have, never again, and its bound counts."""
    house.die = lambda at: at == step
    with pytest.raises(Died):
        live(house, 301, 6_840)
    house.die = lambda _: False
    house.restart()
    outcome = live(house, 1, 1)
    assert outcome.state is (State.SUCCEEDED if step == "fell back" else State.ERRORED)
    assert len(house.wire.posts(MESSAGES)) == sent
    if step != "fell back":
        assert "the agent ended" in outcome.reason
        assert house.spent() == 2 * MOST > house.bill()


def test_a_credential_that_is_gone(house: House) -> None:
    """The call fails, and says why."""
    live(house, 301)
    house.rules.put_off("")
    outcome = live_on(house, 6_840)
    assert outcome.state is State.ERRORED
    assert "no longer the credential" in outcome.reason


def live_on(house: House, *seconds: float) -> Any:
    async def work(office: Office) -> Any:
        for each in seconds:
            house.later(each)
            await turn(office)
        return (await outcomes(office, "d-a"))[0]

    return house.run(work)
