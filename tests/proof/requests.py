"""Requests that use what not every model takes: each by a name, and what it adds to a plain one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

PLAIN: Json = {"max_tokens": 4_096, "messages": [{"role": "user", "content": "hello"}]}
TOOL: Json = {"name": "look", "description": "Look it up.", "input_schema": {"type": "object", "properties": {}}}
SCHEMA: Json = {"type": "json_schema", "schema": {"type": "object", "properties": {}, "additionalProperties": False}}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
IMAGE: Json = {"type": "image", "source": PIXEL}
PDF: Json = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
THOUGHT: Json = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
TEXT: Json = {"type": "text", "text": "hello"}
USE: Json = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT: Json = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "found"}
MARK: Json = {"type": "ephemeral"}


@dataclass(frozen=True, slots=True)
class Asking:
    """One request: what it sets beside a plain one, and its `anthropic-beta` header."""

    name: str
    changes: Json
    betas: str | None = None

    def body(self, model: str) -> Json:
        """The whole body."""
        return {"model": model, **PLAIN, **self.changes}


def turns(*contents: Any) -> Json:
    """A conversation that begins with the user."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": content} for n, content in enumerate(contents)]}


def thinking(kind: str, **more: Any) -> Json:
    """A thinking configuration."""
    return {"thinking": {"type": kind, **more}}


def effort(level: str) -> Json:
    """A level of effort."""
    return {"output_config": {"effort": level}}


def tools(*kinds: str, **more: Any) -> Json:
    """Tools that Anthropic defines."""
    return {"tools": [{"type": kind, "name": kind[:20], **more} for kind in kinds]}


def edits(*kinds: str) -> Json:
    """Strategies for the context window."""
    return {"context_management": {"edits": [{"type": kind} for kind in kinds]}}


LOOP: Json = {"tools": [TOOL], **turns("look", [USE], [RESULT])}
THOUGHTFUL_LOOP: Json = {"tools": [TOOL], **turns("look", [THOUGHT, USE], [RESULT])}
MANAGED, COMPACT = "context-management-2025-06-27", "compact-2026-01-12"
FAST = "fast-mode-2026-02-01"

OUTPUTS = (
    Asking("plain", {}),
    Asking("one token of output", {"max_tokens": 1}),
    Asking("32,000 of output", {"max_tokens": 32_000}),
    Asking("64,001 of output", {"max_tokens": 64_001}),
    Asking("128,000 of output", {"max_tokens": 128_000}),
    Asking("cache warm-up", {"max_tokens": 0}),
    Asking("stop sequences, metadata", {"stop_sequences": ["."], "metadata": {"user_id": "u"}}),
    Asking("prompt of 250,000 tokens", turns("x" * 1_000_000)),
)
THINKING = (
    Asking("thinking adaptive", thinking("adaptive")),
    Asking("adaptive, summarized", thinking("adaptive", display="summarized")),
    Asking("adaptive, 1,500 of output", {**thinking("adaptive"), "max_tokens": 1_500}),
    Asking("thinking by budget", thinking("enabled", budget_tokens=2_048)),
    Asking("budget of 60,000 in 64,000", {**thinking("enabled", budget_tokens=60_000), "max_tokens": 64_000}),
    Asking("budget of 100,000 in 128,000", {**thinking("enabled", budget_tokens=100_000), "max_tokens": 128_000}),
    Asking("thinking disabled", thinking("disabled")),
    Asking("thinking between tools", thinking("between_tools")),
    Asking("disabled at effort max", {**thinking("disabled"), **effort("max")}),
    Asking("thinking of earlier turns", {**thinking("adaptive"), **turns("a", [THOUGHT, TEXT], "b")}),
    Asking("tool loop that thinks", {**thinking("adaptive"), **THOUGHTFUL_LOOP}),
    Asking("tool loop that does not think", {**thinking("adaptive"), **LOOP}),
    Asking("tool loop by budget", {**thinking("enabled", budget_tokens=2_048), **THOUGHTFUL_LOOP}),
    Asking("interleaved", thinking("enabled", budget_tokens=2_048), "interleaved-thinking-2025-05-14"),
)
EFFORT = tuple(Asking(f"effort {level}", effort(level)) for level in ("low", "medium", "high", "xhigh", "max"))
SHAPES = (
    Asking("temperature", {"temperature": 0.2}),
    Asking("temperature 1", {"temperature": 1}),
    Asking("top_p", {"top_p": 0.9}),
    Asking("top_k", {"top_k": 40}),
    Asking("temperature and top_p", {"temperature": 0.2, "top_p": 0.9}),
    Asking("top_p while thinking", {**thinking("enabled", budget_tokens=2_048), "top_p": 0.97}),
    Asking("prefill", turns("hello", "Well, ")),
    Asking("prefill, thinking disabled", {**thinking("disabled"), **turns("hello", "Well, ")}),
    Asking("structured output", {"output_config": {"format": SCHEMA}}),
    Asking("structured output at effort max", {"output_config": {"format": SCHEMA, "effort": "max"}}),
    Asking("system turn", {"messages": [*turns("a", "b", "c")["messages"], {"role": "system", "content": "d"}]}),
    Asking("fast mode", {"speed": "fast"}, FAST),
    Asking("speed standard", {"speed": "standard"}),
    Asking("data residency", {"inference_geo": "us"}),
    Asking("four marks", turns([{**TEXT, "cache_control": MARK}] * 4)),
    Asking("automatic mark", {"cache_control": MARK}),
    Asking(
        "hour before minutes", {"system": [{**TEXT, "cache_control": {**MARK, "ttl": "1h"}}], "cache_control": MARK}
    ),
)
CONTENT = (
    Asking("image", turns([IMAGE, TEXT])),
    Asking("150 images", turns([IMAGE] * 150)),
    Asking("image in a tool result", {"tools": [TOOL], **turns("look", [USE], [{**RESULT, "content": [IMAGE]}])}),
    Asking("PDF", turns([PDF, TEXT])),
    Asking("PDF by URL", turns([{"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}])),
    Asking("citations", turns([{**PDF, "citations": {"enabled": True}}, TEXT])),
    Asking("compaction block", turns("a", [{"type": "compaction", "content": "b"}], "c"), COMPACT),
)
TOOLS = (
    Asking("tool", {"tools": [TOOL]}),
    Asking("tool loop", LOOP),
    Asking("forced tool", {"tools": [TOOL], "tool_choice": {"type": "any"}}),
    Asking(
        "named tool, adaptive",
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "look"}, **thinking("adaptive")},
    ),
    Asking("strict tool", {"tools": [{**TOOL, "strict": True}]}),
    Asking(
        "deferred tools",
        {"tools": [{"type": "tool_search_tool_regex_20251119", "name": "search"}, {**TOOL, "defer_loading": True}]},
    ),
    Asking(
        "tools called by code",
        {
            "tools": [
                {"type": "code_execution_20260120", "name": "code"},
                {**TOOL, "allowed_callers": ["code_execution_20260120"]},
            ]
        },
    ),
    Asking("bash, text editor", tools("bash_20250124", "text_editor_20250728")),
    Asking("memory", tools("memory_20250818")),
    Asking("web search", tools("web_search_20250305", max_uses=2)),
    Asking("web search, filtered", tools("web_search_20260318")),
    Asking("web search, direct", tools("web_search_20260318", allowed_callers=["direct"])),
    Asking("web fetch", tools("web_fetch_20250910")),
    Asking("code execution", tools("code_execution_20250825")),
    Asking("computer of January 2025", tools("computer_20250124"), "computer-use-2025-01-24"),
    Asking("computer of November 2025", tools("computer_20251124"), "computer-use-2025-11-24"),
    Asking("computer toolset", tools("computer_toolset_20260801")),
    Asking("browser toolset", tools("browser_toolset_20260801")),
    Asking(
        "search results of earlier turns",
        {
            **tools("web_search_20250305"),
            **turns(
                "a",
                [
                    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a"}},
                    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                    TEXT,
                ],
                "b",
            ),
        },
    ),
)
BETAS = (
    Asking("tool uses cleared", edits("clear_tool_uses_20250919"), MANAGED),
    Asking("thinking cleared", {**thinking("adaptive"), **edits("clear_thinking_20251015")}, MANAGED),
    Asking("compaction", edits("compact_20260112"), COMPACT),
    Asking("long context", {}, "context-1m-2025-08-07"),
    Asking("output of 128k", {}, "output-128k-2025-02-19"),
    Asking("files, caching", {}, "files-api-2025-04-14,extended-cache-ttl-2025-04-11"),
    Asking("tool changes", {}, "mid-conversation-tool-changes-2026-07-01"),
    Asking(
        "binding controls",
        thinking("adaptive", block_binding={"prefix_mismatch_behavior": "drop_block"}),
        "thinking-binding-controls-2026-08-01",
    ),
    Asking(
        "MCP servers",
        {"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "m"}]},
        "mcp-client-2025-11-20",
    ),
    Asking("container", {"container": "c"}),
)
REQUESTS = (*OUTPUTS, *THINKING, *EFFORT, *SHAPES, *CONTENT, *TOOLS, *BETAS)
