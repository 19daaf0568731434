"""Claims about the blocks of a prompt and their token counts."""

from typing import Any

import pytest

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.tokens import Section, blocks

MARK = {"type": "ephemeral"}


def user(*content: Any) -> dict[str, Any]:
    """A request with one user message."""
    return {"messages": [{"role": "user", "content": list(content)}]}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def test_order_is_that_of_the_cache() -> None:
    """Tools come before the system prompt, and that before messages, however the request is written."""
    body = {**user(text("hi")), "system": "be brief", "tools": [{"name": "a"}]}
    assert [block.section for block in blocks(body)] == [Section.TOOLS, Section.SYSTEM, Section.MESSAGES]


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (text("abcd"), 1 + 4),
        (text("abcde"), 2 + 4),
        (text("éé"), 1 + 4),  # four bytes in UTF-8
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 9_000}}, 1_600 + 4),
        ({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}, 3_000 + 4),
        ({"type": "document", "source": {"type": "text", "data": "x"}}, 14 + 4),  # 55 bytes of JSON
    ],
)
def test_counts(content: dict[str, Any], tokens: int) -> None:
    """Four bytes to a token, rounded up; binaries count a fixed sum; the first block of a role counts four more."""
    assert [block.tokens for block in blocks(user(content))] == [tokens]


def test_an_image_in_a_tool_result_counts_as_an_image() -> None:
    """Base64 inside a tool result is not counted as text."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 40_000}}
    (block,) = blocks(user({"type": "tool_result", "tool_use_id": "t", "content": [image]}))
    # {"type":"tool_result","tool_use_id":"t","content":[]} is 53 bytes: 14 tokens
    assert block.tokens == 1_600 + 14 + 4


def test_role_tokens_are_added_when_the_role_changes() -> None:
    """Two user messages in a row are one turn, as in the API."""
    messages = [
        {"role": "user", "content": "abcd"},
        {"role": "user", "content": "abcd"},
        {"role": "assistant", "content": "abcd"},
    ]
    assert [block.tokens for block in blocks({"messages": messages})] == [5, 1, 5]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, user(text("hi"))),
        (user(text("hi", citations=None)), user(text("hi"))),
        (user(text("hi", cache_control=MARK)), user(text("hi"))),
    ],
)
def test_same_prompt(one: dict[str, Any], other: dict[str, Any]) -> None:
    """A plain string, null members and cache marks make no difference to what the model reads."""
    assert [block.canonical for block in blocks(one)] == [block.canonical for block in blocks(other)]


def test_other_role_is_another_prompt() -> None:
    """The same words from the assistant are another prompt."""
    mine, theirs = ({"messages": [{"role": role, "content": "hi"}]} for role in ("user", "assistant"))
    assert blocks(mine)[0].canonical != blocks(theirs)[0].canonical


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"system": "s"}, "messages: Field required"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "hi"}, "messages: Input should be a valid list"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        (user({"text": "x"}), "messages.0.content.0.type: Field required"),
        (user({"type": "text"}), "messages.0.content.0.text: Field required"),
        ({**user(text("x")), "tools": [{"type": "custom"}]}, "tools.0.name: Field required"),
        ({**user(text("x")), "system": 3}, "system: Input should be a valid list"),
    ],
)
def test_malformed_prompts(body: dict[str, Any], message: str) -> None:
    """A malformed prompt is a 400 that names the place."""
    with pytest.raises(ApiError) as caught:
        blocks(body)
    assert (caught.value.status, caught.value.kind) == (400, "invalid_request_error")
    assert caught.value.message.startswith(message)
