"""What a response says of its usage: the only room that knows the shapes of responses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bursar.policies.usage import UsageReport, read_report


class Tally:
    """
    What one response has said so far, from whichever shape it came in: a message, its events, or their bytes.

    `final` once the closing counts are in; before that the figures are a lower bound.
    """

    __slots__ = ("_has_content", "_usage", "final", "model", "response_id", "stop_reason")

    def __init__(self) -> None:
        self.model: str | None = None
        self.response_id: str | None = None
        self.stop_reason: str | None = None
        self.final = False
        self._has_content = False
        self._usage: dict[str, Any] | None = None

    @property
    def started(self) -> bool:
        """Whether any usage was seen."""
        return self._usage is not None

    def message(self, message: Any) -> None:
        """A whole message, as the SDK's object or as JSON."""
        self._identify(message)
        usage = _get(message, "usage")
        if usage is not None:
            self._usage = _fields(usage)
            self.final = True
        self._has_content = bool(_get(message, "content"))

    def event(self, event: Any) -> bool:
        """One stream event, as the SDK's object or as JSON. Whether it changed the usage."""
        kind = _get(event, "type")
        if kind == "message_start":
            return self._start(_get(event, "message"))
        if kind == "message_delta":
            return self._delta(event)
        if kind == "content_block_start":
            self._has_content = True
        return False

    def report(self) -> UsageReport | None:
        """The usage seen, or None when the response never said."""
        if self._usage is None:
            return None
        return read_report(self._usage, stop_reason=self.stop_reason, has_content=self._has_content)

    def _start(self, message: Any) -> bool:
        self._identify(message)
        usage = _get(message, "usage")
        if usage is None:
            return False
        self._usage = _fields(usage)
        return True

    def _delta(self, event: Any) -> bool:
        self.stop_reason = _text(_get(_get(event, "delta"), "stop_reason")) or self.stop_reason
        usage = _get(event, "usage")
        if usage is None:
            return False
        # Counts of a delta are cumulative: they replace, and what it leaves out stands in `message_start` alone.
        counts = {name: value for name, value in _fields(usage).items() if value is not None}
        self._usage = {**(self._usage or {}), **counts}
        self.final = True
        return True

    def _identify(self, message: Any) -> None:
        self.model = _text(_get(message, "model"))
        self.response_id = _text(_get(message, "id"))
        self.stop_reason = _text(_get(message, "stop_reason"))


class EventBytes:
    """Stream events out of raw bytes, however they are cut: server-sent events, or Bedrock's binary frames."""

    def __init__(self, *, binary: bool) -> None:
        self._buffer = b""
        self._binary = binary

    def feed(self, chunk: bytes) -> Iterator[Mapping[str, Any]]:
        """The events that matter among those completed by this chunk. Malformed ones are passed over."""
        self._buffer += chunk
        payloads = self._frames() if self._binary else self._blocks()
        for payload in payloads:
            event = _json(payload)
            if isinstance(event, Mapping):
                yield event  # pyright: ignore[reportUnknownVariableType]

    def _blocks(self) -> Iterator[bytes]:
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            if line.startswith(b"data:") and _matters(line):
                yield line[5:].strip()

    def _frames(self) -> Iterator[bytes]:
        """Vendor framing: u32 total, u32 header length, u32 checksum, headers, payload, u32 checksum."""
        while len(self._buffer) >= 12:
            total = int.from_bytes(self._buffer[:4], "big")
            if total < 16:
                self._buffer = b""
                return
            if len(self._buffer) < total:
                return
            headers = int.from_bytes(self._buffer[4:8], "big")
            frame = _json(self._buffer[12 + headers : total - 4])
            self._buffer = self._buffer[total:]
            encoded = _get(frame, "bytes")
            if isinstance(encoded, str):
                yield _decoded(encoded)


def _matters(line: bytes) -> bool:
    """
    Whether an event may change the tally: a cheap test that spares most deltas their JSON.

    Gateways may order an event's fields as they like: what is not surely a delta of content is looked at.
    """
    return b'"content_block_delta"' not in line[:64]


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except ValueError:
        return b""


def is_binary_stream(content_type: str) -> bool:
    """Whether a body is Bedrock's framed event stream."""
    return content_type.startswith("application/vnd.amazon.eventstream")


def is_event_stream(content_type: str) -> bool:
    """Whether a body is a stream of message events in either framing."""
    return content_type.startswith("text/event-stream") or is_binary_stream(content_type)


def json_body(content: bytes) -> Any:
    """A JSON body, or None where it is not one."""
    return _json(content)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _fields(source: Any) -> dict[str, Any]:
    """The fields of a JSON object or of an SDK model, the ones its type does not declare included."""
    if isinstance(source, Mapping):
        return dict(source)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    extra: dict[str, Any] = getattr(source, "__pydantic_extra__", None) or {}
    return {**getattr(source, "__dict__", {}), **extra}


def _get(source: Any, name: str) -> Any:
    if isinstance(source, Mapping):
        return source.get(name)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return getattr(source, name, None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
