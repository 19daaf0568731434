"""Which message do the events of a stream make, once it is over?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

_PARTS = {"text_delta": "text", "input_json_delta": "partial_json"}
"""Of a delta, by its type, where it has its piece of a text or of a tool's input."""


def assembled(body: bytes) -> Mapping[str, Any] | None:
    """A message with its model, stop reason, text and tool calls; None of a stream that did not come to its end."""
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    pieces: dict[int, list[str]] = {}
    for event in _events(body):
        index = cast(int, event.get("index"))
        match event.get("type"):
            case "message_start":
                message = dict(event["message"])
            case "content_block_start":
                blocks[index] = dict(event["content_block"])
                pieces[index] = [str(event["content_block"].get("text", ""))]
            case "content_block_delta":
                part = _PARTS.get(str(event["delta"].get("type")))
                if part is not None:
                    pieces[index].append(str(event["delta"].get(part, "")))
            case "message_delta":
                message["stop_reason"] = event["delta"].get("stop_reason")
            case "message_stop":
                return {**message, "content": [_filled(blocks[at], "".join(pieces[at])) for at in sorted(blocks)]}
            case _:
                pass
    return None


def _filled(block: Mapping[str, Any], text: str) -> dict[str, Any]:
    if block.get("type") == "tool_use":
        return {**block, "input": json.loads(text) if text else block.get("input", {})}
    return {**block, "text": text} if block.get("type") == "text" else dict(block)


def _events(body: bytes) -> Iterator[Mapping[str, Any]]:
    for line in body.split(b"\n"):
        if line.startswith(b"data:"):
            event: Any = json.loads(line[5:])
            if isinstance(event, dict):
                yield cast("Mapping[str, Any]", event)
