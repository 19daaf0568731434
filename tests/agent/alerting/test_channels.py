"""Claims about channels: accepted means accepted, secrets stay secret, and nobody is pinged by a label."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from bursar.agent.alerting import channels
from bursar.agent.alerting.channels import (
    Channel,
    ChannelError,
    LogChannel,
    SlackChannel,
    WebhookChannel,
    open_channel,
)
from bursar.agent.alerting.message import Message
from bursar.agent.rules import Rules
from bursar.policies import policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot

URL = "https://hooks.example.org/T0/secret"
MESSAGE = Message('Budget "day" has reached 80%', ("8.00 of 10.00 USD are spent.", "Mind it."), {"step": "80%"})
TEXT = 'Budget "day" has reached 80%. 8.00 of 10.00 USD are spent. Mind it.'


def send(kind: Callable[[str, httpx.AsyncClient], Channel], answer: Callable[[httpx.Request], httpx.Response]) -> None:
    """Send the message through a channel of a kind to somebody who answers so."""

    async def sending() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            await kind(URL, client).send(MESSAGE)

    asyncio.run(sending())


@pytest.mark.parametrize("status", [200, 204])
def test_slack(status: int) -> None:
    """Slack gets blocks, and the text for where blocks are not shown."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status)

    send(SlackChannel, answer)
    assert [(request.method, str(request.url)) for request in seen] == [("POST", URL)]
    assert json.loads(seen[0].content) == {
        "text": TEXT,
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": 'Budget "day" has reached 80%', "emoji": False},
            },
            {"type": "section", "text": {"type": "mrkdwn", "text": "8.00 of 10.00 USD are spent.\nMind it."}},
        ],
    }


def test_webhook() -> None:
    """A webhook gets text and data in one object."""
    seen: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(202)

    send(WebhookChannel, answer)
    assert seen == [{"text": TEXT, "step": "80%"}]


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    """The log gets one line."""
    asyncio.run(LogChannel().send(MESSAGE))
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.WARNING, TEXT)]


@pytest.mark.parametrize("kind", [SlackChannel, WebhookChannel])
@pytest.mark.parametrize(
    ("response", "told", "retry_after"),
    [
        (httpx.Response(500), "it answered 500", None),
        (httpx.Response(429, headers={"retry-after": "30"}), "it answered 429", 30.0),
        (httpx.Response(429, headers={"retry-after": "Sun, 22 Nov 2026 12:00:00 GMT"}), "it answered 429", None),
        (httpx.Response(404, text="no_service"), "it answered 404 no_service", None),
        (httpx.Response(302, headers={"location": "https://elsewhere.example.org"}), "it answered 302", None),
    ],
)
def test_not_accepted(
    kind: Callable[[str, httpx.AsyncClient], Channel], response: httpx.Response, told: str, retry_after: float | None
) -> None:
    """Anything but 2xx is no acceptance; what the other side asks to wait is kept."""
    with pytest.raises(ChannelError) as error:
        send(kind, lambda _: response)
    assert (str(error.value), error.value.retry_after) == (told, retry_after)


@pytest.mark.parametrize("kind", [SlackChannel, WebhookChannel])
def test_an_answer_that_never_ends(
    kind: Callable[[str, httpx.AsyncClient], Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that trickle in keep a client waiting for ever; a channel waits a bounded time for the whole."""
    monkeypatch.setattr(channels, "TIMEOUT_SECONDS", 0.02)

    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        return httpx.Response(200)

    async def sending() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(hang)) as client:
            await kind(URL, client).send(MESSAGE)

    with pytest.raises(ChannelError, match=r"it did not answer within 0.02 s"):
        asyncio.run(sending())


def test_unreachable() -> None:
    """Nobody there is an error too, and it does not tell the address."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot connect to {request.url}")

    with pytest.raises(ChannelError) as error:
        send(SlackChannel, refuse)
    assert str(error.value) == "it cannot be reached (ConnectError)"


def test_open_channel() -> None:
    """A name opens the policy's channel; one that is not there any more opens the log."""
    rules = Rules(
        policy=policy.Policy(
            version=1,
            mode=policy.Mode.ENFORCE,
            channels=(
                policy.Channel("team", "slack", "TEAM_URL"),
                policy.Channel("pager", "webhook", "PAGER_URL"),
                policy.Channel("log", "log"),
            ),
        ),
        prices=shipped_book(),
        snapshot=Snapshot("s"),
        addresses={"team": URL, "pager": URL},
    )
    client = httpx.AsyncClient()
    kinds = [type(open_channel(name, rules, client)) for name in ("team", "pager", "log", "gone")]
    assert kinds == [SlackChannel, WebhookChannel, LogChannel, LogChannel]
    assert isinstance(open_channel("team", replace(rules, policy=None, addresses={}), client), LogChannel)
