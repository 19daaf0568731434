"""Which blocks make up a prompt, in the order of the cache, with which text, read from the bytes of a request?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bursar.policies.fingerprint import Section
from bursar.policies.values import value

SETTINGS = "settings"
"""The kind of the two pseudo-blocks of no tokens: what else must be equal from there on."""
OTHER = "other"
IMAGES, CITATIONS = "images", "citations"
BYTES_PER_TOKEN = 4
ROLE_TOKENS = 4
"""What a change of role adds."""
_FIXED = {"image": 1_600, "document": 3_000}
"""Tokens of binary data, whatever its size."""
_NOT_CACHEABLE = ("thinking", "redacted_thinking")
_ROLES = ("user", "assistant", "system")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""Kinds are told as they stand: nothing that could be a text may pass for one."""
_CITED, _IMAGE = '"citations":{"enabled":true}', '"type":"image"'
_HOLDERS = ("document", "image", "tool_result")
"""Blocks that are, or may hold, what changes more than themselves."""
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Json = Mapping[str, Any]


class PromptError(ValueError):
    """The body is no request for a message; the text says why, without a word of the prompt."""


@value
class PromptBlock:
    """
    One position of a prompt.

    `text` is canonical: equal where the cache holds two blocks for equal. The JSON of the block as it was sent, without
    `cache_control` and null members, a message's with its role in a line before; plain text is always written alike.
    """

    section: Section
    index: int
    part: int
    kind: str
    role: str
    text: str
    bytes: int
    """Of `text` in UTF-8, binary data left out."""
    tokens: int
    cacheable: bool = True
    mark: str = ""
    plain: str | None = None
    """The text alone, where the block is nothing else."""


@value
class Prompt:
    """A whole prompt; the settings stand as blocks among the others."""

    blocks: tuple[PromptBlock, ...]
    automatic: str
    begins: bool
    """Whether no turn of the assistant stands before its last: nothing came before it in its conversation."""


def prompt_of(content: bytes) -> Prompt:
    """The prompt of a request's body. Raises `PromptError`."""
    try:
        body: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PromptError(f"the body is no JSON: {type(error).__name__}") from None
    return prompt_in(_object(body))


def prompt_in(body: Json) -> Prompt:
    """The prompt of a decoded body. Raises `PromptError`."""
    if not isinstance(body.get("messages"), list):
        raise PromptError("the body is no request for a message")
    if body.get("thread") is not None:
        raise PromptError("the API holds the conversation, and the body shows only its end")
    messages = tuple(_messages(body["messages"]))
    turns = [one.get("role") for one in body["messages"]]
    return Prompt(
        blocks=(
            *_tools(body.get("tools")),
            _settings(Section.SYSTEM, _of_system(body, messages)),
            *_system(body.get("system") or None),
            _settings(Section.MESSAGES, _of_messages(body, messages)),
            *messages,
        ),
        automatic=_ttl(body.get("cache_control")),
        begins="assistant" not in turns[:-1],
    )


def opening_of(message: Any) -> str:
    """The canonical text of one message: what a conversation that begins with it is known by."""
    return "".join(block.text for block in _messages([message]))


def _tools(tools: Any) -> Iterator[PromptBlock]:
    for index, tool in enumerate(_list(tools)):
        yield _block(Section.TOOLS, index, 0, _object(tool), "tool", "")


def _system(system: Any) -> Iterator[PromptBlock]:
    for index, block in enumerate(_contents(system)):
        yield _block(Section.SYSTEM, index, 0, block, _kind(block), "")


def _messages(messages: Any) -> Iterator[PromptBlock]:
    previous = ""
    for index, told in enumerate(messages):
        message = _object(told)
        role = message.get("role")
        if role not in _ROLES:
            raise PromptError("a message has no role that is known")
        for part, block in enumerate(_contents(message.get("content"))):
            added = ROLE_TOKENS if role != previous else 0
            yield _block(Section.MESSAGES, index, part, block, _kind(block), role, added)
            previous = role


def _settings(section: Section, told: Json) -> PromptBlock:
    return PromptBlock(section, -1, 0, SETTINGS, "", _encode(told), 0, 0, False)


def _of_system(body: Json, messages: tuple[PromptBlock, ...]) -> Json:
    """What changes the system prompt under the hood. Server tools do too, and differ as tools already."""
    return {"speed": "fast" if body.get("speed") == "fast" else "standard", CITATIONS: _holds(messages, _CITED)}


def _holds(messages: tuple[PromptBlock, ...], json_text: str) -> bool:
    """Whether some block is of that JSON, in a tool's result too; no text can be, whose quotes are escaped."""
    return any(block.kind in _HOLDERS and json_text in block.text for block in messages)


def _of_messages(body: Json, messages: tuple[PromptBlock, ...]) -> Json:
    output = body.get("output_config")
    return {
        "tool_choice": body.get("tool_choice"),
        IMAGES: _holds(messages, _IMAGE),
        "thinking": body.get("thinking"),
        "effort": output.get("effort") if isinstance(output, dict) else None,  # pyright: ignore[reportUnknownMemberType]
    }


def _block(
    section: Section, index: int, part: int, block: Json, kind: str, role: str, added_tokens: int = 0
) -> PromptBlock:
    bare = _without_marks(block)
    head = f"{role}\n" if role else ""
    plain = bare.get("text") if len(bare) == 2 and bare.get("type") == "text" else None
    if isinstance(plain, str):
        bare = {"type": "text", "text": plain}
        text = head + _encode(bare)
        size = _size(text)
        tokens = _tokens(_size(plain))
    else:
        plain = None
        text = head + _encode(bare)
        size, tokens = _measure(bare, head, text)
    return PromptBlock(
        section,
        index,
        part,
        kind,
        role,
        text,
        size,
        tokens + added_tokens,
        kind not in _NOT_CACHEABLE and not (kind == "text" and not block.get("text")),
        _mark(block),
        plain,
    )


def _measure(bare: Json, head: str, text: str) -> tuple[int, int]:
    """Bytes without binary data, and tokens, of a block that is no plain text."""
    if _is_binary(bare):
        return _size(head + _encode(_without_data(bare))), _FIXED[bare["type"]]
    items = _nested(bare)
    binaries = [item for item in items if _is_binary(item)]
    if not binaries:
        size = _size(text)
        return size, _tokens(size - len(head))
    rest = [item for item in bare["content"] if item not in binaries]
    tokens = _tokens(_size(_encode({**bare, "content": rest}))) + sum(_FIXED[item["type"]] for item in binaries)
    slim = [_without_data(item) if item in binaries else item for item in bare["content"]]
    return _size(head + _encode({**bare, "content": slim})), tokens


def _without_marks(block: Json) -> dict[str, Any]:
    bare = {name: told for name, told in block.items() if name != "cache_control" and told is not None}
    content = bare.get("content")
    if isinstance(content, list):
        bare["content"] = [_without_marks(item) if isinstance(item, dict) else item for item in content]  # pyright: ignore
    return bare


def _without_data(block: Json) -> dict[str, Any]:
    source = {name: told for name, told in block["source"].items() if name != "data"}
    return {**block, "source": source}


def _is_binary(block: Json) -> bool:
    source = block.get("source")
    return block.get("type") in _FIXED and isinstance(source, dict) and source.get("type") not in ("text", "content")  # pyright: ignore


def _mark(block: Json) -> str:
    """Where a tool result has marks within, they count for the whole of it."""
    for holder in (block, *_nested(block)):
        found = _ttl(holder.get("cache_control"))
        if found:
            return found
    return ""


def _ttl(control: Any) -> str:
    if not isinstance(control, dict):
        return ""
    return "1h" if control.get("ttl") == "1h" else "5m"  # pyright: ignore


def _nested(block: Json) -> list[Json]:
    content = block.get("content")
    return [item for item in content if isinstance(item, dict)] if isinstance(content, list) else []  # pyright: ignore


def _contents(told: Any) -> Iterator[Json]:
    if isinstance(told, str):
        yield {"type": "text", "text": told}
        return
    for block in _list(told):
        yield _object(block)


def _kind(block: Json) -> str:
    kind = block.get("type")
    return kind if isinstance(kind, str) and _KIND.fullmatch(kind) else OTHER


def _list(told: Any) -> list[Any]:
    if told is None:
        return []
    if not isinstance(told, list):
        raise PromptError("a list was expected")
    return told  # pyright: ignore[reportUnknownVariableType]


def _object(told: Any) -> Json:
    if not isinstance(told, dict):
        raise PromptError("a JSON object was expected")
    return told  # pyright: ignore[reportUnknownVariableType]


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)
