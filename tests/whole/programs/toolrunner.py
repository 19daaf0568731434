"""Two conversations of the SDK's tool runner, whose model never stops calling its tool: prints the calls of each."""

from __future__ import annotations

import json
import sys

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
    """How many answers came before the refusal, and what was refused."""
    runner = client.beta.messages.tool_runner(
        model="claude-haiku-5-5",
        max_tokens=100,
        max_iterations=10,
        tools=[look],
        tool_choice={"type": "tool", "name": "look"},
        messages=[{"role": "user", "content": question}],
    )
    answers = 0
    try:
        for _ in runner:
            answers += 1
    except BudgetExceeded as refusal:
        return [answers, refusal.budget, refusal.limit, refusal.spent]
    return [answers]


sys.stdout.write(json.dumps([converse("Is it raining?"), converse("And now?")]))
