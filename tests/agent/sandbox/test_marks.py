"""Claims about cache marks."""

from typing import Any

import pytest

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.marks import Mark, marks
from bursar.agent.sandbox.tokens import blocks

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def found(*controls: Any, automatic: Any = None) -> tuple[Mark, ...]:
    """Marks of a user message with one block for each control, None being no mark."""
    content = [{"type": "text", "text": "x", "cache_control": control} for control in controls]
    return marks(blocks({"messages": [{"role": "user", "content": content}]}), automatic)


def test_positions_and_lives() -> None:
    """A mark without ttl lives five minutes."""
    assert found(HOUR, None, MARK, {"type": "ephemeral", "ttl": "5m"}) == (Mark(0, 3600), Mark(2, 300), Mark(3, 300))


def test_automatic_mark_is_on_the_last_block() -> None:
    """Top-level cache_control marks the end of the prompt."""
    assert found(MARK, None, None, automatic=MARK) == (Mark(0, 300), Mark(2, 300))


def test_automatic_mark_on_a_marked_block_changes_nothing() -> None:
    """With the same ttl it is no further mark, so four explicit ones stay four."""
    assert found(MARK, MARK, MARK, MARK, automatic=MARK) == tuple(Mark(position, 300) for position in range(4))


def test_automatic_mark_passes_over_thinking() -> None:
    """A thinking block cannot be marked; the last block that can is."""
    content = [{"type": "text", "text": "x"}, {"type": "thinking", "thinking": "hm", "signature": "s"}]
    assert marks(blocks({"messages": [{"role": "assistant", "content": content}]}), MARK) == (Mark(0, 300),)


def test_mark_inside_a_tool_result_counts_for_the_block() -> None:
    """A mark on nested content marks the position of the tool result."""
    inner = {"type": "text", "text": "x", "cache_control": MARK}
    content = [{"type": "tool_result", "tool_use_id": "t", "content": [inner]}]
    assert marks(blocks({"messages": [{"role": "user", "content": content}]}), None) == (Mark(0, 300),)


@pytest.mark.parametrize(
    ("controls", "automatic", "message"),
    [
        ([MARK] * 5, None, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        ([*[MARK] * 4, None], MARK, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        ([MARK, HOUR], None, "messages.0.content.1.cache_control.ttl: a ttl='1h' cache_control block must not come"),
        ([MARK], HOUR, "cache_control: the last block already has a cache_control with a different ttl"),
        ([{"type": "forever"}], None, "messages.0.content.0.cache_control.type: Input should be 'ephemeral'"),
        ([{"type": "ephemeral", "ttl": "2h"}], None, "messages.0.content.0.cache_control.ttl: Input should be '5m'"),
    ],
)
def test_refused_marks(controls: list[Any], automatic: Any, message: str) -> None:
    """What the API refuses is refused, with its place."""
    with pytest.raises(ApiError) as caught:
        found(*controls, automatic=automatic)
    assert caught.value.status == 400
    assert caught.value.message.startswith(message)


def test_empty_text_cannot_be_marked() -> None:
    """An empty text block takes no cache_control."""
    content = [{"type": "text", "text": "", "cache_control": MARK}]
    with pytest.raises(ApiError, match="cannot be set for thinking blocks or empty text blocks"):
        marks(blocks({"messages": [{"role": "user", "content": content}]}), None)
