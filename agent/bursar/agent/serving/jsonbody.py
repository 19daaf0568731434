"""Is a body JSON that can be worked with, and of which every text can be kept?"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, cast

T = TypeVar("T")

MOST_DEPTH = 100
"""Nesting of messages, by far: what is deeper is an attack on whoever walks through it."""
MOST_CONTAINERS = 500_000
MOST_VALUES = 2_000_000
"""
Of brackets and of commas, those in texts counted too: a value takes up to fifty times the room of its bytes.

The text of the longest prompt has four million signs; what is longer than that is binary data, which has neither.
"""
LARGE = 256 * 1024
"""From so many bytes on a body is read beside the event loop."""
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")
"""Half a sign: JSON may escape one, and no database takes it."""


def read_json(raw: bytes | str) -> object:
    """What a body says. Raises ValueError where it is no JSON, too deep, or has what cannot be kept."""
    text = _decoded(raw)
    value = _read(text, parse_constant=_no_number)
    if _HALF_ESCAPED.search(text) and _HALF.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("a text in it has half of a surrogate pair")
    return value


def read_loosely(raw: bytes) -> object:
    """The same of a message whose parts are judged one by one: texts and numbers in it may be any."""
    return _read(_decoded(raw))


async def beside(read: Callable[[bytes], T], body: bytes) -> T:
    """Read a body by `read`; a large one on another thread, so that others are answered meanwhile."""
    return read(body) if len(body) < LARGE else await asyncio.to_thread(read, body)


def _read(text: str, **hooks: Any) -> object:
    if text.count("[") + text.count("{") > MOST_CONTAINERS or text.count(",") > MOST_VALUES:
        raise ValueError("it has too many values")
    try:
        return _shallow(json.loads(text, **hooks))
    except RecursionError as error:
        raise ValueError(_DEEP) from error


def _decoded(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("utf-8")


_DEEP = f"it is nested deeper than {MOST_DEPTH} levels"


def _shallow(value: Any) -> object:
    level: list[Any] = [value]
    for _ in range(MOST_DEPTH):
        level = [child for one in level for child in _children(one) if isinstance(child, dict | list)]
        if not level:
            return value
    raise ValueError(_DEEP)


def _children(value: Any) -> Any:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return value if isinstance(value, list) else ()  # pyright: ignore[reportUnknownVariableType]


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
