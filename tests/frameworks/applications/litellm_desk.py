"""A support desk on LiteLLM, which calls Claude without Anthropic's SDK."""
# The framework is installed only where this file runs.
# mypy: disable-error-code="import-not-found"
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Any

import litellm

MODEL = "anthropic/claude-haiku-5-5"
QUESTION = "Where is my parcel?"
CHAT = [{"role": "user", "content": QUESTION}]


def plain() -> Any:
    return litellm.completion(model=MODEL, messages=CHAT, max_tokens=60)


def streamed() -> Any:
    return list(litellm.completion(model=MODEL, messages=CHAT, max_tokens=60, stream=True))


async def plain_async() -> Any:
    return await litellm.acompletion(model=MODEL, messages=CHAT, max_tokens=60)


async def streamed_async() -> Any:
    pieces = await litellm.acompletion(model=MODEL, messages=CHAT, max_tokens=60, stream=True)
    return [piece async for piece in pieces]


def cached() -> list[Any]:
    """The second of two calls reads what the first wrote to the prompt cache."""
    system = {"type": "text", "text": "We ship parcels. " * 500, "cache_control": {"type": "ephemeral"}}
    chat = [{"role": "system", "content": [system]}, *CHAT]
    return [litellm.completion(model=MODEL, messages=chat, max_tokens=60) for _ in range(2)]


CASES = (plain, streamed, plain_async, streamed_async, cached)


def trace() -> None:
    """LiteLLM's own spans, sent by its own exporter to where its environment variables say."""
    litellm.callbacks = ["otel"]


def close() -> None:
    """Nothing waits."""
