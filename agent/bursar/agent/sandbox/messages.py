"""What does the API's Message look like, with its usage?"""

import json
from typing import Any

from bursar.agent.sandbox.answer import Answer
from bursar.agent.sandbox.bill import Usage

PLACEHOLDER_OUTPUT = 1  # what message_start says of output, before there is any


def usage_object(usage: Usage) -> dict[str, Any]:
    """`usage` as the API reports it on a message."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.write_5m + usage.write_1h,
        "cache_read_input_tokens": usage.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.write_5m,
            "ephemeral_1h_input_tokens": usage.write_1h,
        },
        "output_tokens": usage.output,
        "service_tier": usage.service_tier,
        "inference_geo": usage.inference_geo,
        "speed": usage.speed,
    }


def delta_usage_object(usage: Usage) -> dict[str, Any]:
    """`usage` as the API reports it on message_delta: cumulative totals, without the split and the modifiers."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.write_5m + usage.write_1h,
        "cache_read_input_tokens": usage.read,
        "output_tokens": usage.output,
    }


def message_object(
    message_id: str,
    model: str,
    usage: Usage,
    *,
    content: list[dict[str, Any]],
    stop_reason: str | None,
) -> dict[str, Any]:
    """A Message; one that a stream begins with has no content and no stop reason yet."""
    return {
        "model": model,
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage_object(usage),
    }


def content_object(answer: Answer, tool_use_id: str) -> list[dict[str, Any]]:
    """The content of a whole answer: one block, or none for a cache warm-up."""
    if answer.tool is not None:
        return [{"type": "tool_use", "id": tool_use_id, "name": answer.tool, "input": json.loads(answer.payload)}]
    return [{"type": "text", "text": answer.payload}] if answer.output_tokens else []
