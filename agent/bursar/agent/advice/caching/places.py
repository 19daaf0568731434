"""Where in the prompts of a route could a mark stand, so that it is the same place in nearly all of them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from bursar.agent.ledger.printbook import Node
from bursar.policies.fingerprint import Section

MOST_PLACES = 12
NEARLY_ALL = Fraction(95, 100)
SHARED = Fraction(9, 10)
"""Where more than so many of the prompts begin differently, no mark would be read."""
ALIKE = Fraction(102, 100)
"""Up to so many times as many beginnings are as many: one that nobody met for hours is counted again."""
MESSAGES = 8
"""Messages from the beginning whose ends are places; what comes later is left to the mark at the end."""
_PARTS = 8


class Shape(NamedTuple):
    """What decides which places a prompt has: how many tools, blocks of system, parts of message 0, and messages."""

    tools: int = 0
    system: int = 0
    parts: int = 0
    messages: int = 0
    """At most one more than are places."""

    def grown(self, node: Node) -> Shape:
        """The shape with one block more; where no mark may stand, it is the same."""
        if not node.cacheable:
            return self
        match node.section:
            case Section.TOOLS:
                return Shape(node.place + 1, self.system, self.parts, self.messages)
            case Section.SYSTEM:
                return Shape(self.tools, node.place + 1, self.parts, self.messages)
            case _:
                parts = node.part + 1 if node.place == 0 else self.parts
                messages = min(node.place, MESSAGES) + 1
                same = parts == self.parts and messages == self.messages
                return self if same else Shape(self.tools, self.system, parts, messages)


def names(node: Node) -> tuple[str, ...]:
    """The places that a block may be, the narrower first; of `tools`, `system` and a message the last such block is."""
    return _names(node.section, node.place, node.part) if node.cacheable else ()


@lru_cache(maxsize=4_096)
def _names(section: str, place: int, part: int) -> tuple[str, ...]:
    if section != Section.MESSAGES:
        return (f"{section}[{place}]", str(section))
    message = f"messages[{place}]"
    if place == 0:
        return (f"{message}.content[{part}]", message)
    return (message,) if place < MESSAGES else ()


def places(shapes: Mapping[Shape, int], kinds: Mapping[str, int]) -> tuple[str, ...]:
    """
    The places worth a thought, in the order of the cache.

    `shapes`: how many prompts had which; `kinds`: how many different beginnings ended at each place. Of neighbours with
    equally many only the last counts: what is the same up to the first is the same up to it too.
    """
    calls = sum(shapes.values())
    found = [name for name in _ordered(shapes) if _present(name, shapes) >= NEARLY_ALL * calls]
    worth = [name for name in found if kinds.get(name, calls) <= SHARED * calls]
    last = [
        name
        for name, after in zip(worth, (*worth, "")[1:], strict=True)
        if not after or kinds.get(after, 0) > ALIKE * kinds.get(name, 0)
    ]
    return tuple(last[:MOST_PLACES])


def _ordered(shapes: Iterable[Shape]) -> list[str]:
    """
    Names in the order of the cache. A block that is the last of its section in nearly all prompts has its name only.
    """
    found: list[str] = []
    listed = list(shapes)
    for section in ("tools", "system"):
        counts = {getattr(shape, section) for shape in listed} - {0}
        found += [f"{section}[{index}]" for index in range(max(counts, default=0) - (len(counts) == 1))]
        found += [section] if counts else []
    parts = {shape.parts for shape in listed} - {0}
    most = min(max(parts, default=0), _PARTS)
    found += [f"messages[0].content[{index}]" for index in range(most - (len(parts) == 1))]
    messages = min(max((shape.messages for shape in listed), default=0), MESSAGES)
    return found + [f"messages[{index}]" for index in range(messages)]


def _present(name: str, shapes: Mapping[Shape, int]) -> int:
    return sum(count for shape, count in shapes.items() if _has(name, shape))


def _has(name: str, shape: Shape) -> bool:
    section, _, index = name.partition("[")
    if name.startswith("messages[0].content["):
        return shape.parts > int(name.removeprefix("messages[0].content[")[:-1])
    present: int = getattr(shape, section)
    return present > (int(index[:-1]) if index else 0)
