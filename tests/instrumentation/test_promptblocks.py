"""Blocks of a prompt: which there are, and that two are equal exactly where the API's cache holds them for equal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from tests.instrumentation.traffic import ABSENT, TRAFFIC, requests

from bursar.agent.sandbox import tokens
from bursar.agent.sandbox.errors import ApiError
from bursar.instrumentation.promptblocks import SETTINGS, PromptError, opening_of, prompt_in, prompt_of
from bursar.policies.fingerprint import Section

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo" * 50}}
TEXT = {"type": "text", "text": "Hello"}


def body(*content: Any, **more: Any) -> dict[str, Any]:
    """A request with one message of the user's."""
    return {"messages": [{"role": "user", "content": list(content) or "Hello"}], **more}


def blocks(told: dict[str, Any]) -> list[str]:
    """Canonical texts without the settings."""
    return [block.text for block in prompt_in(told).blocks if block.kind != SETTINGS]


def settings(told: dict[str, Any]) -> list[str]:
    """The texts of both pseudo-blocks."""
    return [block.text for block in prompt_in(told).blocks if block.kind == SETTINGS]


def test_tools_come_before_system_and_system_before_messages() -> None:
    """In the order of the cache, with settings ahead of what they change, whatever the order in the body."""
    told = prompt_in({**body(TEXT, IMAGE), "system": "Be kind.", "tools": [{"name": "look"}]})
    assert [(one.section, one.index, one.part, one.kind, one.role) for one in told.blocks] == [
        (Section.TOOLS, 0, 0, "tool", ""),
        (Section.SYSTEM, -1, 0, "settings", ""),
        (Section.SYSTEM, 0, 0, "text", ""),
        (Section.MESSAGES, -1, 0, "settings", ""),
        (Section.MESSAGES, 0, 0, "text", "user"),
        (Section.MESSAGES, 0, 1, "image", "user"),
    ]


@pytest.mark.parametrize(
    "same",
    [
        body(TEXT),
        body({**TEXT, "cache_control": {"type": "ephemeral"}}),
        body({"text": "Hello", "type": "text"}),
        body({**TEXT, "citations": None}),
    ],
)
def test_marks_nulls_and_the_form_of_a_text_do_not_matter(same: dict[str, Any]) -> None:
    """A string is the text block with that text."""
    assert blocks(same) == blocks(body()) == ['user\n{"type":"text","text":"Hello"}']


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "assistant", "content": "Hello"}]},
        body({**TEXT, "text": "Hello "}),
        body({**TEXT, "citations": []}),
        body({"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}),
    ],
)
def test_role_and_text_matter(other: dict[str, Any]) -> None:
    """And any member that is there."""
    assert blocks(other) != blocks(body())


def test_the_order_of_keys_matters() -> None:
    """As it does to the API: the text that the model reads is another one."""
    one, other = ({"name": "t", "input_schema": {"a": 1, "b": 2}}, {"name": "t", "input_schema": {"b": 2, "a": 1}})
    assert blocks(body(tools=[one])) != blocks(body(tools=[other]))


@pytest.mark.parametrize(
    ("change", "system", "messages"),
    [
        ({"speed": "fast"}, True, False),
        ({"speed": "standard"}, False, False),
        ({"tool_choice": {"type": "any"}}, False, True),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, False, True),
        ({"output_config": {"effort": "low"}}, False, True),
        ({"output_config": {"format": {"type": "json_schema"}}}, False, False),
        ({"max_tokens": 9, "temperature": 1, "metadata": {"user_id": "u"}, "stream": True}, False, False),
    ],
)
def test_settings_differ_where_the_cache_is_lost(change: dict[str, Any], system: bool, messages: bool) -> None:
    """The table of the API's documentation."""
    before, after = settings(body()), settings(body(**change))
    assert [one != other for one, other in zip(before, after, strict=True)] == [system, messages]


def test_an_image_changes_the_settings_of_messages() -> None:
    """Only the first one does."""
    assert settings(body(IMAGE))[1] != settings(body(TEXT))[1]
    assert settings(body(IMAGE))[1] == settings(body(IMAGE, IMAGE))[1]


def test_what_a_tool_returns_changes_the_settings_too() -> None:
    """An image, or a document that is to be cited, wherever in the prompt it stands; a text that reads like one not."""
    cited = {"type": "document", "source": {"type": "url", "url": "https://x"}, "citations": {"enabled": True}}
    result = {"type": "tool_result", "tool_use_id": "t"}
    plain = settings(body({**result, "content": [TEXT]}))
    alike = {"type": "text", "text": '{"type":"image"}'}
    assert settings(body({**result, "content": [alike]})) == plain
    for at, held in ((1, IMAGE), (0, cited)):
        found = settings(body({**result, "content": [held]}))
        assert [one == other for one, other in zip(found, plain, strict=True)] == [at != 0, at != 1]


def test_binary_data_does_not_count_by_its_size() -> None:
    """1,600 tokens an image, and its bytes left out; 4 for the role, and for a text one for four bytes begun."""
    told = prompt_in(body(IMAGE, {"type": "text", "text": "12345"}))
    image, text = told.blocks[2:]
    assert (image.tokens, text.tokens) == (1_604, 2)
    assert image.bytes == len('user\n{"type":"image","source":{"type":"base64","media_type":"image/png"}}')
    assert text.bytes == len('user\n{"type":"text","text":"12345"}')


def test_marks_are_told() -> None:
    """Of a block, of what is inside a tool result, and of the whole request."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{**TEXT, "cache_control": {"type": "ephemeral"}}]}
    hour = {"type": "ephemeral", "ttl": "1h"}
    told = prompt_in(body({**TEXT, "cache_control": hour}, result, TEXT, cache_control={"type": "ephemeral"}))
    assert [block.mark for block in told.blocks if block.kind != SETTINGS] == ["1h", "5m", ""]
    assert told.automatic == "5m"


def test_thoughts_and_empty_texts_cannot_be_marked() -> None:
    """As in the API."""
    told = prompt_in(body({"type": "thinking", "thinking": "…", "signature": "s"}, {"type": "text", "text": ""}, TEXT))
    assert [block.cacheable for block in told.blocks if block.kind != SETTINGS] == [False, False, True]


@pytest.mark.parametrize(
    ("roles", "begins"), [(["user"], True), (["user", "assistant"], True), (["user", "assistant", "user"], False)]
)
def test_a_conversation_begins_without_an_answer(roles: list[str], begins: bool) -> None:
    """A begun answer is none."""
    assert prompt_in({"messages": [{"role": role, "content": "x"} for role in roles]}).begins is begins


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"{}", b'{"messages": 1}', b'{"messages": [1]}', b'{"messages": [{"content": "x"}]}'),
        *(
            b'{"messages": [{"role": "user", "content": [1]}]}',
            b'{"messages": [], "system": 4}',
            b'{"messages": [{"role": "my secret", "content": "x"}]}',
            b"\xff\xfe",
        ),
        *(
            b"[" * 99_999,
            b'{"messages": [{"role": "user", "content": "secret"}], "thread": {"previous_message_id": "m"}}',
        ),
    ],
)
def test_what_is_no_prompt_is_said_without_a_word_of_it(content: bytes) -> None:
    """Malformed bodies, and threads that the API holds."""
    with pytest.raises(PromptError) as told:
        prompt_of(content)
    assert "secret" not in str(told.value)


def test_a_kind_that_could_be_a_text_is_not_told() -> None:
    """Kinds leave the process as they stand."""
    kinds = ("text", "web_search_tool_result", "my secret", "Secret", "s" * 41, 4)
    told = prompt_in(body(*({"type": kind} for kind in kinds)))
    assert [one.kind for one in told.blocks[2:]] == ["text", "web_search_tool_result", *["other"] * 4]


def test_a_lone_surrogate_is_read() -> None:
    """JSON can hold what UTF-8 cannot."""
    assert prompt_of(b'{"messages": [{"role": "user", "content": "\\ud800"}]}').blocks[-1].tokens == 5


def test_an_opening_does_not_depend_on_marks() -> None:
    """They move from turn to turn."""
    bare, marked = (one["messages"][0] for one in (body(), body({**TEXT, "cache_control": {"type": "ephemeral"}})))
    assert opening_of(bare) == opening_of(marked)


def mutations(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The request, and changed in what must not matter and in what must."""
    yield told
    changes: list[Callable[[dict[str, Any]], object]] = [_mark, _form, _null, _role, _reverse, _text]
    for change in changes:
        made = deepcopy(told)
        change(made)
        yield made


def _mark(told: dict[str, Any]) -> None:
    for block in _contents(told):
        block["cache_control"] = {"type": "ephemeral"}


def _form(told: dict[str, Any]) -> None:
    for message in told["messages"]:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]


def _null(told: dict[str, Any]) -> None:
    for block in _contents(told):
        block["citations"] = None


def _role(told: dict[str, Any]) -> None:
    told["messages"][-1]["role"] = "assistant" if told["messages"][-1]["role"] == "user" else "user"


def _reverse(told: dict[str, Any]) -> None:
    tools: list[dict[str, Any]] = told.get("tools") or []
    for tool in tools:
        for name, value in reversed([*tool.items()]):
            del tool[name]
            tool[name] = value


def _text(told: dict[str, Any]) -> None:
    for block in [*_contents(told)][-1:]:
        block["text"] = str(block.get("text")) + "."


def _contents(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in told["messages"]:
        if isinstance(message["content"], list):
            yield from message["content"]


@pytest.mark.skipif(not TRAFFIC.exists(), reason=ABSENT)
def test_blocks_are_equal_exactly_where_they_are_to_the_sandbox() -> None:
    """Over the recorded requests and changes to them: as many tokens, and the same texts told apart."""
    ours_by_theirs: dict[str, str] = {}
    theirs_by_ours: dict[str, str] = {}
    seen = 0
    for told in requests():
        for one in mutations(told) if all(isinstance(turn, dict) for turn in told["messages"]) else ():
            try:
                theirs = tokens.blocks(one)
            except ApiError:
                continue
            ours = [block for block in prompt_of(json.dumps(one).encode()).blocks if block.kind != SETTINGS]
            assert [block.tokens for block in ours] == [block.tokens for block in theirs]
            assert [block.cacheable for block in ours] == [block.cacheable for block in theirs]
            for mine, other in zip(ours, theirs, strict=True):
                assert ours_by_theirs.setdefault(other.canonical, mine.text) == mine.text
                assert theirs_by_ours.setdefault(mine.text, other.canonical) == other.canonical
            seen += 1
    assert seen > 3_000
