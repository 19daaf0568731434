"""Six event loops, each in a thread of its own, each with twenty calls under way at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import anthropic

from bursar.instrumentation import instrument

instrument()


async def twenty() -> None:
    """What each loop does."""
    async with anthropic.AsyncAnthropic(max_retries=4) as client:
        calls = [
            client.messages.create(
                model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": str(number)}]
            )
            for number in range(20)
        ]
        await asyncio.gather(*calls)


with ThreadPoolExecutor(6) as pool:
    for done in [pool.submit(asyncio.run, twenty()) for _ in range(6)]:
        done.result()
