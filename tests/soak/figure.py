"""What a measurement found, what it claims, and how whoever doubts it runs it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[int, int], object]
"""Told how much is done, of how much."""


def silently(done: int, of: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence that a run upholds or not."""

    text: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One table of measurements and the claims that stand on it."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    claims: tuple[Claim, ...]
    repeat: tuple[str, ...] = ()
    """Commands that repeat what went wrong."""
    numbers: dict[str, Any] = field(default_factory=dict[str, Any])
    """The same for machines."""

    @property
    def holds(self) -> bool:
        """Whether every claim does."""
        return all(claim.holds for claim in self.claims)
