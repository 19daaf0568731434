"""How does a request look with other cache marks? What a user does who follows the advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from bursar.policies.cachemarks import TAIL, Mark, parts

Json = dict[str, Any]
_UNMARKED = ("thinking", "redacted_thinking")


def marked(body: Json, marks: Sequence[Mark]) -> Json:
    """The request with these marks and no others; a place that it does not have is passed over."""
    made = unmarked(body)
    for mark in marks:
        control = {"type": "ephemeral", "ttl": mark.ttl}
        block = made if mark.place == TAIL else _block(made, mark.place)
        if block is not None:
            block.setdefault("cache_control", control)
    last = _last(made)
    if "cache_control" in made and last is not None and "cache_control" in last:
        del made["cache_control"]  # one mark there is enough, and another life would be refused
    return made


def unmarked(body: Json) -> Json:
    """The request without any mark, and with lists of blocks where it had plain texts."""
    made = deepcopy(body)
    made.pop("cache_control", None)
    if isinstance(made.get("system"), str):
        made["system"] = [{"type": "text", "text": made["system"]}]
    for message in made["messages"]:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    for block in _blocks(made):
        block.pop("cache_control", None)
        for inner in inner_blocks(block):
            inner.pop("cache_control", None)
    return made


def inner_blocks(block: Json) -> list[Json]:
    """What stands in a result of a tool."""
    content: Any = block.get("content")
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []  # pyright: ignore


def cacheable(block: Json) -> bool:
    """Whether a mark may stand on it."""
    return block.get("type") not in _UNMARKED and not (block.get("type") == "text" and not block.get("text"))


def _blocks(body: Json) -> Iterator[Json]:
    yield from listed(body, "tools")
    yield from listed(body, "system")
    for message in listed(body, "messages"):
        yield from listed(message, "content")


def listed(holder: Json, name: str) -> list[Json]:
    """Blocks under a name; a text is one block, and what is not there none."""
    value: Any = holder.get(name)
    return [{"type": "text", "text": value}] if isinstance(value, str) else value or []


def _last(body: Json) -> Json | None:
    return next((block for block in reversed([*_blocks(body)]) if cacheable(block)), None)


def _block(body: Json, place: str) -> Json | None:
    section, index, part = parts(place)
    found = listed(body, section)
    if section == "messages":
        assert index is not None
        found, index = (listed(found[index], "content"), part) if index < len(found) else ([], None)
    if index is None:
        return next((block for block in reversed(found) if cacheable(block)), None)
    return found[index] if index < len(found) and cacheable(found[index]) else None
