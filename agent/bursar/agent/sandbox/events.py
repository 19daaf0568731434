"""Which server-sent events make up a streamed answer, in the API's order, and what has been output after each?"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from bursar.agent.sandbox.answer import Answer
from bursar.agent.sandbox.bill import Usage
from bursar.agent.sandbox.errors import error_body
from bursar.agent.sandbox.messages import PLACEHOLDER_OUTPUT, delta_usage_object, message_object


@dataclass(frozen=True, slots=True)
class Event:
    """One event, and the output tokens that are billed once it is sent."""

    name: str
    data: dict[str, Any]
    output_tokens: int

    def encoded(self) -> bytes:
        """The event on the wire."""
        return f"event: {self.name}\ndata: {json.dumps(self.data, separators=(',', ':'))}\n\n".encode()


def whole(message_id: str, model: str, tool_use_id: str, answer: Answer, usage: Usage) -> Iterator[Event]:
    """All events of an answer; `usage` is that of the whole."""
    yield from _opening(message_id, model, tool_use_id, answer, usage)
    yield from _deltas(answer)
    yield _event("content_block_stop", answer.output_tokens, index=0)
    delta = {"stop_reason": answer.stop_reason, "stop_sequence": None}
    yield _event("message_delta", answer.output_tokens, delta=delta, usage=delta_usage_object(usage))
    yield _event("message_stop", answer.output_tokens)


def first_half(message_id: str, model: str, tool_use_id: str, answer: Answer, usage: Usage) -> Iterator[Event]:
    """The events of an answer that breaks off after half of its deltas."""
    yield from _opening(message_id, model, tool_use_id, answer, usage)
    deltas = list(_deltas(answer))
    yield from deltas[: len(deltas) // 2]


def failure(output_tokens: int, request_id: str) -> Event:
    """The error event that ends a stream which fails in the middle."""
    return Event("error", error_body("overloaded_error", "Overloaded", request_id), output_tokens)


def _opening(message_id: str, model: str, tool_use_id: str, answer: Answer, usage: Usage) -> Iterator[Event]:
    begun = replace(usage, output=PLACEHOLDER_OUTPUT)
    yield _event("message_start", 0, message=message_object(message_id, model, begun, content=[], stop_reason=None))
    block: dict[str, Any] = {"type": "text", "text": ""}
    if answer.tool is not None:
        block = {"type": "tool_use", "id": tool_use_id, "name": answer.tool, "input": {}}
    yield _event("content_block_start", 0, index=0, content_block=block)
    yield _event("ping", 0)


def _deltas(answer: Answer) -> Iterator[Event]:
    kind, member = ("text_delta", "text") if answer.tool is None else ("input_json_delta", "partial_json")
    for part, so_far in answer.pieces():
        yield _event("content_block_delta", so_far, index=0, delta={"type": kind, member: part})


def _event(name: str, output_tokens: int, **data: Any) -> Event:
    return Event(name, {"type": name, **data}, output_tokens)
