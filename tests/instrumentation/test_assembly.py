"""Assembly: the events of a stream make the message that the same request without a stream is answered with."""

from __future__ import annotations

from typing import Any

import pytest
from tests.instrumentation.scene import events, message, sse

from bursar.instrumentation.assembly import assembled

TOOL: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"model": "m", "stop_reason": None}},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t", "name": "book", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "So"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "?"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "1}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    {"type": "message_stop"},
]


def test_a_stream_makes_its_message() -> None:
    """Text and all that a comparison looks at."""
    made = assembled(sse(events()))
    assert made is not None
    assert {name: made[name] for name in ("model", "content", "stop_reason")} == {
        name: message()[name] for name in ("model", "content", "stop_reason")
    }


def test_blocks_are_put_together_piece_by_piece() -> None:
    """In the order of their places, a tool's input as the JSON that its pieces make."""
    made = assembled(sse(TOOL))
    assert made == {
        "model": "m",
        "stop_reason": "tool_use",
        "content": [
            {"type": "text", "text": "So?"},
            {"type": "tool_use", "id": "t", "name": "book", "input": {"a": 1}},
        ],
    }


@pytest.mark.parametrize("count", range(len(TOOL)))
def test_a_stream_that_was_broken_off_makes_none(count: int) -> None:
    """Wherever that was."""
    assert assembled(sse(TOOL[:count])) is None
