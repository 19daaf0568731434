"""Two hundred calls, most of them in four threads: half with the SDK's own tracing, half without it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import anthropic
from opentelemetry import trace

from bursar.instrumentation import instrument

THREADS = 4

instrument()
clients = [anthropic.Anthropic(max_retries=4), anthropic.Anthropic(max_retries=4, open_telemetry=False)]


def calls(turns: int) -> None:
    """So many of each half."""
    for client in clients:
        for turn in range(turns):
            client.messages.create(
                model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": f"Go on: {turn}."}]
            )


calls(4)  # while the first call sets tracing up, those of other threads have no span
with ThreadPoolExecutor(THREADS) as pool:
    list(pool.map(calls, [24] * THREADS))
getattr(trace.get_tracer_provider(), "force_flush")()  # noqa: B009 - the API's class has none
