"""
Threads that call until they are refused: `spender.py THREADS CALLS`; prints how it went and the tokens used.

Each call is answered with 100 output tokens, all it asks for.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import anthropic

from bursar.instrumentation import BudgetExceeded, flush, instrument

instrument()
client = anthropic.Anthropic()


def thread(calls: int) -> Counter[str]:
    """So many calls, one after the other."""
    went = Counter[str]()
    for _ in range(calls):
        try:
            message = client.messages.create(
                model="claude-haiku-5-5",
                max_tokens=100,
                messages=[{"role": "user", "content": "Go on."}],
                extra_headers={"x-sandbox-output-tokens": "100"},
            )
        except BudgetExceeded as refusal:
            went[f"{refusal.reason.value} {refusal.unit}"] += 1
            break
        went["answered"] += 1
        went["tokens"] += message.usage.input_tokens + message.usage.output_tokens
    return went


threads, calls = int(sys.argv[1]), int(sys.argv[2])
with ThreadPoolExecutor(threads) as pool:
    sys.stdout.write(json.dumps(sum(pool.map(thread, [calls] * threads), Counter[str]())))
flush(10)
