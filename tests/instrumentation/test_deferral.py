"""Deferrals: put off by the application itself, fetched here or by another process, in any order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import pytest
from tests.instrumentation.putting import BATCH_COST_NANO, Agent, deferred, never, putting_off, refuses, succeeds
from tests.instrumentation.scene import ASK, COST_NANO, async_client, client, error, message

from bursar.instrumentation import BudgetExceeded, Deferral, as_completed, instrument, result, route, served
from bursar.instrumentation.testing import recorded
from bursar.policies.deferral import Outcome, State

NO_STEPS = 'version = 1\nmode = "enforce"'


def unanswered(request: Any) -> Any:
    raise AssertionError("sent at once")


def test_a_deferral_returns_at_once_and_brings_the_answer_later(tmp_path: Path) -> None:
    """Without a budget and without a route that may wait: then it has a day."""
    agent = Agent(policy=NO_STEPS, answers=never)
    with putting_off(tmp_path, agent) as seen, route("ad.hoc", tenant="acme"):
        put_off = deferred(client(unanswered).messages.create, **ASK)
        assert (put_off.id, put_off.reason, put_off.done()) == (agent.offers[0].id, "", False)
        with pytest.raises(TimeoutError):
            put_off.result(timeout=0.01)
        agent.say(succeeds(agent.offers[0]))
        assert put_off.done()
        answer = put_off.result(timeout=20)
        told = served(answer)
        assert put_off.result() is answer
    offer = agent.offers[0]
    assert offer.due_ns - offer.at_ns == 86_400 * 10**9
    assert (offer.route, offer.labels, offer.reason) == ("ad.hoc", {"tenant": "acme"}, "asked")
    assert [charge.cost_nano_usd for charge in seen.charges] == [BATCH_COST_NANO]
    assert told is not None and told.put_off is not None and told.put_off.deferral_id == put_off.id


def test_two_spans_tell_of_it_and_neither_of_an_error(tmp_path: Path) -> None:
    """One for putting it off, and one for its answer, with its cost; both of its route."""
    with putting_off(tmp_path, Agent()) as seen, route("digest"):
        put_off = deferred(client(unanswered).messages.create, **ASK)
        put_off.result(timeout=20)
    spans = [span for span in seen.spans if "bursar.route" in (span.attributes or {})]
    assert [span.status.is_ok for span in spans] == [True, True]
    told = [dict(span.attributes or {}) for span in spans]
    assert [one["bursar.deferral.id"] for one in told] == [put_off.id, put_off.id]
    assert [one["bursar.action"] for one in told] == ["batch", "batch"]
    assert [one.get("bursar.cost.nano_usd") for one in told] == [None, BATCH_COST_NANO]
    assert [one["bursar.route"] for one in told] == ["digest", "digest"]


@pytest.mark.parametrize("name", ["create", "parse", "with_raw_response.create"], ids=["create", "parse", "raw"])
def test_the_answer_is_of_the_kind_that_the_call_gives(name: str, tmp_path: Path) -> None:
    """As if it had been made at once."""

    def called(c: Any) -> Any:
        method = c.messages
        for part in name.split("."):
            method = getattr(method, part)
        return method

    expected = called(client())(**ASK)
    with putting_off(tmp_path, Agent()):
        answer = deferred(called(client(unanswered)), **ASK).result(timeout=20)
    assert type(answer) is type(expected)


def test_a_stream_that_is_asked_for_comes_whole(tmp_path: Path) -> None:
    """Also on a route whose streams do not wait: it is the application that asks."""
    with putting_off(tmp_path, Agent()), route("digest"):
        put_off: Any = deferred(client(unanswered).messages.create, **ASK, stream=True)
        events = [event.type for event in put_off.result(timeout=20)]
    assert (events[0], events[-1], len(events)) == ("message_start", "message_stop", 6)


def test_an_async_deferral_is_awaited(tmp_path: Path) -> None:
    """Both to be put off and to be answered; `result()` would block the loop and says so."""
    agent = Agent()

    async def main() -> None:
        put_off = await deferred(async_client(unanswered).messages.create, **ASK)
        with pytest.raises(TypeError, match="await"):
            put_off.result()
        assert (await put_off).id == "msg_1"
        assert await put_off is await put_off

    with putting_off(tmp_path, agent):
        asyncio.run(main())


def test_an_error_is_raised_by_the_result(tmp_path: Path) -> None:
    """The API's as the SDK's own, and a budget's."""
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    agent = Agent(answers=lambda offer: Outcome(offer.id, State.ERRORED, error=body))
    with putting_off(tmp_path, agent):
        put_off = deferred(client(unanswered).messages.create, **ASK)
        for _ in range(2):
            with pytest.raises(anthropic.BadRequestError):
                put_off.result(timeout=20)
        agent.answers = lambda offer: Outcome(offer.id, State.EXPIRED)
        with pytest.raises(BudgetExceeded):
            deferred(client(unanswered).messages.create, **ASK).result(timeout=20)


@pytest.mark.parametrize(
    ("agent", "reason"),
    [
        (Agent(keys=()), "credential"),
        (Agent(salt=""), "credential"),
        (Agent(accepts=refuses("soon")), "soon"),
        (Agent(accepts=refuses("full")), "full"),
    ],
)
def test_what_cannot_be_put_off_is_sent_at_once_and_says_why(agent: Agent, reason: str, tmp_path: Path) -> None:
    """The deferral is over already, so that the same program runs."""
    with putting_off(tmp_path, agent) as seen:
        put_off = deferred(client().messages.create, **ASK)
        assert (put_off.id, put_off.reason, put_off.done()) == ("", reason, True)
        assert put_off.result().id == "msg_1"
        assert list(as_completed([put_off])) == [put_off]
    assert [charge.cost_nano_usd for charge in seen.charges] == [COST_NANO]


def test_without_an_agent_it_is_sent_at_once(tmp_path: Path) -> None:
    """Instrumented or not; an error of the API's is kept for `result()`."""
    bare = deferred(client().messages.create, **ASK)
    assert (bare.reason, bare.result().id) == ("no_agent", "msg_1")
    with recorded() as seen:
        put_off = deferred(client().messages.create, **ASK)
        failed = deferred(client(error(400, "invalid_request_error")).messages.create, **ASK)
        assert (put_off.reason, put_off.result().id) == ("no_agent", "msg_1")
        with pytest.raises(anthropic.BadRequestError):
            failed.result()
    assert [charge.cost_nano_usd for charge in seen.charges] == [COST_NANO]


def test_a_mistake_of_the_applications_own_is_raised_at_once() -> None:
    """It is no answer of anybody's."""
    with pytest.raises(TypeError, match="max_tokens"):
        deferred(client().messages.create, model="m", messages=[])


def test_another_process_fetches_the_answer_by_its_id(tmp_path: Path) -> None:
    """As a message, with its cost told; an id that the agent does not know is an error."""
    agent = Agent()
    with putting_off(tmp_path, agent):
        put_off = deferred(client(unanswered).messages.create, **ASK)
    with putting_off(tmp_path, agent) as seen:
        answer = result(put_off.id, timeout=20)
        assert answer == anthropic.types.Message.model_validate(message(usage=answer.usage))
        assert answer._request_id == "req_1"  # pyright: ignore[reportPrivateUsage] - as the SDK names it
        with pytest.raises(LookupError):
            result("d-unknown", timeout=20)

        async def main() -> Any:
            return await Deferral(put_off.id)

        assert asyncio.run(main()) == answer
    assert [charge.cost_nano_usd for charge in seen.charges] == [BATCH_COST_NANO]


def test_another_process_is_given_the_error_too(tmp_path: Path) -> None:
    body = {"type": "error", "error": {"type": "not_found_error", "message": "no"}}
    agent = Agent()
    with putting_off(tmp_path, agent):
        agent.say(Outcome("d-1", State.ERRORED, error=body, request_id="req_e"))
        agent.say(Outcome("d-2", State.CANCELLED, reason="by bursar deferrals cancel"))
        with pytest.raises(anthropic.NotFoundError) as caught:
            result("d-1", timeout=20)
        with pytest.raises(BudgetExceeded, match="bursar deferrals cancel"):
            result("d-2", timeout=20)
    assert caught.value.request_id == "req_e"


def test_deferrals_come_in_the_order_of_their_answers(tmp_path: Path) -> None:
    """Each once, whatever order they were asked for in; those that stay away are a timeout."""
    agent = Agent(answers=never)
    with putting_off(tmp_path, agent):
        first, second, third = (deferred(client(unanswered).messages.create, **ASK) for _ in range(3))
        completed = iter(as_completed([first, second, third, second], timeout=20))
        agent.say(succeeds(agent.offers[2]))
        assert next(completed) is third
        agent.say(succeeds(agent.offers[0]))
        assert next(completed) is first
        assert first.over and first.result().id == "msg_1"
        with pytest.raises(TimeoutError, match="1 of the deferrals"):
            list(as_completed([second], timeout=0.01))


def test_async_deferrals_come_in_the_order_of_their_answers(tmp_path: Path) -> None:
    agent = Agent(answers=never)

    async def main() -> list[str]:
        c = async_client(unanswered)
        put_off = [await deferred(c.messages.create, **ASK) for _ in range(3)]
        seen: list[str] = []
        agent.say(succeeds(agent.offers[1]))
        async for deferral in as_completed(put_off, timeout=20):
            seen.append((await deferral).id + deferral.id[-1:])
            if len(seen) == 1:
                agent.say(succeeds(agent.offers[2]))
                agent.say(succeeds(agent.offers[0]))
        assert [one.over for one in put_off] == [True] * 3
        return seen

    with putting_off(tmp_path, agent):
        assert len(asyncio.run(main())) == 3


def test_a_deferral_that_is_cancelled_is_withdrawn(tmp_path: Path) -> None:
    agent = Agent(answers=never)
    with putting_off(tmp_path, agent):
        put_off = deferred(client(unanswered).messages.create, **ASK)
        put_off.cancel()
        agent.until(lambda: bool(agent.withdrawn))
    assert (agent.withdrawn[0].id, agent.withdrawn[0].sends) == (put_off.id, False)


def test_a_deferral_under_a_key_is_one_and_the_same(tmp_path: Path) -> None:
    """However often the program runs."""
    agent = Agent(answers=never)
    with putting_off(tmp_path, agent):
        with route("digest", key="invoice-4711"):
            first = deferred(client(unanswered).messages.create, **ASK)
            second = deferred(client(unanswered).messages.create, **ASK)
        assert first.id == second.id
    assert len(agent.offers) == 1


def test_an_agent_that_lost_the_call_has_it_sent_at_once(tmp_path: Path) -> None:
    """Its ledger is another one, say: the deferral makes the call itself."""
    agent = Agent(answers=never)
    with putting_off(tmp_path, agent) as seen:
        put_off = deferred(client().messages.create, **ASK)
        agent.outcomes.clear()
        assert put_off.result(timeout=20).id == "msg_1"
    assert [charge.cost_nano_usd for charge in seen.charges] == [COST_NANO]


def test_it_asks_nobody_where_nothing_is_instrumented() -> None:
    """A deferral of another process needs an agent."""
    with pytest.raises(TimeoutError, match="BURSAR_AGENT"):
        result("d-1")
    assert instrument is not None
