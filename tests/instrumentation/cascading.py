"""A stage for cascades: the API with an answer for each of two models, and clients of both kinds that ask it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx2
from tests.instrumentation.scene import Answer, async_client, client, error, message

from bursar.instrumentation import cascade

HAIKU, OPUS = "claude-haiku-5-5", "claude-opus-5-5"
REQUEST: dict[str, Any] = {"max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}
USAGE = {"input_tokens": 1_000, "output_tokens": 100}
# USD per MTok: Haiku 5.5 0.10 in and 0.50 out, Opus 5.5 4 in and 20 out.
CHEAP_NANO = 1_000 * 100 + 100 * 500
STRONG_NANO = 1_000 * 4_000 + 100 * 20_000

OVERLOADED = error(529, "overloaded_error")


def says(text: str, **changes: Any) -> Answer:
    """A message of the model that was asked, with an id of its own."""
    said: list[int] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        said.append(0)
        model = json.loads(request.content)["model"]
        content = [{"type": "text", "text": text}]
        body = message(
            **{"id": f"msg_{model}_{len(said)}", "model": model, "content": content, "usage": USAGE} | changes
        )
        return httpx2.Response(200, headers={"request-id": f"req_{model}_{len(said)}"}, json=body)

    return respond


class Api:
    """Both models, and every request that came."""

    def __init__(self, cheap: Answer, strong: Answer | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[httpx2.Headers] = []
        self._answers = {HAIKU: cheap, OPUS: strong or says("certainly")}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(json.loads(request.content))
        self.headers.append(request.headers)
        return self._answers[self.asked[-1]["model"]](request)

    @property
    def models(self) -> list[str]:
        """Those that were asked, in order."""
        return [str(body["model"]) for body in self.asked]


Method = Callable[[Any], Any]


def create(c: Any) -> Any:
    return c.messages.create


def by_sync(api: Answer, method: Method = create, /, *, accept: Any, settle: bool = False, **arguments: Any) -> Any:
    """One cascade by the ordinary client."""
    call = method(client(api))
    tried = cascade(call, cheap=HAIKU, strong=OPUS, accept=accept, settle_for_cheap=settle)
    return tried(**{**REQUEST, **arguments})


def by_async(api: Answer, method: Method = create, /, *, accept: Any, settle: bool = False, **arguments: Any) -> Any:
    """The same by the async one."""

    async def run() -> Any:
        call = method(async_client(api))
        tried = cascade(call, cheap=HAIKU, strong=OPUS, accept=accept, settle_for_cheap=settle)
        return await tried(**{**REQUEST, **arguments})

    return asyncio.run(run())
