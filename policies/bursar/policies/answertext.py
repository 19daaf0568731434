"""What did a model answer, as one text that can be held against another's?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

COMPLETE = ("end_turn", "stop_sequence", "tool_use")
"""Why an answer ends that is whole; one that was cut, paused or refused is none that another is measured by."""


def whole(message: Mapping[str, Any]) -> bool:
    """Whether a message is an answer, whole."""
    return message.get("stop_reason") in COMPLETE


def answer_text(message: Mapping[str, Any]) -> str:
    """
    The text of a message's answer: its text blocks, one behind the other.

    Where tools are called, that is the answer: a call is JSON with `name` and `input`, several are a list of these.
    What it thought, and what tools of the API's brought it, is no part of it.
    """
    blocks = tuple(_blocks(message.get("content")))
    calls = [{"name": b.get("name"), "input": b.get("input")} for b in blocks if b.get("type") == "tool_use"]
    if calls:
        return json.dumps(calls[0] if len(calls) == 1 else calls, sort_keys=True, ensure_ascii=False)
    return "".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, list):
        for block in cast("Iterable[Any]", content):
            if isinstance(block, Mapping):
                yield cast("Mapping[str, Any]", block)
