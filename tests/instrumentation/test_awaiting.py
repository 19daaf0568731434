"""Calls that are put off: every way of calling gets the SDK's own answer, later, and its cost once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from pydantic import BaseModel
from tests.instrumentation.putting import BATCH_COST_NANO, Agent, never, putting_off, refuses, succeeds
from tests.instrumentation.scene import ASK, COST_NANO, async_client, client, error

from bursar.instrumentation import BudgetExceeded, PutOff, awaiting, desk, link, route, served, sync
from bursar.instrumentation.runtime import current_runtime
from bursar.instrumentation.waiter import unknown
from bursar.policies.deferral import Offer, Outcome, State
from bursar.policies.errors import RefusalReason

Client = Any


class Greeting(BaseModel):
    word: str


def unanswered(request: httpx2.Request) -> httpx2.Response:
    raise AssertionError(f"sent at once: {request.content!r}")


def waiting_client(**options: Any) -> Client:
    return client(unanswered, **options)


def create(c: Client) -> Any:
    return c.messages.create(**ASK)


def beta(c: Client) -> Any:
    return c.beta.messages.create(**ASK, betas=["files-api-2025-04-14"])


def parse(c: Client) -> Any:
    return c.messages.parse(**ASK)


def raw(c: Client) -> Any:
    response = c.messages.with_raw_response.create(**ASK)
    return response.headers["request-id"], response.status_code, response.parse()


def streaming_response(c: Client) -> Any:
    with c.messages.with_streaming_response.create(**ASK) as response:
        return response.parse()


def bare(c: Client) -> Any:
    return c.post("/v1/messages", body=ASK, cast_to=httpx2.Response).json()["id"]


def helper(c: Client) -> Any:
    with c.messages.stream(**ASK) as stream:
        return stream.get_final_message()


def beta_helper(c: Client) -> Any:
    with c.beta.messages.stream(**ASK) as stream:
        return stream.get_final_message()


def text_of_events(c: Client) -> Any:
    events = c.messages.create(**ASK, stream=True)
    return [event.delta.text for event in events if event.type == "content_block_delta"]


def raw_stream(c: Client) -> Any:
    events = c.messages.with_raw_response.create(**ASK, stream=True).parse()
    return [event.type for event in events if event.type != "ping"]


async def a_create(c: Client) -> Any:
    return await c.messages.create(**ASK)


async def a_parse(c: Client) -> Any:
    return await c.messages.parse(**ASK)


async def a_raw(c: Client) -> Any:
    response = await c.messages.with_raw_response.create(**ASK)
    parsed = response.parse()
    return response.headers["request-id"], await parsed if asyncio.iscoroutine(parsed) else parsed


async def a_streaming_response(c: Client) -> Any:
    async with c.messages.with_streaming_response.create(**ASK) as response:
        return await response.parse()


async def a_helper(c: Client) -> Any:
    async with c.messages.stream(**ASK) as stream:
        return await stream.get_final_message()


async def a_text_of_events(c: Client) -> Any:
    events = await c.messages.create(**ASK, stream=True)
    return [event.delta.text async for event in events if event.type == "content_block_delta"]


SYNC = [create, beta, parse, raw, streaming_response, bare, helper, beta_helper, text_of_events, raw_stream]
ASYNC = [a_create, a_parse, a_raw, a_streaming_response, a_helper, a_text_of_events]


def put_together(value: Any) -> Any:
    """Without what differs between an answer at once and one out of a batch: the tier that it tells."""
    text = repr(value)
    return text.replace("service_tier='batch'", "service_tier='standard'")


@pytest.mark.parametrize("act", SYNC, ids=lambda act: act.__name__)
def test_every_way_of_calling_gets_the_same_answer_later(act: Callable[[Client], Any], tmp_path: Path) -> None:
    """The SDK's own types, with the request's id; and the cost at batch price, told once."""
    expected = put_together(act(client()))
    agent = Agent()
    with putting_off(tmp_path, agent) as seen, route("chat", tenant="acme"):
        assert put_together(act(waiting_client())) == expected
        assert [charge.cost_nano_usd for charge in seen.charges] == [BATCH_COST_NANO]
    offer = agent.offers[0]
    assert (offer.route, offer.labels, offer.requested_model) == ("chat", {"tenant": "acme"}, ASK["model"])
    assert json.loads(offer.body) == ASK
    assert offer.due_ns - offer.at_ns == 7_200 * 10**9


@pytest.mark.parametrize("act", ASYNC, ids=lambda act: act.__name__)
def test_every_way_of_awaiting_gets_the_same_answer_later(act: Callable[[Client], Any], tmp_path: Path) -> None:
    expected = put_together(asyncio.run(act(async_client())))
    agent = Agent()
    with putting_off(tmp_path, agent) as seen, route("chat"):
        assert put_together(asyncio.run(act(async_client(unanswered)))) == expected
        assert [charge.cost_nano_usd for charge in seen.charges] == [BATCH_COST_NANO]


def test_a_middleware_of_the_applications_own_sees_an_ordinary_answer(tmp_path: Path) -> None:
    """It stands outside: for it the call just takes its time."""
    seen: list[Any] = []

    def own(request: Any, call_next: Any) -> Any:
        response = call_next(request)
        seen.append(response.parse().id)
        return response

    with putting_off(tmp_path, Agent()), route("digest"):
        assert create(client(unanswered, middleware=[own])).id == "msg_1"
    assert seen == ["msg_1"]


def test_many_tasks_wait_at_once_and_block_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request waits for all of them, and the event loop goes on meanwhile."""
    monkeypatch.setattr(desk, "OFFER_SECONDS", 60.0)  # on a busy machine one would be sent at once
    for patient, seconds in ((link, "BUSY_SECONDS"), (link, "FIRST_SIGN_SECONDS"), (sync, "BUSY_SECONDS")):
        monkeypatch.setattr(patient, seconds, 60.0)
    agent = Agent(answers=never)

    async def main() -> list[Any]:
        c = async_client(unanswered)
        tasks = [asyncio.create_task(a_create(c)) for _ in range(20)]
        while len(agent.offers) < 20 or not any(len(ids) == 20 for ids in agent.waits):
            assert [task for task in tasks if task.done()] == []  # a failed one shows why
            await asyncio.sleep(0.01)
        for offer in agent.offers:
            agent.say(succeeds(offer))
        return await asyncio.gather(*tasks)

    with putting_off(tmp_path, agent), route("digest"):
        answers = asyncio.run(main())
    assert [one.id for one in answers] == ["msg_1"] * 20


def test_what_was_put_off_says_so(tmp_path: Path) -> None:
    """To `served`, and on the span: action, reason, batch, and its cost at batch price."""
    agent = Agent()
    with putting_off(tmp_path, agent) as seen, route("digest"):
        answered = create(waiting_client())
        told = served(answered)
    assert told is not None
    assert (told.action, told.reason, told.charge.modifiers) == ("batch", "step", ("batch",))
    assert told.put_off == PutOff(agent.offers[0].id, "msgbatch_1", told.put_off.seconds if told.put_off else 0)
    spans = [dict(span.attributes or {}) for span in seen.spans if "bursar.route" in (span.attributes or {})]
    assert len(spans) == 1
    assert {name: spans[0][name] for name in ("bursar.action", "bursar.reason", "bursar.batch.id")} == {
        "bursar.action": "batch",
        "bursar.reason": "step",
        "bursar.batch.id": "msgbatch_1",
    }
    assert spans[0]["bursar.cost.nano_usd"] == BATCH_COST_NANO
    assert spans[0]["bursar.deferral.id"] == agent.offers[0].id


def test_nothing_of_it_is_journalled_here(tmp_path: Path) -> None:
    """The agent has booked it."""
    with putting_off(tmp_path, Agent()), route("digest"):
        create(waiting_client())
        runtime = current_runtime()
        assert runtime is not None and runtime.flush(5)
    lines = [line for path in tmp_path.rglob("*.jsonl*") for line in path.read_text().splitlines()]
    assert not [line for line in lines if '"kind":"sent"' in line or '"kind":"settled"' in line]


@pytest.mark.parametrize(
    ("error_type", "status", "kind"),
    [
        ("invalid_request_error", 0, anthropic.BadRequestError),
        ("not_found_error", 404, anthropic.NotFoundError),
        ("rate_limit_error", 0, anthropic.RateLimitError),
        ("api_error", 0, anthropic.InternalServerError),
        ("overloaded_error", 529, anthropic.APIStatusError),
    ],
)
def test_an_error_of_the_apis_is_the_sdks_own(
    error_type: str, status: int, kind: type[Exception], tmp_path: Path
) -> None:
    """Of its class and status, and never tried again."""
    said = {"type": "error", "error": {"type": error_type, "message": "no"}}

    def errs(offer: Offer) -> Outcome:
        return Outcome(offer.id, State.ERRORED, status=status, error=said, request_id="req_e")

    agent = Agent(answers=errs)
    with putting_off(tmp_path, agent) as seen, route("digest"), pytest.raises(kind) as caught:
        create(waiting_client(max_retries=3))
    raised: Any = caught.value
    assert (raised.body["error"]["type"], raised.request_id, len(agent.offers)) == (error_type, "req_e", 1)
    assert raised.type == error_type
    assert status in (0, raised.status_code)
    assert seen.charges == []


def test_the_same_error_is_raised_at_once_and_later(tmp_path: Path) -> None:
    """In all that the application can see of it."""
    with pytest.raises(anthropic.BadRequestError) as at_once:
        create(client(error(400, "invalid_request_error")))
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    agent = Agent(answers=lambda offer: Outcome(offer.id, State.ERRORED, error=body))
    with putting_off(tmp_path, agent), route("digest"), pytest.raises(anthropic.BadRequestError) as later:
        create(waiting_client())
    assert str(later.value) == str(at_once.value)
    assert later.value.status_code == at_once.value.status_code


@pytest.mark.parametrize(
    ("ended", "reason", "said"),
    [
        (Outcome("", State.EXPIRED), RefusalReason.LATE, "it is expired"),
        (Outcome("", State.CANCELLED, reason="by bursar batches cancel"), RefusalReason.LATE, "bursar batches cancel"),
        (
            Outcome("", State.ERRORED, refusal={"balance": "month|w|", "reason": "spent", "needed": 7}),
            RefusalReason.SPENT,
            "month",
        ),
    ],
)
def test_what_is_never_answered_is_a_budgets_refusal(
    ended: Outcome, reason: RefusalReason, said: str, tmp_path: Path
) -> None:
    """With its reason, and the balance that refused to have it sent at once."""
    agent = Agent(answers=lambda offer: replace(ended, id=offer.id))
    with putting_off(tmp_path, agent), route("digest"), pytest.raises(BudgetExceeded) as caught:
        create(waiting_client())
    assert caught.value.reason is reason
    assert said in str(caught.value)
    assert caught.value.route == "digest"
    assert caught.value.figures["deferral"] == agent.offers[0].id


@pytest.mark.parametrize("reason", ["spent", "full", "dearer"])
def test_what_is_not_accepted_goes_on_as_if_it_could_not_wait(reason: str, tmp_path: Path) -> None:
    """The call is judged anew: here it goes at once, and says why on its journal line."""
    agent = Agent(accepts=refuses(reason))
    with putting_off(tmp_path, agent) as seen, route("digest"):
        told = served(create(client()))
    assert told is not None and told.put_off is None
    assert (told.action, seen.charges[0].cost_nano_usd) == ("go", COST_NANO)
    assert len(agent.offers) == 1


def test_an_agent_that_gives_no_answer_is_told_that_the_call_was_sent(tmp_path: Path) -> None:
    """It may have it on its disk all the same."""

    def breaks(offer: Offer) -> Any:
        raise ConnectionError

    agent = Agent()
    with putting_off(tmp_path, agent), route("digest"):
        agent.accepts = breaks
        assert create(client()).id == "msg_1"
        agent.until(lambda: bool(agent.withdrawn))
    assert (agent.withdrawn[0].id, agent.withdrawn[0].sends) == (agent.offers[0].id, True)


def test_a_call_that_the_agent_has_forgotten_is_sent_at_once(tmp_path: Path) -> None:
    """By an attempt of its own, and the agent is told so."""
    agent = Agent(answers=lambda offer: unknown(offer.id))
    with putting_off(tmp_path, agent) as seen, route("digest"):
        told = served(create(client()))
        agent.until(lambda: bool(agent.withdrawn))
    assert told is not None and told.put_off is None
    assert seen.charges[0].attempt_id != agent.offers[0].attempt_id
    assert (agent.withdrawn[0].id, agent.withdrawn[0].sends) == (agent.offers[0].id, True)


def test_a_call_is_sent_at_once_when_its_time_is_over_and_the_agent_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past its deadline and a grace; both are over here as soon as it waits."""
    monkeypatch.setattr(awaiting, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(awaiting, "GRACE_SECONDS", -7_200.0)
    agent = Agent(answers=never)
    with putting_off(tmp_path, agent) as seen, route("digest"):
        runtime = current_runtime()
        assert runtime is not None and runtime.waiter is not None
        monkeypatch.setattr(type(runtime.waiter), "away", property(lambda self: True))
        assert create(client()).id == "msg_1"
    assert [charge.cost_nano_usd for charge in seen.charges] == [COST_NANO]


def test_a_task_that_is_cancelled_withdraws_its_call(tmp_path: Path) -> None:
    """Nobody waits for the answer any more."""
    agent = Agent(answers=never)

    async def main() -> None:
        task = asyncio.create_task(a_create(async_client(unanswered)))
        while not agent.waits:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(agent.until, lambda: bool(agent.withdrawn))

    with putting_off(tmp_path, agent), route("digest"):
        asyncio.run(main())
    assert (agent.withdrawn[0].id, agent.withdrawn[0].sends) == (agent.offers[0].id, False)


def test_a_task_with_a_key_leaves_its_call_when_it_is_cancelled(tmp_path: Path) -> None:
    """A rerun asks for it: that is what the key is for."""
    agent = Agent(answers=never)

    async def main() -> None:
        task = asyncio.create_task(a_create(async_client(unanswered)))
        while not agent.offers:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with putting_off(tmp_path, agent), route("digest", key="invoice-4711"):
        asyncio.run(main())
        agent.say(succeeds(agent.offers[0]))
        assert create(waiting_client()).id == "msg_1"
    assert agent.withdrawn == []
    assert len(agent.offers) == 1


def test_a_key_rejoins_its_call_and_pays_once(tmp_path: Path) -> None:
    """The same request under the same key is offered once; another request under it is another call."""
    agent = Agent()
    with putting_off(tmp_path, agent) as seen:
        with route("digest", key="invoice-4711"):
            first, second = create(waiting_client()), create(waiting_client())
            other = waiting_client().messages.create(**{**ASK, "max_tokens": 65})
        with route("digest", key="invoice-4712"):
            create(waiting_client())
    assert (first, second.id, other.id) == (second, "msg_1", "msg_1")
    assert len({offer.id for offer in agent.offers}) == len(agent.offers) == 3
    assert [offer.key.partition("#")[0] for offer in agent.offers] == ["invoice-4711", "invoice-4711", "invoice-4712"]
    assert [charge.attempt_id for charge in seen.charges] == [offer.attempt_id for offer in agent.offers]


def test_work_that_failed_under_a_key_is_begun_anew(tmp_path: Path) -> None:
    """Under a name of its own, so that its error is not told for ever."""
    agent = Agent(answers=lambda offer: Outcome(offer.id, State.EXPIRED))
    with putting_off(tmp_path, agent), route("digest", key="invoice-4711"):
        with pytest.raises(BudgetExceeded):
            create(waiting_client())
        agent.answers = succeeds
        assert create(waiting_client()).id == "msg_1"
        assert create(waiting_client()).id == "msg_1"
    assert [offer.id.removeprefix(agent.offers[0].id) for offer in agent.offers] == ["", "-2"]
