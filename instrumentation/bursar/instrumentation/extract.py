"""What a response says of its usage: the only room that knows the shapes of responses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bursar.policies.usage import Get, UsageReport, fields_of, read_report


class Tally:
    """
    What one response has said so far, from whichever shape it came in: a message, its events, or their bytes.

    `final` once the closing counts are in; before that the figures are a lower bound.
    """

    __slots__ = (
        *("_has_container", "_has_content", "_report", "_usage"),
        *("complete", "failure", "final", "miss_reason", "model", "response_id", "stop_reason"),
    )

    def __init__(self) -> None:
        self.model: str | None = None
        self.response_id: str | None = None
        self.stop_reason: str | None = None
        self.miss_reason = ""
        """Why its prompt was not in the cache, where the request asked for diagnostics."""
        self.final = False
        self.complete = False
        """Whether the response was whole: a stream says so by its last event."""
        self.failure: str | None = None
        """What broke a stream off, as `error.type` names it; None where nothing did."""
        self._has_content = self._has_container = False
        self._usage: Any = None
        """A message's as it stands in it; a stream's as put together from its events."""
        self._report: UsageReport | None = None

    @property
    def started(self) -> bool:
        """Whether any usage was seen."""
        return self._usage is not None

    def message(self, message: Any) -> None:
        """A whole message, as the SDK's object or as JSON."""
        get = fields_of(message)
        self._identify(get)
        self.complete = True
        usage = get("usage")
        if usage is not None:
            self._usage = usage
            self._report = None
            self.final = True
        self._has_content = bool(get("content"))
        self._has_container = get("container") is not None

    def event(self, event: Any) -> bool:
        """One stream event, as the SDK's object or as JSON. Whether it changed the usage."""
        get = fields_of(event)
        kind = get("type")
        if kind == "message_start":
            return self._start(get("message"))
        if kind == "message_delta":
            return self._delta(get)
        if kind == "content_block_start":
            self._has_content = True
        elif kind == "message_stop":
            self.complete = True
        elif kind == "error":
            self.failure = _text(fields_of(get("error"))("type")) or "error"
        return False

    def report(self) -> UsageReport | None:
        """The usage seen, or None when the response never said."""
        if self._report is None and self._usage is not None:
            self._report = read_report(
                self._usage,
                stop_reason=self.stop_reason,
                has_content=self._has_content,
                has_container=self._has_container,
            )
        return self._report

    def _start(self, message: Any) -> bool:
        get = fields_of(message)
        self._identify(get)
        usage = get("usage")
        if usage is None:
            return False
        self._usage = _fields(usage)
        self._report = None
        return True

    def _delta(self, get: Get) -> bool:
        delta = fields_of(get("delta"))
        self.stop_reason = _text(delta("stop_reason")) or self.stop_reason
        self._has_container = self._has_container or delta("container") is not None
        usage = get("usage")
        if usage is None:
            return False
        # Counts of a delta are cumulative: they replace, and what it leaves out stands in `message_start` alone.
        counts = {name: value for name, value in _fields(usage).items() if value is not None}
        self._usage = {**_fields(self._usage), **counts}
        self._report = None
        self.final = True
        return True

    def _identify(self, get: Get) -> None:
        self.model = _text(get("model"))
        self.response_id = _text(get("id"))
        self.stop_reason = _text(get("stop_reason"))
        diagnostics = get("diagnostics")
        if diagnostics is not None:
            self._diagnose(diagnostics)

    def _diagnose(self, diagnostics: Any) -> None:
        reason = fields_of(diagnostics)("cache_miss_reason")
        if reason is not None:
            self.miss_reason = _text(fields_of(reason)("type")) or ""


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
            encoded = fields_of(frame)("bytes")
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
    if isinstance(source, (dict, Mapping)):
        return dict(source)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    extra: dict[str, Any] = getattr(source, "__pydantic_extra__", None) or {}
    return {**getattr(source, "__dict__", {}), **extra}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
