"""How is JSON written where every call pays for it? Piece by piece, the pieces that stay the same kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

__all__ = ["Encoded", "array", "encode", "nullable", "object_of_texts", "quoted"]

encode = json.JSONEncoder(separators=(",", ":")).encode
"""Any value, compactly; built once, since `json.dumps` builds an encoder for every call."""


class Encoded(Mapping[str, Any]):
    """A JSON object that stands ready as text, and is read only where somebody looks into it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __getitem__(self, name: str) -> Any:
        return json.loads(self.text)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(json.loads(self.text))

    def __len__(self) -> int:
        return len(json.loads(self.text))


def array(texts: Iterable[str]) -> str:
    """A list of texts."""
    return f"[{','.join(map(quoted, texts))}]"


def object_of_texts(texts: Mapping[str, str]) -> str:
    """An object whose every value is a text."""
    if not texts:
        return "{}"
    return f"{{{','.join([f'{quoted(name)}:{quoted(text)}' for name, text in texts.items()])}}}"


def nullable(text: str | None) -> str:
    """A text, or null."""
    return "null" if text is None else quoted(text)
