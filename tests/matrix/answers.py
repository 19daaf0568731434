"""What the API answers on the stage: bodies, event streams and errors, as data."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MODEL = "claude-sonnet-5-5"
STRONGER = "claude-opus-5-5"
USAGE: dict[str, Any] = {
    "input_tokens": 100,
    "cache_read_input_tokens": 2000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 42,
    "output_tokens_details": {"thinking_tokens": 10},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    "service_tier": "standard",
}
START_USAGE: dict[str, Any] = {**USAGE, "output_tokens": 1}
REFUSED_USAGE: dict[str, Any] = {"input_tokens": 100, "output_tokens": 7}
BATCH_USAGE: dict[str, Any] = {**USAGE, "server_tool_use": None, "service_tier": "batch"}

CUMULATIVE: dict[str, Any] = {name: count for name, count in USAGE.items() if name.endswith("input_tokens")}
"""What `message_delta` repeats of the input."""

JSON = "application/json"
EVENTS = "text/event-stream"
FRAMES = "application/vnd.amazon.eventstream"
LINES = "application/binary"

Event = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One HTTP response, or what comes instead of one."""

    body: bytes = b""
    content_type: str = JSON
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    raises: str = ""
    """The exception of the HTTP library that is raised instead of an answer, by its name."""
    breaks: str = ""
    """The one that is raised where the body would end."""
    hangs: bool = False
    """Nothing ever comes: async clients only."""
    stalls: bool = False
    """The body never ends: async clients only."""
    whole: bool = False
    """The body is in memory when it is handed out, as transports of tests and caches do it."""
    encoding: str = ""
    """`gzip`: the body is packed on its way."""


def message(**changes: Any) -> dict[str, Any]:
    """A message of the API; its id is made unique by the server."""
    return {
        "id": "msg_0000",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
        **changes,
    }


def start(**changes: Any) -> Event:
    """The first event of a stream, with the placeholder count of output that it has."""
    begun: dict[str, Any] = {"content": [], "stop_reason": None, "usage": START_USAGE}
    return {"type": "message_start", "message": message(**{**begun, **changes})}


TEXT_BLOCK: list[Event] = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " there"}},
    {"type": "content_block_stop", "index": 0},
]
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
TOOL_BLOCK: list[Event] = [
    {"type": "content_block_start", "index": 0, "content_block": {**TOOL, "input": {}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"ci'}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": 'ty":"Oslo"}'}},
    {"type": "content_block_stop", "index": 0},
]
STOP: Event = {"type": "message_stop"}


def delta(output: int = 42, stop_reason: str = "end_turn", **changes: Any) -> Event:
    """The closing counts; `changes` go beside the stop reason, or into the usage where that is a mapping."""
    usage = changes.pop("usage", {})
    said = {"stop_reason": stop_reason, "stop_sequence": None, **changes}
    return {"type": "message_delta", "delta": said, "usage": {"output_tokens": output, **usage}}


GOOD_EVENTS: list[Event] = [start(), *TEXT_BLOCK, delta(), STOP]


def as_sse(events: Sequence[Event]) -> bytes:
    """Events as a server sends them."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def as_frames(events: Sequence[Event]) -> bytes:
    """The same in the binary framing of Amazon Bedrock."""
    return b"".join(_frame(json.dumps(event).encode()) for event in events)


def _frame(event: bytes) -> bytes:
    """Total and header length, their checksum, headers, payload, the checksum of it all: big-endian, 32 bits each."""
    payload = json.dumps({"bytes": base64.b64encode(event).decode()}).encode()
    headers = b"".join(
        struct.pack(f">B{len(name)}sBH{len(value)}s", len(name), name, 7, len(value), value)
        for name, value in (
            (b":event-type", b"chunk"),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    begun = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return begun + struct.pack(">I", binascii.crc32(begun))


def said(**changes: Any) -> Answer:
    """A message as JSON."""
    return Answer(json.dumps(message(**changes)).encode())


def told(events: Sequence[Event] = GOOD_EVENTS, **changes: Any) -> Answer:
    """A message as events."""
    return Answer(as_sse(events), EVENTS, **changes)


def framed(events: Sequence[Event] = GOOD_EVENTS) -> Answer:
    """A message as Bedrock's frames."""
    return Answer(as_frames(events), FRAMES)


def refused(status: int, kind: str, *headers: tuple[str, str]) -> Answer:
    """An error of the API; the SDK need not wait long before it tries again."""
    body = {"type": "error", "error": {"type": kind, "message": "no"}}
    return Answer(json.dumps(body).encode(), status=status, headers=(("retry-after-ms", "1"), *headers))


def failed(error: str) -> Answer:
    """No answer: the HTTP library raises this."""
    return Answer(raises=error)


MESSAGE = said()
STREAM = told()
RATE_LIMITED = refused(429, "rate_limit_error")
OVERLOADED = refused(529, "overloaded_error")
NO_CONNECTION = failed("ConnectError")
"""It never left: nothing can be billed."""
NO_ANSWER = failed("ReadTimeout")
"""It left, and nobody knows what became of it."""
ERROR_EVENT: Event = {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}
ERROR_IN_STREAM = told([*GOOD_EVENTS[:4], ERROR_EVENT])
CUT_STREAM = told(GOOD_EVENTS[:4], breaks="RemoteProtocolError")
SHORT_STREAM = told(GOOD_EVENTS[:4])
"""Ends without an error and without `message_stop`."""
STALLED_STREAM = told(GOOD_EVENTS[:4], stalls=True)
SILENCE = Answer(hangs=True)
