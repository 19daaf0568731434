"""
Processes of four threads each, all calling: `crew.py START_METHOD PROCESSES CALLS`; prints how the calls went.

The parent calls before its children, beside them and after them. A thread that is refused a call stops.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic

from bursar.instrumentation import BudgetExceeded, instrument

THREADS = 4

instrument()


def calls(number: int) -> Counter[str]:
    """So many calls in each of four threads."""
    client = anthropic.Anthropic(max_retries=4)
    with ThreadPoolExecutor(THREADS) as pool:
        went = pool.map(thread, [client] * THREADS, [number] * THREADS)
        return sum(went, Counter[str]())


def thread(client: anthropic.Anthropic, number: int) -> Counter[str]:
    """So many calls, each of which costs the same."""
    went = Counter[str]()
    for _ in range(number):
        try:
            client.messages.create(
                model="claude-haiku-5-5",
                max_tokens=100,
                messages=[{"role": "user", "content": "Go on."}],
                extra_headers={"x-sandbox-output-tokens": "100"},
            )
        except BudgetExceeded:
            went["refused"] += 1
            break
        went["answered"] += 1
    return went


def work(number: int, told: Any) -> None:
    """What a child does."""
    told.put(calls(number))


def crew(context: Any, processes: int, number: int) -> Counter[str]:
    """One parent, its children, and what became of their calls."""
    went = calls(1)
    told = context.Queue()
    children = [context.Process(target=work, args=(number, told)) for _ in range(processes)]
    for child in children:
        child.start()
    went += calls(1)
    for _ in children:
        went += told.get()
    for child in children:
        child.join()
        assert child.exitcode == 0
    return went + calls(1)


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    sys.stdout.write(json.dumps(crew(context, int(sys.argv[2]), int(sys.argv[3]))))
