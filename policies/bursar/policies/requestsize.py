"""How large is a request, by its body alone: what no token count of it can exceed?

Tokens are never more than the UTF-8 bytes of a text; the constants for images and pages are argued, not measured. See
DESIGN's algorithms, section 1.7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bursar.policies.values import value

FRAME_TOKENS = 64
TOOL_FRAME_TOKENS = 1_000
SCHEMA_FRAME_TOKENS = 300
CITATIONS_FRAME_TOKENS = 1_000
"""Instructions that come with cited documents; found: about 500."""
IMAGE_TOKENS = 5_000
PDF_PAGE_TOKENS = 5_000
PDF_BYTES_PER_PAGE = 2_000
"""A page of the densest PDF seen is larger; fewer bytes a page means more pages, so the bound errs upwards."""
BLOCK_BYTES = 16
"""JSON around each block or message, which the tokenizer sees as roles and separators."""
ITEM_BYTES = 4
"""JSON around each key, and each item of a list: quotes, a colon, a comma."""

_SCHEMAS = frozenset({"output_config", "output_format"})
"""Parameters that become part of the prompt, as the messages do."""
_OPEN_ENDED = frozenset({"mcp_servers", "container", "context_management", "fallbacks"})
"""Parameters whose effect on the prompt no request bounds."""
_UNUSUAL = _SCHEMAS | _OPEN_ENDED | {"cache_control", "tools"}
_CLIENT_TOOLS = frozenset({"custom", "bash", "text_editor", "computer", "memory"})


@value
class RequestSize:
    """How large a request is, from its body alone. Nothing of its content is kept."""

    text_bytes: int
    """UTF-8 bytes of tools, system and messages; base64 data counted apart."""
    fixed_tokens: int
    """Tokens of frames, images and pages, which bytes say nothing about."""
    max_tokens: int
    marks: int
    """Blocks with `cache_control`, the automatic one included."""
    hour_marks: bool
    turns: int
    """Assistant messages so far: zero at a conversation's start."""
    searches: int
    """The most web searches the request allows."""
    unbounded: tuple[str, ...]
    """What in the request no bound can be given for, by name."""
    exact: bool = False
    """Whether `text_bytes` are its input tokens, counted."""

    @property
    def input_bound(self) -> int:
        """Input tokens that the prompt can never exceed."""
        return self.text_bytes + self.fixed_tokens


def measure(body: Mapping[str, Any]) -> RequestSize:
    """The size of a `messages.create` body. Values of a wrong type count as nothing: the API will refuse them."""
    if _UNUSUAL.isdisjoint(body):
        plain = _plain(body)
        if plain is not None:
            return plain
    tally = _Tally()
    messages, tools = body.get("messages"), body.get("tools")
    tally.conversation(messages)
    system = body.get("system")
    if system is not None:
        tally.walk(system)
    if not _SCHEMAS.isdisjoint(body):
        tally.schemas(body)
    if body.get("cache_control"):
        tally.mark(body["cache_control"])
    if tools is not None:
        tally.walk(tools)
        if isinstance(tools, (list, tuple)):
            tally.tools(tools)  # pyright: ignore[reportUnknownArgumentType]
    if not _OPEN_ENDED.isdisjoint(body):
        tally.unbounded.update(name for name in _OPEN_ENDED if body.get(name))
    max_tokens = body.get("max_tokens")
    # By place: by keyword, values take twice as long to make.
    return RequestSize(
        tally.bytes,
        tally.tokens + FRAME_TOKENS,
        max_tokens if isinstance(max_tokens, int) else 0,
        tally.marks,
        tally.hour_marks,
        tally.turns,
        tally.searches,
        tuple(sorted(tally.unbounded)) if tally.unbounded else (),
    )


def _plain(body: Mapping[str, Any]) -> RequestSize | None:
    """The size of a request that is nothing but plain texts, as `measure` finds it; None of any other."""
    system, messages = body.get("system", ""), body.get("messages")
    if type(system) is not str or type(messages) is not list or not system.isascii():
        return None
    text, turns = len(system), 0
    for message in messages:  # pyright: ignore[reportUnknownVariableType]
        if type(message) is not dict or len(message) != 2:  # pyright: ignore
            return None
        role, content = message.get("role"), message.get("content")  # pyright: ignore
        if type(content) is not str or not content.isascii():  # pyright: ignore[reportUnknownArgumentType]
            return None
        if role == "assistant":
            turns += 1
        elif role != "user":
            return None
        text += _PLAIN_BYTES + len(role) + len(content)
    most = body.get("max_tokens")
    return RequestSize(text, FRAME_TOKENS, most if isinstance(most, int) else 0, 0, False, turns, 0, ())


def counted(size: RequestSize, tokens: int) -> RequestSize:
    """
    The same request once its input tokens are counted: where they are fewer, they take the place of its bytes.

    With a little on top: the API calls its count an estimate, which may differ by a small amount.
    """
    most = min(tokens + tokens // 100 + FRAME_TOKENS, size.input_bound)
    return replace(size, text_bytes=most, fixed_tokens=0, exact=True)


def _cited(citations: Any) -> bool:
    return isinstance(citations, Mapping) and citations.get("enabled") is True  # pyright: ignore[reportUnknownMemberType]


def _mappings(values: Any) -> Iterator[Mapping[str, Any]]:
    return (value for value in values if isinstance(value, Mapping))  # pyright: ignore[reportUnknownVariableType]


_ROLES = ("user", "assistant")
_PLAIN_BYTES = ITEM_BYTES + BLOCK_BYTES + len("role") + ITEM_BYTES + len("content") + ITEM_BYTES
"""Around the texts of a message with a role and a string for its content."""


class _Tally:
    """Running sums of one walk over a request."""

    bytes = tokens = marks = searches = turns = 0
    hour_marks = False

    def __init__(self) -> None:
        self.unbounded: set[str] = set()

    def conversation(self, messages: Any) -> None:
        """Walk the messages; those of plain text, which are nearly all in a long conversation, at a glance."""
        if not isinstance(messages, (list, tuple)):
            self.walk(messages)
            return
        for message in messages:  # pyright: ignore[reportUnknownVariableType]
            if type(message) is dict:  # pyright: ignore[reportUnknownArgumentType]
                role, content = message.get("role"), message.get("content")  # pyright: ignore
                if role == "assistant":
                    self.turns += 1
                if len(message) == 2 and type(content) is str and role in _ROLES and content.isascii():  # pyright: ignore
                    self.bytes += _PLAIN_BYTES + len(role) + len(content)  # pyright: ignore
                    continue
            self.bytes += ITEM_BYTES
            self.walk(message)

    def walk(self, value: Any) -> None:
        if isinstance(value, str):
            self.bytes += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        elif isinstance(value, (dict, Mapping)):  # `dict` first: asking the abstract class takes five times as long
            self._block(value)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, (list, tuple)):
            for item in value:  # pyright: ignore[reportUnknownVariableType]
                self.bytes += ITEM_BYTES
                self.walk(item)
        elif value is not None:
            self.bytes += len(str(value))

    def _block(self, block: Mapping[str, Any]) -> None:
        self.bytes += BLOCK_BYTES
        control = block.get("cache_control")
        if control:
            self.mark(control)
        kind = block.get("type")
        source = block.get("source")
        if kind in ("image", "document") and isinstance(source, Mapping):
            before = self.bytes
            self._source(str(kind), source)  # pyright: ignore[reportUnknownArgumentType]
            if _cited(block.get("citations")):
                # Each sentence is given a mark of its own; two tokens a byte cover those of a dozen bytes and more.
                self.bytes += self.bytes - before
                self.tokens += CITATIONS_FRAME_TOKENS
        elif kind == "container_upload":
            self.unbounded.add("container_upload")
        for name, part in block.items():
            if name not in ("cache_control", "source"):
                self.bytes += len(name) + ITEM_BYTES
                self.walk(part)
            elif name == "source" and kind not in ("image", "document"):
                self.walk(part)

    def _source(self, kind: str, source: Mapping[str, Any]) -> None:
        form = source.get("type")
        data = source.get("data")
        if kind == "image":
            self.tokens += IMAGE_TOKENS
        elif form == "base64" and isinstance(data, str):
            self.tokens += PDF_PAGE_TOKENS * (1 + len(data) * 3 // 4 // PDF_BYTES_PER_PAGE)
        elif form in ("text", "content"):
            self.walk(data if form == "text" else source.get("content"))
        else:
            self.unbounded.add(f"{kind} by {form}")

    def schemas(self, body: Mapping[str, Any]) -> None:
        for name in body.keys() & _SCHEMAS:
            self.walk(body[name])
            if body[name]:
                self.tokens += SCHEMA_FRAME_TOKENS

    def mark(self, control: Any) -> None:
        self.marks += 1
        if isinstance(control, Mapping) and control.get("ttl") == "1h":  # pyright: ignore[reportUnknownMemberType]
            self.hour_marks = True

    def tools(self, tools: Any) -> None:
        if tools:
            self.tokens += TOOL_FRAME_TOKENS
        for tool in _mappings(tools):
            kind = str(tool.get("type") or "custom")
            callers = tool.get("allowed_callers")
            if callers and callers != ["direct"]:
                self.unbounded.add("allowed_callers")  # code on the server calls it, with a prompt of its own
            if kind.split("_2", 1)[0] in _CLIENT_TOOLS:
                self.tokens += TOOL_FRAME_TOKENS if kind != "custom" else 0
                continue
            # What a server tool brings back is input that no request bounds, with or without `max_uses`.
            self.unbounded.add(kind)
            uses = tool.get("max_uses")
            if kind.startswith("web_search") and isinstance(uses, int):
                self.searches += uses
