"""Obstacles: each reason why a call is not put off, told by name, and only where somebody would put it off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from anthropic.lib.bedrock import AnthropicBedrock
from tests.instrumentation.putting import POLICY, Agent, deferred, putting_off
from tests.instrumentation.scene import ASK, answer, client, error, in_turn, sse

from bursar.instrumentation import deferring, route, served
from bursar.instrumentation.runtime import current_runtime
from bursar.policies.decision import Decision

NO_STEPS = POLICY.replace('"0%" = "batch"', '"100%" = "alert log"')


def skipped(folder: Path, act: Any, agent: Agent, name: str = "digest") -> str:
    """Why the batch step was not taken for one call, which went at once."""
    seen: list[Decision] = []
    with putting_off(folder, agent), route(name):
        runtime = current_runtime()
        assert runtime is not None
        admit = runtime.guard.admit

        def spied(errand: Any) -> Any:
            admission = admit(errand)
            assert admission.decision is not None
            seen.append(admission.decision)
            return admission

        runtime.guard.admit = spied  # type: ignore[method-assign]
        act()
    assert agent.offers == []
    return "; ".join(why for _, why in seen[-1].skipped)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"stream": True}, "stream"),
        ({"extra_body": {"speed": "fast"}}, "parameter"),
        ({"extra_body": {"cache_hint": {}}}, "parameter"),
        ({"extra_headers": {"x-tenant": "acme"}}, "parameter"),
        ({"extra_headers": {"anthropic-user-profile-id": "u"}}, "parameter"),
        ({"extra_query": {"a": "b"}}, "parameter"),
        ({"extra_body": {"thread": {"id": "t"}}}, "thread"),
        ({"extra_headers": {"X-Api-Key": "another"}}, "credential"),
        ({"extra_headers": {"authorization": "Bearer t"}}, "credential"),
    ],
)
def test_a_request_that_no_batch_carries_goes_at_once(more: dict[str, Any], why: str, tmp_path: Path) -> None:
    """With the reason, by the parameter, the header or the query that is in the way."""

    def act() -> Any:
        answered: Any = client().messages.create(**{**ASK, **more})
        return [*answered] if more.get("stream") else answered

    assert skipped(tmp_path, act, Agent()) == why


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"api_key": "another"}, "credential"),
        ({"base_url": "https://gateway.example/anthropic"}, "credential"),
        ({"default_headers": {"X-Api-Key": "k"}}, "credential"),
        ({"default_headers": {"x-gateway-route": "blue"}}, "parameter"),
        ({"default_query": {"a": "b"}}, "parameter"),
    ],
)
def test_a_client_that_the_agent_cannot_stand_in_for_goes_at_once(
    options: dict[str, Any], why: str, tmp_path: Path
) -> None:
    """Another key, another place, or words of its own to a gateway."""
    assert skipped(tmp_path, lambda: client(**options).messages.create(**ASK), Agent()) == why


def test_headers_that_say_nothing_are_no_obstacle(tmp_path: Path) -> None:
    """Those of the SDK, of tracing, a beta, and the name of the application."""
    agent = Agent()
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "User-Agent": "nightly/1"}
    with putting_off(tmp_path, agent), route("digest"):
        client(default_headers=headers).beta.messages.create(**ASK, betas=["b-1", "b-2"])
    assert [offer.betas for offer in agent.offers] == ["b-1,b-2"]


def test_a_route_that_may_not_wait_goes_at_once(tmp_path: Path) -> None:
    assert skipped(tmp_path, lambda: client().messages.create(**ASK), Agent(), name="support") == "no_wait"


def test_a_cloud_goes_at_once(tmp_path: Path) -> None:
    """No batch of Anthropic's reaches it."""

    def act() -> Any:
        http = httpx2.Client(transport=httpx2.MockTransport(answer))
        bedrock = AnthropicBedrock(aws_region="us-east-1", aws_access_key="a", aws_secret_key="s", http_client=http)
        made: Any = bedrock.messages
        return made.create(**ASK)

    assert skipped(tmp_path, act, Agent()) == "cloud"


def test_a_model_without_a_price_goes_at_once(tmp_path: Path) -> None:
    """Nobody can say what a batch would save."""
    assert skipped(tmp_path, lambda: client().messages.create(**{**ASK, "model": "m"}), Agent()) == "price"


def test_a_request_that_is_too_large_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API takes 32 MB; here it takes fifty bytes."""
    monkeypatch.setattr(deferring, "MOST_BODY_BYTES", 50)
    assert skipped(tmp_path, lambda: client().messages.create(**ASK), Agent()) == "large"


def test_a_retry_goes_at_once(tmp_path: Path) -> None:
    """What was sent once is not put off the second time."""
    agent, respond = Agent(policy=NO_STEPS), in_turn(error(529, "overloaded_error"), answer)
    with putting_off(tmp_path, agent), route("digest"):
        runtime = current_runtime()
        assert runtime is not None

        def meanwhile(request: httpx2.Request) -> httpx2.Response:
            agent.policy = POLICY  # a step is due once the first attempt has left
            runtime.guard.greet()
            return respond(request)

        told = served(client(meanwhile, max_retries=1).messages.create(**ASK))
        assert runtime.rules.puts_off
    assert told is not None and told.put_off is None
    assert agent.offers == []


def test_nothing_is_looked_at_where_nobody_puts_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a batch step, a key or a wish no call pays for any of this."""

    def made(*_: Any) -> Any:
        raise AssertionError("it was looked at")

    monkeypatch.setattr("bursar.instrumentation.middleware.Deferring", made)
    agent = Agent(policy=NO_STEPS)
    with putting_off(tmp_path, agent), route("digest"):
        assert client().messages.create(**ASK).id == "msg_1"


def test_an_offer_has_what_the_agent_needs(tmp_path: Path) -> None:
    """Bounds at both prices: 64 tokens of Sonnet 5.5 cost 640,000 nano-dollars at once, and half of it in a batch."""
    agent = Agent()
    with putting_off(tmp_path, agent), route("digest"):
        put_off = deferred(client().messages.create, **ASK)
    offer = agent.offers[0]
    assert put_off.id == offer.id
    assert offer.most * 2 == offer.sync_most > 2 * 320_000
    assert offer.most_tokens > offer.expected_tokens > 0
    assert (offer.bounded, offer.reason, offer.model) == (True, "step", ASK["model"])
    assert offer.hard == () and offer.balances is not None and len(offer.balances) == 1
    assert offer.decision["batched"]["model"] == ASK["model"]
    assert sse([]) == b""
