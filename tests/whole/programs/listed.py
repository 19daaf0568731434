"""A list that is given before an agent's rules are heard of, and begun after a call has fetched them; its route."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import anthropic

from bursar.instrumentation import flush, instrument, map_batch
from bursar.instrumentation.testing import recorded

ASK: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 16,
    "messages": [{"role": "user", "content": "Hello"}],
}


def digest(client: anthropic.AsyncAnthropic) -> Any:
    """One list, found by this function's name."""
    return map_batch(client, [ASK], progress=False)


async def main() -> None:
    """Give the list, make a call, then wait for the list."""
    async with anthropic.AsyncAnthropic() as client:
        listed = digest(client)
        await client.messages.create(**ASK)
        await listed


instrument()
with recorded() as seen:
    asyncio.run(main())
sys.stdout.write(seen.charges[-1].route)
flush()
