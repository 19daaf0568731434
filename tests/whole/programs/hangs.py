"""
Calls on an event loop, so many as each line says, until a line is empty; in the end all of it is shipped. Each is
another tenant's, whose balance nobody was lent of: so each has to ask.

For each it prints the longest call: how many seconds it took, and how often the loop came round meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count

import anthropic

from bursar.instrumentation import flush, instrument, route

instrument()
rounds = 0
tenants = count()


async def turn() -> None:
    """Counts how often the loop comes round, about a hundred times a second."""
    global rounds
    while True:
        rounds += 1
        await asyncio.sleep(0.01)


async def call(client: anthropic.AsyncAnthropic) -> tuple[float, int]:
    """Seconds, and rounds of the loop."""
    began, before = time.monotonic(), rounds
    with route("work", tenant=f"t{next(tenants)}"):
        await client.messages.create(
            model="claude-haiku-5-5",
            max_tokens=100,
            messages=[{"role": "user", "content": "Go on."}],
            extra_headers={"x-sandbox-output-tokens": "100"},
        )
    return time.monotonic() - began, rounds - before


async def calls() -> None:
    """So many as each line says."""
    async with anthropic.AsyncAnthropic() as client:
        turning = asyncio.create_task(turn())
        for line in iter(sys.stdin.readline, "\n"):
            longest = max([await call(client) for _ in range(int(line))])
            sys.stdout.write(json.dumps(longest) + "\n")
            sys.stdout.flush()
        turning.cancel()


asyncio.run(calls())
while not flush(5):
    pass
