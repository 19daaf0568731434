"""What would a prompt be if a text were cut in two, or blocks of its system prompt stood in another order?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bursar.agent.ledger.printbook import Node
from bursar.policies.fingerprint import Section

NEW = "new"
"""The place that a layout adds: behind what was cut off, or behind the blocks that stay in front."""


class Change(StrEnum):
    """What a layout does."""

    NONE = "none"
    CUT = "cut"
    """A text is sent as two blocks: what many prompts begin with, and the rest."""
    ORDER = "order"
    """Blocks of the system prompt that change stand behind those that do not."""


class Piece(NamedTuple):
    """A block of the prompt as it would be."""

    key: bytes
    """Equal for what is equal for the cache."""
    share: tuple[int, int]
    """Which part of the block's tokens it has, as numerator and denominator."""
    cacheable: bool
    new: bool
    """Whether the new place is behind it."""
    held: bool
    """Whether it is moved to the end of its section."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One change, at one place."""

    change: Change = Change.NONE
    section: str = ""
    place: int = 0
    part: int = 0
    """Of the text that is cut, as in `Node`; of an order unused."""
    cut: int = 0
    """Bytes from its beginning up to the cut."""
    number: int = 0
    """Which of the cuts of `fingerprint.cuts` that is."""
    steady: frozenset[bytes] = frozenset()
    """Of an order: hashes of the blocks that stay in front."""

    def pieces(self, node: Node, stretches: Callable[[int], tuple[bytes, ...]]) -> tuple[Piece, ...]:
        """A block as it would be sent; `stretches` reads the hashes of a node's text up to each cut."""
        if self.change is Change.ORDER and node.section == self.section:
            steady = node.hash in self.steady
            return (Piece(node.hash, (1, 1), node.cacheable, steady and node.cacheable, not steady),)
        if self.change is Change.CUT and (node.section, node.place, node.part) == (self.section, self.place, self.part):
            found = stretches(node.id)
            if self.number < len(found) and self.cut < node.bytes:
                return (
                    Piece(b"cut" + found[self.number], (self.cut, node.bytes), cacheable=True, new=True, held=False),
                    Piece(node.hash, (node.bytes - self.cut, node.bytes), node.cacheable, new=False, held=False),
                )
        return (Piece(node.hash, (1, 1), node.cacheable, new=False, held=False),)

    def places(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The places of its prompts, in the order of the cache, from those of the prompts as they are."""
        match self.change:
            case Change.NONE:
                return names
            case Change.CUT:
                at = next((number for number, name in enumerate(names) if not self._before(name)), len(names))
                return (*names[:at], NEW, *names[at:])
            case Change.ORDER:
                before = tuple(name for name in names if name.startswith("tools"))
                behind = tuple(name for name in names if name.startswith("messages"))
                whole = tuple(name for name in names if name == Section.SYSTEM)
                return (*before, NEW, *whole, *behind)

    def shifted(self, name: str) -> str:
        """A place of the prompts as they are, as those of the layout call it: behind a cut is one block more."""
        head, bracket, rest = name.rpartition("[")
        if self.change is not Change.CUT or not bracket or self._before(name):
            return name
        if name.startswith("messages") != (self.section == Section.MESSAGES) or not name.startswith(self.section):
            return name
        return f"{head}[{int(rest[:-1]) + 1}]" if self.section == Section.SYSTEM or ".content" in head else name

    def _before(self, name: str) -> bool:
        """Whether a place stands before the text that is cut."""
        section, _, rest = name.partition("[")
        order = [str(one) for one in Section]
        if section != self.section:
            return order.index(section) < order.index(self.section)
        if not rest:
            return False
        index = int(rest.partition("]")[0])
        if ".content[" in name:
            return (index, int(name.rpartition("[")[2][:-1])) < (self.place, self.part)
        return index < self.place


AS_IT_IS = Layout()
