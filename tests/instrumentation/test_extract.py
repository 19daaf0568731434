"""Extract: the same figures from a message, its events, and their bytes however they are cut."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from bursar.instrumentation.extract import (
    EventBytes,
    Tally,
    is_binary_stream,
    is_event_stream,
    json_body,
)
from bursar.policies.usage import Part, Usage, UsageReport

USAGE: dict[str, Any] = {
    "input_tokens": 100,
    "cache_read_input_tokens": 2_000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 42,
    "output_tokens_details": {"thinking_tokens": 10},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    "service_tier": "standard",
    "inference_geo": "us",
}
FULL = Usage(100, 2_000, 300, 200, 42, 10, 2, 1)
REPORT = UsageReport(FULL, (Part(FULL),), "standard", "us")
START = Usage(100, 2_000, 300, 200, 1, 0, 0, 0)


def message(**changes: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
        **changes,
    }


def events(text: str = "Hi") -> list[dict[str, Any]]:
    early = {**USAGE, "output_tokens": 1, "output_tokens_details": None, "server_tool_use": None}
    late = {
        "output_tokens": 42,
        "output_tokens_details": {"thinking_tokens": 10},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        "cache_read_input_tokens": None,
    }
    return [
        {"type": "message_start", "message": message(content=[], stop_reason=None, usage=early)},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": late},
        {"type": "message_stop"},
    ]


def sse(parts: list[dict[str, Any]], end: str = "\n") -> bytes:
    return "".join(f"event: {part['type']}{end}data: {json.dumps(part)}{end}{end}" for part in parts).encode()


def frame(payload: bytes, headers: bytes = b"\x0b:event-type\x07\x00\x05chunk") -> bytes:
    """One message of AWS's event stream; the checksums are nobody's business here."""
    total = 12 + len(headers) + len(payload) + 4
    return total.to_bytes(4, "big") + len(headers).to_bytes(4, "big") + b"\0\0\0\0" + headers + payload + b"\0\0\0\0"


def framed(part: Mapping[str, Any]) -> bytes:
    encoded = base64.b64encode(json.dumps(part).encode()).decode()
    return frame(json.dumps({"bytes": encoded, "p": "abc"}).encode())


def tallied(chunks: list[bytes], *, binary: bool = False) -> Tally:
    tally, reader = Tally(), EventBytes(binary=binary)
    for chunk in chunks:
        for event in reader.feed(chunk):
            tally.event(event)
    return tally


def seen(tally: Tally) -> tuple[Any, ...]:
    return tally.model, tally.response_id, tally.stop_reason, tally.final, tally.report()


WHOLE = ("claude-opus-5-5", "msg_1", "end_turn", True, REPORT)


def test_nothing_seen_is_nothing_said() -> None:
    """Never a zero."""
    tally = Tally()
    assert (tally.report(), tally.started, tally.final, tally.model) == (None, False, False, None)


@pytest.mark.parametrize("value", [message(), Message.model_validate(message())])
def test_a_message_is_read_as_json_and_as_the_sdk_s_object(value: Any) -> None:
    """Every class of its usage."""
    tally = Tally()
    tally.message(value)
    assert seen(tally) == WHOLE


@pytest.mark.parametrize("value", [None, [], "x", 5, {}, {"type": "error", "error": {"type": "api_error"}}])
def test_what_is_no_message_says_nothing(value: Any) -> None:
    """An error's body, or one that was not JSON."""
    tally = Tally()
    tally.message(value)
    assert seen(tally) == (None, None, None, False, None)


ADAPTER: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


@pytest.mark.parametrize("as_objects", [False, True])
def test_events_add_up_to_the_message(as_objects: bool) -> None:
    """As JSON and as the SDK's objects; it is told which of them changed the usage."""
    tally = Tally()
    changed: list[str] = []
    for part in events():
        event = part
        if as_objects:
            if part["type"] == "ping":
                continue
            event = ADAPTER.validate_python(part)
        if tally.event(event):
            changed.append(part["type"])
        if part["type"] == "message_start":
            assert (tally.final, tally.started) == (False, True)
            report = tally.report()
            assert report is not None
            assert report.usage == START
    assert seen(tally) == WHOLE
    assert changed == ["message_start", "message_delta"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_bytes_may_be_cut_anywhere(end: str) -> None:
    """At every single byte, with either kind of line end, also within a character."""
    body = sse(events("Grüße 日本"), end)
    for cut in range(len(body) + 1):
        assert seen(tallied([body[:cut], body[cut:]])) == WHOLE
    assert seen(tallied([bytes([byte]) for byte in body])) == WHOLE


def test_frames_may_be_cut_anywhere() -> None:
    """Bedrock's binary framing, at every single byte."""
    body = b"".join(framed(part) for part in events())
    for cut in range(len(body) + 1):
        assert seen(tallied([body[:cut], body[cut:]], binary=True)) == WHOLE
    assert seen(tallied([bytes([byte]) for byte in body], binary=True)) == WHOLE


@pytest.mark.parametrize(
    "noise",
    [
        frame(b"not json"),
        frame(b"{}"),
        frame(b'{"message":"throttled"}', b"\x0f:exception-type\x07\x00\x01x"),
        frame(b'{"bytes":5}'),
        frame(b'{"bytes":"***"}'),
        frame(b'{"bytes":"bm90IGpzb24="}'),
        frame(b'{"bytes":"NQ=="}'),
        frame(b"", b""),
    ],
)
def test_frames_that_say_nothing_are_passed_over(noise: bytes) -> None:
    """An exception, something else's payload, or broken base64."""
    body = b"".join(noise + framed(part) for part in events())
    assert seen(tallied([body], binary=True)) == WHOLE


def test_a_stream_that_is_no_framing_is_given_up() -> None:
    """A length that cannot be ends the reading, not the application."""
    assert seen(tallied([b"\0" * 100, framed(events()[0])], binary=True))[-1] is not None
    assert tallied([b"\0\0\0\x0f" + b"x" * 50], binary=True).report() is None


def test_a_stream_that_ends_early_has_a_lower_bound() -> None:
    """Cut before its closing counts."""
    tally = tallied([sse(events()[:5])])
    report = tally.report()
    assert report is not None
    assert (report.usage, tally.final, tally.stop_reason) == (START, False, None)


def test_fields_may_stand_in_any_order() -> None:
    """Gateways sort them as they like."""
    lines = [f"data:{json.dumps(part, sort_keys=True)}\n\n" for part in events()]
    assert seen(tallied(["".join(lines).encode()])) == WHOLE


def test_lines_that_are_no_events_are_passed_over() -> None:
    """Comments, retries, broken JSON, other values, and events of a later version."""
    noise = b': hello\nretry: 5\ndata: {"type": \ndata: [DONE]\ndata: 5\ndata:\ndata: {"type": "later"}\n\n'
    assert seen(tallied([noise + sse(events()) + noise])) == WHOLE


def test_deltas_of_content_are_not_even_parsed() -> None:
    """They are nearly all of a stream. What only quotes their name is not taken for one."""
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
    assert list(EventBytes(binary=False).feed(sse([delta]))) == []
    quoted = {"type": "x", "text": '"content_block_delta"'}
    assert list(EventBytes(binary=False).feed(sse([quoted]))) == [quoted]


@pytest.mark.parametrize("delta", [{"delta": {"stop_reason": "max_tokens"}}, {"usage": None}, {}])
def test_a_delta_without_usage_changes_none(delta: dict[str, Any]) -> None:
    """The figures stay a lower bound."""
    tally = Tally()
    tally.event(events()[0])
    assert not tally.event({"type": "message_delta", **delta})
    assert not tally.final
    report = tally.report()
    assert report is not None
    assert report.usage == START


def test_closing_counts_replace_those_of_the_start() -> None:
    """They are cumulative; what they leave out, or say null to, stands as it was."""
    tally = Tally()
    tally.event(events()[0])
    tally.event({"type": "message_delta", "usage": {"output_tokens": 20, "input_tokens": 150}})
    tally.event({"type": "message_delta", "usage": {"output_tokens": 30, "input_tokens": None}})
    report = tally.report()
    assert report is not None
    assert report.usage == Usage(150, 2_000, 300, 200, 30)


def test_a_delta_without_a_start_is_better_than_nothing() -> None:
    """A reader may join late."""
    tally = Tally()
    assert tally.event(events()[5])
    report = tally.report()
    assert report is not None
    assert (report.usage.output, report.usage.input, tally.model) == (42, 0, None)


def test_an_error_event_ends_nothing() -> None:
    """In mid-stream: what was counted so far stays a lower bound."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    tally = tallied([sse([*events()[:4], error])])
    assert (tally.final, tally.started) == (False, True)


@pytest.mark.parametrize("content", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_refusal_before_any_output_is_known_by_its_empty_content(content: bool, streamed: bool) -> None:
    """Such a one is not billed."""
    tally = Tally()
    if streamed:
        parts = events()
        parts[5] = {**parts[5], "delta": {"stop_reason": "refusal"}}
        for part in parts:
            if content or not part["type"].startswith("content_block"):
                tally.event(part)
    else:
        tally.message(message(stop_reason="refusal", **({} if content else {"content": []})))
    report = tally.report()
    assert report is not None
    assert report.refused_before_output is not content


ITERATIONS = [
    {"type": "message", "input_tokens": 90, "output_tokens": 30},
    {"type": "compaction", "input_tokens": 500, "output_tokens": 70},
]


@pytest.mark.parametrize("as_object", [False, True])
def test_iterations_are_seen_where_the_sdk_s_type_has_none(as_object: bool) -> None:
    """The GA `Usage` keeps them as extras; compaction is billed there and nowhere else."""
    value: Any = message(usage={**USAGE, "iterations": ITERATIONS})
    if as_object:
        value = Message.model_validate(value)
        assert "iterations" in (value.usage.model_extra or {})
    tally = Tally()
    tally.message(value)
    report = tally.report()
    assert report is not None
    assert [(part.kind, part.usage.input, part.usage.output) for part in report.parts] == [
        ("message", 90, 30),
        ("compaction", 500, 70),
        ("message", 0, 0),
    ]


@pytest.mark.parametrize(
    ("content_type", "events_", "binary"),
    [
        ("text/event-stream", True, False),
        ("text/event-stream; charset=utf-8", True, False),
        ("application/vnd.amazon.eventstream", True, True),
        ("application/json", False, False),
        ("", False, False),
    ],
)
def test_streams_are_known_by_their_content_type(content_type: str, events_: bool, binary: bool) -> None:
    """Either framing."""
    assert (is_event_stream(content_type), is_binary_stream(content_type)) == (events_, binary)


@pytest.mark.parametrize(("body", "value"), [(b'{"a":1}', {"a": 1}), (b"", None), (b"{", None), (b"\xff", None)])
def test_a_body_that_is_no_json_is_none(body: bytes, value: Any) -> None:
    """A gateway's page, or half of one."""
    assert json_body(body) == value
