"""How is a message told: to Slack, to a webhook, to the log?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Protocol

import httpx

from bursar.agent.alerting.message import Message
from bursar.agent.alerting.slack import slack_body
from bursar.agent.rules import Rules

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
"""For the whole of an answer: one that trickles in must not hold up the channel."""


class ChannelError(Exception):
    """A channel did not take a message; the text never holds its address, which is a secret."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        """`retry_after`: the seconds that the other side asked to wait."""
        super().__init__(text)
        self.retry_after = retry_after


class Channel(Protocol):
    """Somebody to tell."""

    async def send(self, message: Message) -> str | None:
        """What the other side answered, once the message is accepted. Raises `ChannelError` where it is not."""
        ...


class LogChannel:
    """Writes to the agent's own log."""

    async def send(self, message: Message) -> None:
        """One line, as a warning."""
        _log.warning("%s", message.text)


class WebhookChannel:
    """Posts the message's text and data as one JSON object."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client

    async def send(self, message: Message) -> str:
        """Any 2xx accepts it."""
        return await _post(self._client, self._url, {"text": message.text, **message.data})


class SlackChannel:
    """Posts to a Slack incoming webhook."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client

    async def send(self, message: Message) -> str:
        """Any 2xx accepts it."""
        return await _post(self._client, self._url, slack_body(message))


def open_channel(name: str, rules: Rules, client: httpx.AsyncClient) -> Channel:
    """The channel of this name; the log for one that the policy has no longer, so that nothing goes untold."""
    kind = next((known.kind for known in rules.policy.channels if known.name == name), None) if rules.policy else None
    address = rules.addresses.get(name)
    if kind == "slack" and address is not None:
        return SlackChannel(address, client)
    if kind == "webhook" and address is not None:
        return WebhookChannel(address, client)
    return LogChannel()


async def _post(client: httpx.AsyncClient, url: str, body: Mapping[str, Any]) -> str:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            response = await client.post(url, json=body, timeout=TIMEOUT_SECONDS)
    except TimeoutError as error:
        raise ChannelError(f"it did not answer within {TIMEOUT_SECONDS:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ChannelError(f"it cannot be reached ({type(error).__name__})") from error
    said = f"it answered {response.status_code} {response.text[:100].strip()}".strip()
    if not response.is_success:
        raise ChannelError(said, _retry_after(response))
    return said


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds of a `Retry-After`; the form with a date is passed over, since our own steps serve as well."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None
