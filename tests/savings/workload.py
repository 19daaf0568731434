"""What does an application ask for in a day, and when?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: when it is sent, seconds from the beginning, and how it will be answered."""

    at: float
    body: dict[str, Any]
    begins: float = 1.0
    """Seconds until its answer begins: before that nobody can read what it wrote."""
    output: int = 100
    """Tokens."""
    betas: str = ""
    """Its `anthropic-beta` header."""


@dataclass(frozen=True)
class Workload:
    """A day of one route, in order of time."""

    name: str
    asks: tuple[Ask, ...] = field(repr=False)
    route: str = "proof"


def in_order(name: str, asks: Iterable[Ask]) -> Workload:
    """A workload of asks that come in any order."""
    return Workload(name, tuple(sorted(asks, key=lambda ask: ask.at)))
