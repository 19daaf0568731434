"""Which events would a stream have told a message by?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_TOOLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""Blocks whose input is told as JSON, by `input_json_delta`. Those that are not told of below come whole."""

Event = dict[str, Any]


def body_of_message(message: Mapping[str, Any]) -> bytes:
    """The body of a stream, as server-sent events: what the SDK makes of it is this very message."""
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
        for event in events(message)
    )


def events(message: Mapping[str, Any]) -> Iterator[Event]:
    """In the API's order: the message without what comes later, each block, and how it ended."""
    usage: Any = message.get("usage") or {}
    start: dict[str, Any] = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    if "output_tokens" in usage:
        start["usage"] = {**usage, "output_tokens": 0}
    yield {"type": "message_start", "message": start}
    content: Any = message.get("content") or []
    for index, block in enumerate(content):
        yield from _of_block(index, block)
    ended = ("stop_reason", "stop_sequence", "stop_details", "container")
    delta = {name: message[name] for name in ended if name in message}
    yield {"type": "message_delta", "delta": delta, "usage": usage}
    yield {"type": "message_stop"}


def _of_block(index: int, block: Mapping[str, Any]) -> Iterator[Event]:
    kind = block.get("type")
    started, deltas = dict(block), list[Event]()
    if kind == "text":
        started["text"] = ""
        if block.get("citations") is not None:
            started["citations"] = []
            deltas += [{"type": "citations_delta", "citation": citation} for citation in block["citations"]]
        if block.get("text"):
            deltas.insert(0, {"type": "text_delta", "text": block["text"]})
    elif kind == "thinking":
        started |= {"thinking": "", "signature": ""}
        if block.get("thinking"):
            deltas.append({"type": "thinking_delta", "thinking": block["thinking"]})
        if block.get("signature"):
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif kind in _TOOLS:
        started["input"] = {}
        told = json.dumps(block.get("input") or {}, ensure_ascii=False, separators=(",", ":"))
        deltas.append({"type": "input_json_delta", "partial_json": told})
    yield {"type": "content_block_start", "index": index, "content_block": started}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}
