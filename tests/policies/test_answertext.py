"""Answer text: what two models' answers are compared by."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.policies.answertext import answer_text, whole

CALL = {"type": "tool_use", "id": "toolu_1", "name": "book", "input": {"b": 2, "a": "é"}}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Yes"}], "Yes"),
        ([{"type": "text", "text": "Yes"}, {"type": "text", "text": ", sir"}], "Yes, sir"),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes"}], "Yes"),
        ([{"type": "text", "text": "I look it up."}, CALL], '{"input": {"a": "é", "b": 2}, "name": "book"}'),
        ([CALL, {**CALL, "name": "pay", "input": {}}], '[{"input": {"a": "é", "b": 2}, "name": "book"}, '
                                                        '{"input": {}, "name": "pay"}]'),
        ([], ""),
        (None, ""),
        ("Yes", ""),
        ([7, {"type": "text"}], ""),
    ],
)  # fmt: skip
def test_an_answer_is_its_text_or_the_tools_it_calls(content: Any, text: str) -> None:
    """The id of a tool's call is chance, and left out; so is what was thought."""
    assert answer_text({"content": content}) == text


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", True),
        ("stop_sequence", True),
        ("tool_use", True),
        ("max_tokens", False),
        ("refusal", False),
        ("pause_turn", False),
        (None, False),
    ],
)
def test_only_an_answer_that_came_to_its_end_is_whole(reason: str | None, expected: bool) -> None:
    """Nothing is measured by half an answer."""
    assert whole({"stop_reason": reason}) is expected
    assert not whole({})
