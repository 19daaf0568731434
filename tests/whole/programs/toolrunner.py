"""
Three conversations: prints how many answers each got, and what refused it.

Two of the SDK's tool runner, whose model never stops calling its tool, and a thread that the API holds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import anthropic
from anthropic import beta_tool

from bursar.instrumentation import BudgetExceeded, instrument

instrument()
client = anthropic.Anthropic()


@beta_tool
def look() -> str:
    """Look out of the window."""
    return "rain"


def converse(question: str) -> list[object]:
    """A loop of the tool runner."""
    runner = client.beta.messages.tool_runner(
        model="claude-haiku-5-5",
        max_tokens=100,
        max_iterations=10,
        tools=[look],
        tool_choice={"type": "tool", "name": "look"},
        messages=[{"role": "user", "content": question}],
        thread=False,
    )
    return counted(iter(runner))


def talk() -> list[object]:
    """The same of a thread, of which only the new messages are sent."""
    thread = client.beta.messages.thread(model="claude-haiku-5-5", max_tokens=100)
    return counted(thread.send({"role": "user", "content": "Go on."}) for _ in range(10))


def counted(turns: Iterator[object]) -> list[object]:
    """How many came before the refusal, and its budget, limit and spending."""
    answers = 0
    try:
        for _ in turns:
            answers += 1
    except BudgetExceeded as refusal:
        return [answers, refusal.budget, refusal.limit, refusal.spent]
    return [answers]


sys.stdout.write(json.dumps([converse("Is it raining?"), converse("And now?"), talk()]))
