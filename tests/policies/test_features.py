"""Features: what a request uses that not every model accepts."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.policies.features import Features, features

TEXT = {"type": "text", "text": "hello"}
NOTHING: dict[str, Any] = {}
IMAGE = {"type": "image", "source": {"type": "base64", "data": "x"}}
PDF = {"type": "document", "source": {"type": "base64", "data": "x" * 8_000}}


def of(*contents: Any, **more: Any) -> Features:
    roles = ("user", "assistant")
    return features({"messages": [{"role": roles[n % 2], "content": told} for n, told in enumerate(contents)], **more})


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (("hello",), Features()),
        (([TEXT, {"type": "search_result", "content": [TEXT]}],), Features()),
        (("a", "b"), Features(prefill=True)),
        (([IMAGE, IMAGE],), Features(images=2)),
        (("a", [TEXT], [{"type": "tool_result", "content": [IMAGE]}]), Features(images=1, in_tool_loop=True)),
        (([PDF],), Features(pdfs=True, pdf_pages=4)),
        (([{"type": "document", "source": {"type": "url"}}],), Features(pdfs=True, remote_pdfs=True)),
        (([{"type": "document", "source": {"type": "text", "data": "x"}}],), Features()),
        (([{**PDF, "citations": {"enabled": True}}],), Features(pdfs=True, pdf_pages=4, citations=True)),
        (([{**TEXT, "citations": {"enabled": False}}],), Features()),
        (("a", [{"type": "thinking"}, TEXT], "b"), Features(thought=True)),
        (("a", [{"type": "redacted_thinking"}], "b"), Features(thought=True)),
        (([{"type": "compaction"}],), Features(strange_blocks=frozenset({"compaction"}))),
        (([{"type": "mcp_tool_result"}],), Features(strange_blocks=frozenset({"mcp_tool_result"}))),
        (
            ("a", [{"type": "server_tool_use", "name": "web_search"}, {"type": "web_search_tool_result"}], "b"),
            Features(server_blocks=frozenset({"web_search"})),
        ),
        (
            ("a", [{"type": "bash_code_execution_tool_result"}, {"type": "tool_search_tool_result"}], "b"),
            Features(server_blocks=frozenset({"code_execution", "tool_search_tool"})),
        ),
        ((None, 5, [None, "x"]), Features()),
    ],
)
def test_content(contents: tuple[Any, ...], expected: Features) -> None:
    """Of every block, in results of tools too; four bytes of base64 are three, and 2,000 bytes a page at most."""
    assert of(*contents) == expected


def test_turns() -> None:
    """A system turn, and a message with members of its own."""
    assert features({"messages": [{"role": "system", "content": "a"}]}) == Features(system_messages=True)
    odd = features({"messages": [{"role": "user", "content": "a", "output_config": NOTHING}]})
    assert odd == Features(strange_blocks=frozenset({"message"}))
    assert features({"messages": "nonsense", "system": [TEXT], "tools": None}) == Features()


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ({"name": "mine", "input_schema": NOTHING, "cache_control": NOTHING}, Features()),
        ({"type": "custom", "name": "mine", "strict": True}, Features(strict=True)),
        ({"name": "mine", "defer_loading": True}, Features(deferred=True)),
        ({"name": "mine", "input_examples": [NOTHING]}, Features(deferred=True)),
        ({"name": "mine", "allowed_callers": ["direct"]}, Features()),
        ({"name": "mine", "allowed_callers": ["code_execution_20260120"]}, Features(code_calls_tools=True)),
        ({"name": "mine", "from_the_future": 1}, Features(strange_tools=True)),
        ({"type": "bash_20250124"}, Features(tools=frozenset({"bash_20250124"}))),
        ({"type": "web_search_20250305"}, Features(tools=frozenset({"web_search_20250305"}))),
        (
            {"type": "web_search_20260209"},
            Features(tools=frozenset({"web_search_20260209"}), code_calls_tools=True),
        ),
        (
            {"type": "web_fetch_20260318", "allowed_callers": ["direct"]},
            Features(tools=frozenset({"web_fetch_20260318"})),
        ),
    ],
)
def test_tools(tool: dict[str, Any], expected: Features) -> None:
    """Searches that filter their results have code call them, unless they may be called directly only."""
    assert of("hello", tools=[tool, "nonsense"]) == expected
