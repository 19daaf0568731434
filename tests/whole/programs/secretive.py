"""Ways of calling and failing, with words that nobody else may read; prints how the answers begin."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

import anthropic
import httpx2

from bursar.instrumentation import BudgetExceeded, flush, instrument, route

instrument()
client: Any = anthropic.Anthropic(max_retries=0)
ask: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 60,
    "system": "You are zqsystem.",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Tell me of zqprompt."}]}],
    "metadata": {"user_id": "zquser"},
}
tools: list[Any] = [
    {
        "name": "look_up",
        "description": "Looks zqtool up.",
        "input_schema": {"type": "object", "properties": {"zqargument": {"type": "string"}}},
    }
]
answers: list[str] = []


def note(answer: Any) -> None:
    """Keep the beginning of what an answer says."""
    answers.extend(" ".join(block.text.split()[:5]) for block in answer.content if block.type == "text")


with route("secretive", tenant="acme"):
    note(client.messages.create(**ask))
    client.messages.create(**ask, tools=tools, tool_choice={"type": "tool", "name": "look_up"})
    with client.messages.stream(**ask) as stream:
        note(stream.get_final_message())
    for staged in ("500", "midstream", "cut"):
        with suppress(anthropic.APIError, httpx2.RemoteProtocolError, BudgetExceeded):
            list(client.messages.create(**ask, stream=True, extra_headers={"x-sandbox-error": staged}))
    for model in ("claude-nobody", "claude-opus-5-5"):
        with suppress(anthropic.APIError, BudgetExceeded):
            client.messages.create(**{**ask, "model": model, "max_tokens": 8_000})
flush(10)
sys.stdout.write(json.dumps(answers))
