"""`map_batch` with everything in force: half the price, exactly, on threads and on event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import anthropic
import pytest
from anthropic.lib.bedrock import AnthropicBedrock

from bursar.agent.sandbox import create_app, serving
from bursar.instrumentation import BatchItemError, map_batch, route, served
from bursar.instrumentation.runtime import current_runtime
from bursar.instrumentation.testing import recorded

MODELS = ("claude-opus-5-5", "claude-haiku-4-5")
SCENE = {"x-sandbox-output-tokens": "10"}


def requests(count: int) -> list[dict[str, Any]]:
    return [
        {
            "model": MODELS[number % 2],
            "max_tokens": 20,
            "messages": [{"role": "user", "content": f"{'word ' * number}?"}],
            "extra_headers": SCENE,
        }
        for number in range(count)
    ]


@pytest.fixture
def client(sandbox: tuple[str, Any]) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="k", base_url=sandbox[0]) as client:
        yield client


@pytest.fixture
def sandbox() -> Iterator[tuple[str, Any]]:
    app = create_app()
    with serving(app) as url:
        yield url, app.state.bill


def test_a_list_costs_half_of_its_calls(sandbox: tuple[str, Any], client: anthropic.Anthropic) -> None:
    """To the nano-dollar, by the bill and by the charges; each message in its place, and known to `served`."""
    _, bill = sandbox
    with recorded() as seen, route("nightly", tenant="acme"):
        calls: list[Any] = [client.messages.create(**request) for request in requests(8)]
        plain = sum(charge.cost_nano_usd or 0 for charge in seen.charges)
        assert plain == bill.totals()["nano_usd"]
        answers = map_batch(client, requests(8))
        charges = seen.charges[8:]
        assert 2 * sum(charge.cost_nano_usd or 0 for charge in charges) == plain
        assert bill.totals()["nano_usd"] == plain + plain // 2
        told = [served(answer) for answer in answers]
    assert [found.requested_model for found in told if found is not None] == [MODELS[n % 2] for n in range(8)]
    assert [answer.usage.input_tokens for answer in answers if not isinstance(answer, Exception)] == [
        call.usage.input_tokens for call in calls
    ]
    assert {(charge.route, charge.labels["tenant"], charge.modifiers) for charge in charges} == {
        ("nightly", "acme", ("batch",))
    }
    assert {charge.attempt_id for charge in charges} == {charge.call_id for charge in charges}


def test_async(sandbox: tuple[str, Any]) -> None:
    """The same on an event loop; the route is that of the code that gave the list, wherever it is awaited."""
    url, bill = sandbox

    def given(client: anthropic.AsyncAnthropic) -> Coroutine[Any, Any, list[Any]]:
        return map_batch(client, [*requests(3), {"model": "m"}])

    async def run() -> list[Any]:
        async with anthropic.AsyncAnthropic(api_key="k", base_url=url) as client:
            return await asyncio.create_task(given(client))

    with recorded() as seen:
        answers = asyncio.run(run())
    assert [type(answer).__name__ for answer in answers] == [*["Message"] * 3, "BatchItemError"]
    assert sum(charge.cost_nano_usd or 0 for charge in seen.charges) == bill.totals()["nano_usd"]
    assert {charge.route for charge in seen.charges} == {"tests.instrumentation.test_mapbatch:test_async.given"}


def test_a_task_that_is_cancelled_tells_its_batches(sandbox: tuple[str, Any], client: anthropic.Anthropic) -> None:
    """And by their ids the same list is taken up again, by another client."""
    url, bill = sandbox
    slow = [{**request, "extra_headers": {**SCENE, "x-sandbox-batch-ms": "400"}} for request in requests(3)]

    async def run() -> str:
        async with anthropic.AsyncAnthropic(api_key="k", base_url=url) as other:
            task = asyncio.ensure_future(map_batch(other, slow))
            while not (await other.messages.batches.list()).data:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value.__notes__[0]

    with recorded() as seen:
        note = asyncio.run(run())
        batch_id = note.split("batch_ids=['")[1].split("']")[0]
        assert not seen.charges
        answers = map_batch(client, slow, batch_ids=[batch_id])
        assert all(isinstance(answer, anthropic.types.Message) for answer in answers)
        assert sum(charge.cost_nano_usd or 0 for charge in seen.charges) == bill.totals()["nano_usd"]
    assert bill.totals()["requests"] == 3


def test_without_instrumentation(client: anthropic.Anthropic) -> None:
    """The list is answered all the same; nobody counts."""
    assert current_runtime() is None
    answers = map_batch(client, requests(2))
    assert [type(answer) for answer in answers] == [anthropic.types.Message] * 2


def test_an_empty_list(client: anthropic.Anthropic) -> None:
    """Asks nobody anything."""
    assert map_batch(client, []) == []


def test_errors_stay_in_their_places(sandbox: tuple[str, Any], client: anthropic.Anthropic) -> None:
    """What the API says of one request does not touch the others."""
    _, bill = sandbox
    asked = requests(3)
    asked[1]["model"] = "claude-nope"
    with recorded() as seen:
        answers = map_batch(client, [*asked, {**asked[0], "stream": True}])
        runtime = current_runtime()
        assert runtime is not None
        assert b'"why":"batch errored"' in runtime.journal.path.read_bytes()
    assert isinstance(answers[1], anthropic.NotFoundError)
    assert isinstance(answers[3], BatchItemError)
    assert len(seen.charges) == bill.totals()["requests"] == 2


def test_clients_of_clouds() -> None:
    """Have no Message Batches; told at once."""
    client: Any = AnthropicBedrock(aws_region="us-east-1", aws_access_key="k", aws_secret_key="s")
    with pytest.raises(TypeError, match="AnthropicBedrock has no Message Batches"):
        map_batch(client, [])
