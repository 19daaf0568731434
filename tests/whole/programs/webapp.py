"""A web application that asks Claude at every request and says which process did: `app` for WSGI, `asgi` for ASGI."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anthropic

ASK: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Which process is this?"}],
    "extra_headers": {"x-sandbox-latency-ms": "20"},
}
if "WEBAPP_ASKS_FIRST" in os.environ:
    anthropic.Anthropic().messages.create(**ASK)


def app(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """One call."""
    anthropic.Anthropic(max_retries=0).messages.create(**ASK)
    start_response("200 OK", [("content-type", "text/plain")])
    return [str(os.getpid()).encode()]


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """The same, asynchronously."""
    if scope["type"] != "http":
        return
    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        await client.messages.create(**ASK)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
