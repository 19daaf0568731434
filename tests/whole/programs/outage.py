"""
A process that calls while its agent is away: `outage.py CALLS_BEFORE THREADS`.

It makes so many calls that are answered, says `ready`, and waits for a line. If it made any, it then hears from the
agent once more, says `set`, and waits for another line. Then it calls in each thread until it is refused. It prints how
often it was answered, and why it was refused; then it waits for one more line, and calls until it is answered.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic

from bursar.instrumentation import BudgetExceeded, flush, instrument

instrument()
client = anthropic.Anthropic()


def call() -> str:
    """One call; why it was refused, if it was."""
    try:
        client.messages.create(
            model="claude-haiku-5-5",
            max_tokens=100,
            messages=[{"role": "user", "content": "Go on."}],
            extra_headers={"x-sandbox-output-tokens": "100"},
        )
    except BudgetExceeded as refusal:
        return refusal.reason.value
    return ""


def until_refused(_: int) -> tuple[int, str]:
    """How many calls were answered, and why the next was not."""
    answered = 0
    while not (why := call()):
        answered += 1
    return answered, why


def tell(value: Any) -> None:
    """One line for the test."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


while int(sys.argv[1]) and not flush(5):  # from here on it knows the rules
    pass
for _ in range(int(sys.argv[1])):
    while call():  # on a busy machine even an agent in good health may keep a call waiting for too long
        time.sleep(0.1)
flush(5)
tell("ready")
sys.stdin.readline()
if int(sys.argv[1]):
    while not flush(5):  # whatever the agent has lent by now this process then knows of
        pass
    tell("set")
    sys.stdin.readline()
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    went = list(pool.map(until_refused, range(int(sys.argv[2]))))
tell({"answered": sum(answered for answered, _ in went), "why": sorted({why for _, why in went})})
sys.stdin.readline()
why = ""
for _ in range(300):
    if not (why := call()):
        break
    time.sleep(0.1)
flush(5)
tell(why or "back")
