"""What does a message consist of, in words for people and as data for programs?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Field(NamedTuple):
    """A figure with its name."""

    title: str
    text: str


class Listing(NamedTuple):
    """Lines under a title."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell. Whoever has room shows fields and listings, whoever has one line the sentences."""

    headline: str
    sentences: tuple[str, ...]
    data: dict[str, Any]
    fields: tuple[Field, ...] = ()
    listings: tuple[Listing, ...] = ()
    footer: str = ""

    @property
    def text(self) -> str:
        """All of it in one line, whatever stands in a label."""
        return " ".join(f"{self.headline}. {' '.join(self.sentences)}".split())
