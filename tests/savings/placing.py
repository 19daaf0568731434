"""How does a request look with other cache marks? What a user does who follows the advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from bursar.policies.cachemarks import TAIL, Mark, parts

_UNMARKED = ("thinking", "redacted_thinking")


def marked(body: dict[str, Any], marks: Sequence[Mark]) -> dict[str, Any]:
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


def unmarked(body: dict[str, Any]) -> dict[str, Any]:
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
        if isinstance(block.get("content"), list):
            for inner in block["content"]:
                if isinstance(inner, dict):
                    inner.pop("cache_control", None)
    return made


def cacheable(block: dict[str, Any]) -> bool:
    """Whether a mark may stand on it."""
    return block.get("type") not in _UNMARKED and not (block.get("type") == "text" and not block.get("text"))


def _blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from body.get("tools") or []
    yield from body.get("system") or []
    for message in body["messages"]:
        yield from message["content"]


def _last(body: dict[str, Any]) -> dict[str, Any] | None:
    return next((block for block in reversed([*_blocks(body)]) if cacheable(block)), None)


def _block(body: dict[str, Any], place: str) -> dict[str, Any] | None:
    section, index, part = parts(place)
    if section == "messages":
        assert index is not None
        if index >= len(body["messages"]):
            return None
        found, index = body["messages"][index]["content"], part
    else:
        found = body.get(section) or []
    if index is None:
        return next((block for block in reversed(found) if cacheable(block)), None)
    return found[index] if index < len(found) and cacheable(found[index]) else None
