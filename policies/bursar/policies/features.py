"""What does a request use that not every model accepts?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from bursar.policies.capabilities import family
from bursar.policies.requestsize import PDF_BYTES_PER_PAGE
from bursar.policies.values import value

_PLAIN_BLOCKS = frozenset({"text", "tool_use", "tool_result", "search_result"})
"""Blocks that every model reads. What they hold is looked at too."""
_THINKING_BLOCKS = frozenset({"thinking", "redacted_thinking"})
_TOOL_KEYS = frozenset(
    {"type", "name", "description", "input_schema", "cache_control", "strict", "allowed_callers", "defer_loading"}
    | {"eager_input_streaming", "input_examples"}
)


@value
class Features:
    """What the content of a request asks of a model; parameters are looked at where they are planned."""

    images: int = 0
    pdf_pages: int = 0
    """Pages at most of documents that are in the request."""
    pdfs: bool = False
    remote_pdfs: bool = False
    """Documents by URL or file id, whose pages nobody can count."""
    citations: bool = False
    system_messages: bool = False
    prefill: bool = False
    """The last message is the assistant's."""
    thought: bool = False
    """Earlier turns have thinking blocks."""
    in_tool_loop: bool = False
    """The last message brings results of tools."""
    server_blocks: frozenset[str] = frozenset()
    """Families of server tools that earlier turns used."""
    strange_blocks: frozenset[str] = frozenset()
    """Types of blocks that are not known to be read by every model."""
    tools: frozenset[str] = frozenset()
    """Types of tools beside the application's own."""
    strict: bool = False
    code_calls_tools: bool = False
    deferred: bool = False
    """Tools that are found by tool search, or come with examples."""
    strange_tools: bool = False


def features(body: Mapping[str, Any]) -> Features:
    """One look over a `messages.create` body. Values of a wrong type count as nothing: the API will refuse them."""
    seen = _Look()
    messages = list(_blocks(body.get("messages")))
    for message in messages:
        seen.message(message)
    for block in _blocks(body.get("system")):
        seen.block(block)
    for tool in _list(body.get("tools")):
        if isinstance(tool, Mapping):
            seen.tool(cast("Mapping[str, Any]", tool))
    last: Mapping[str, Any] = messages[-1] if messages else {}
    return Features(
        images=seen.images,
        pdf_pages=seen.pages,
        prefill=last.get("role") == "assistant",
        in_tool_loop=any(block.get("type") == "tool_result" for block in _blocks(last.get("content"))),
        server_blocks=frozenset(seen.server_blocks),
        strange_blocks=frozenset(seen.strange_blocks),
        tools=frozenset(seen.tools),
        **dict.fromkeys(seen.flags, True),
    )


class _Look:
    """What one walk has seen so far."""

    def __init__(self) -> None:
        self.images = 0
        self.pages = 0
        self.flags: set[str] = set()
        self.server_blocks: set[str] = set()
        self.strange_blocks: set[str] = set()
        self.tools: set[str] = set()

    def message(self, message: Mapping[str, Any]) -> None:
        if message.get("role") == "system":
            self.flags.add("system_messages")
        if message.keys() - {"role", "content"}:
            self.strange_blocks.add("message")
        for block in _blocks(message.get("content")):
            self.block(block)

    def block(self, block: Mapping[str, Any]) -> None:
        kind = str(block.get("type"))
        if kind in _THINKING_BLOCKS:
            self.flags.add("thought")
        elif kind == "image":
            self.images += 1
        elif kind == "document":
            self._document(block)
        elif kind == "server_tool_use":
            self.server_blocks.add(_server(str(block.get("name"))))
        elif kind.endswith("_tool_result") and not kind.startswith("mcp"):
            self.server_blocks.add(_server(kind.removesuffix("_tool_result")))
        elif kind not in _PLAIN_BLOCKS:
            self.strange_blocks.add(kind)
        elif kind == "tool_result":
            for inner in _blocks(block.get("content")):
                self.block(inner)
        if _enabled(block.get("citations")):
            self.flags.add("citations")

    def _document(self, block: Mapping[str, Any]) -> None:
        source = block.get("source")
        form = cast("Mapping[str, Any]", source).get("type") if isinstance(source, Mapping) else None
        if form in ("text", "content"):
            return
        self.flags.add("pdfs")
        data = cast("Mapping[str, Any]", source).get("data") if isinstance(source, Mapping) else None
        if form == "base64" and isinstance(data, str):
            self.pages += 1 + len(data) * 3 // 4 // PDF_BYTES_PER_PAGE
        else:
            self.flags.add("remote_pdfs")

    def tool(self, tool: Mapping[str, Any]) -> None:
        kind = tool.get("type")
        callers = tool.get("allowed_callers")
        if kind not in (None, "custom"):
            self.tools.add(str(kind))
        elif tool.keys() - _TOOL_KEYS:
            self.flags.add("strange_tools")
        if tool.get("strict"):
            self.flags.add("strict")
        if tool.get("defer_loading") or tool.get("input_examples"):
            self.flags.add("deferred")
        if callers is None:
            called = str(kind).startswith(("web_search_", "web_fetch_")) and str(kind)[-8:] >= "20260209"
        else:
            called = list(_list(callers)) != ["direct"]
        if called:
            self.flags.add("code_calls_tools")


def _server(name: str) -> str:
    """The family of server tools that a block belongs to; the parts of code execution are one."""
    if name.startswith("tool_search"):
        return "tool_search_tool"
    return "code_execution" if name in ("bash_code_execution", "text_editor_code_execution") else family(name)


def _enabled(citations: Any) -> bool:
    return isinstance(citations, Mapping) and cast("Mapping[str, Any]", citations).get("enabled") is True


def _list(values: Any) -> Iterator[Any]:
    return iter(cast("list[Any]", values)) if isinstance(values, (list, tuple)) else iter(())


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    return (cast("Mapping[str, Any]", block) for block in _list(content) if isinstance(block, Mapping))
