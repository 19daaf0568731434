"""Claims about answers."""

import json
from typing import Any

import pytest

from bursar.agent.sandbox.answer import answer
from bursar.agent.sandbox.request import MessageRequest, parse_request
from bursar.agent.sandbox.tokens import count_text

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
JSON_TEXT = '{"city":"sandbox"}'  # 18 bytes: 5 tokens


def request(content: str = "hello", max_tokens: int = 1_000, **more: Any) -> MessageRequest:
    messages = [{"role": "user", "content": content}]
    return parse_request({"model": "claude-sonnet-5-5", "max_tokens": max_tokens, "messages": messages, **more})


def test_same_request_same_answer() -> None:
    """An answer depends on the prompt alone, and another prompt has another."""
    assert answer(request("a"), None) == answer(request("a", max_tokens=999), None)
    assert len({answer(request(str(number)), None).output_tokens for number in range(20)}) > 5


def test_own_length_is_between_20_and_120_tokens() -> None:
    """Without staging, an answer is short but not trivial."""
    lengths = [answer(request(str(number)), None).output_tokens for number in range(50)]
    assert min(lengths) >= 20
    assert max(lengths) <= 120


@pytest.mark.parametrize(
    ("asked", "max_tokens", "tokens", "reason"),
    [
        (500, 1_000, 500, "end_turn"),
        (500, 500, 500, "end_turn"),
        (500, 499, 499, "max_tokens"),
        (1, 0, 0, "max_tokens"),
    ],
)
def test_staged_length(asked: int, max_tokens: int, tokens: int, reason: str) -> None:
    """Exactly the tokens asked for, cut at max_tokens; and the text has as many when counted."""
    found = answer(request(max_tokens=max_tokens), asked)
    assert (found.output_tokens, found.stop_reason, count_text(found.payload)) == (tokens, reason, tokens)


@pytest.mark.parametrize(
    ("asked", "max_tokens", "tokens", "reason"),
    [(None, 5, 5, "tool_use"), (None, 4, 4, "max_tokens"), (40, 50, 40, "tool_use")],
)
def test_forced_tool(asked: int | None, max_tokens: int, tokens: int, reason: str) -> None:
    """A forced tool is called with an input that fits its schema, and always whole."""
    tools = [{"name": "weather", "input_schema": SCHEMA}]
    choice = {"type": "any"}
    forced = request(model="claude-haiku-5-5", max_tokens=max_tokens, tools=tools, tool_choice=choice)
    found = answer(forced, asked)
    assert (found.tool, found.payload) == ("weather", JSON_TEXT)
    assert (found.output_tokens, found.stop_reason) == (tokens, reason)


def test_structured_output() -> None:
    """A JSON schema is answered with JSON, which is cut like any text."""
    config = {"format": {"type": "json_schema", "schema": SCHEMA}}
    whole = answer(request(output_config=config), None)
    assert json.loads(whole.payload) == {"city": "sandbox"}
    assert (whole.tool, whole.output_tokens, whole.stop_reason) == (None, 5, "end_turn")
    cut = answer(request(max_tokens=2, output_config=config), None)
    assert (cut.payload, cut.stop_reason) == ('{"city":', "max_tokens")


@pytest.mark.parametrize(("tokens", "so_far"), [(25, [10, 20, 25]), (10, [10]), (0, [])])
def test_pieces(tokens: int, so_far: list[int]) -> None:
    """A stream sends ten tokens in each delta, and all deltas together are the answer."""
    found = answer(request(max_tokens=tokens), 100)
    pieces = list(found.pieces())
    assert [count for _, count in pieces] == so_far
    assert "".join(part for part, _ in pieces) == found.payload
