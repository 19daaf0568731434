"""Which blocks make up a prompt, in the order of the cache, and how many tokens has each? A count that stands in.

A block has one token for every four UTF-8 bytes begun: of its text where it is plain text, else of its JSON (key order
counts, as in the API). A change of role adds `ROLE_TOKENS`; an image or binary document has a fixed count.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from bursar.agent.sandbox.errors import invalid
from bursar.agent.sandbox.fields import Json, choice_at, is_list, is_object, join, list_at, object_at, required, text_at

BYTES_PER_TOKEN = 4
ROLE_TOKENS = 4
_FIXED = {"image": 1_600, "document": 3_000}
_ROLES = ("user", "assistant", "system")
_NOT_CACHEABLE = ("thinking", "redacted_thinking")


class Section(StrEnum):
    """The three parts of a prompt, in the order of the cache."""

    TOOLS = "tools"
    SYSTEM = "system"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class Block:
    """One position of the prompt: what must be equal for a cached prefix to match, its tokens, and its cache marks."""

    section: Section
    where: str
    canonical: str
    tokens: int
    cacheable: bool
    image: bool  # in a tool result too
    cited: bool
    cache_controls: tuple[object, ...]  # as sent, not yet checked


def count_text(text: str) -> int:
    """Tokens of a text."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def blocks(body: Json) -> tuple[Block, ...]:
    """All blocks of a request, tools before system before messages; raises the API's 400 where one is malformed."""
    return (*_tools(body), *_system(body), *_messages(body))


def _tools(body: Json) -> Iterator[Block]:
    for index, tool in enumerate(list_at(body.get("tools") or [], "tools")):
        where = join("tools", index)
        if object_at(tool, where).get("type") in (None, "custom"):
            text_at(required(tool, "name", where), join(where, "name"))
        yield _block(Section.TOOLS, where, tool)


def _system(body: Json) -> Iterator[Block]:
    for where, block in _contents(body.get("system") or [], "system"):
        yield _block(Section.SYSTEM, where, block)


def _messages(body: Json) -> Iterator[Block]:
    messages = list_at(required(body, "messages"), "messages")
    if not messages:
        raise invalid("messages", "at least one message is required")
    previous = ""
    for index, value in enumerate(messages):
        where = join("messages", index)
        message = object_at(value, where)
        role = choice_at(required(message, "role", where), _ROLES, join(where, "role"))
        for place, content in _contents(required(message, "content", where), join(where, "content")):
            block = _block(Section.MESSAGES, place, content)
            added = ROLE_TOKENS if role != previous else 0
            yield replace(block, canonical=f"{role}\n{block.canonical}", tokens=block.tokens + added)
            previous = role


def _contents(value: object, where: str) -> Iterator[tuple[str, Json]]:
    if isinstance(value, str):
        yield where, {"type": "text", "text": value}
        return
    for index, item in enumerate(list_at(value, where)):
        place = join(where, index)
        block = object_at(item, place)
        if text_at(required(block, "type", place), join(place, "type")) == "text":
            text_at(required(block, "text", place), join(place, "text"))
        yield place, block


def _block(section: Section, where: str, block: Json) -> Block:
    kind = block.get("type")
    bare = _without_marks(block)
    plain = set(bare) == {"type", "text"}
    canonical = bare["text"] if plain else _json(bare)
    return Block(
        section=section,
        where=where,
        canonical=f"{'text' if plain else 'json'}:{canonical}",
        tokens=count_text(canonical) if plain else _count_json(bare),
        cacheable=kind not in _NOT_CACHEABLE and not (kind == "text" and not block.get("text")),
        image=any(one.get("type") == "image" for one in (*_nested(block), block)),
        cited=any(_is_cited(one) for one in (*_nested(block), block)),
        cache_controls=tuple(_marks_in(block)),
    )


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _count_json(bare: Json) -> int:
    """Tokens of a block that is no plain text; an image inside a tool result counts as an image, not as base64."""
    if _is_binary(bare):
        return _FIXED[bare["type"]]
    binaries = [item for item in _nested(bare) if _is_binary(item)]
    rest = {**bare, "content": [item for item in bare["content"] if item not in binaries]} if binaries else bare
    return count_text(_json(rest)) + sum(_FIXED[item["type"]] for item in binaries)


def _is_binary(block: Json) -> bool:
    source = block.get("source")
    return block.get("type") in _FIXED and is_object(source) and source.get("type") not in ("text", "content")


def _is_cited(block: Json) -> bool:
    citations = block.get("citations")
    return is_object(citations) and citations.get("enabled") is True


def _nested(block: Json) -> list[Json]:
    content = block.get("content")
    return [item for item in content if is_object(item)] if is_list(content) else []


def _marks_in(block: Json) -> Iterator[object]:
    """Marks within a tool result count for the whole block."""
    for holder in (*_nested(block), block):
        if holder.get("cache_control") is not None:
            yield holder["cache_control"]


def _without_marks(block: Json) -> Json:
    """The block without marks, and without members that are null: neither is part of what the model reads."""
    bare = {name: value for name, value in block.items() if name != "cache_control" and value is not None}
    if is_list(bare.get("content")):
        bare["content"] = [_without_marks(item) if is_object(item) else item for item in bare["content"]]
    return bare
