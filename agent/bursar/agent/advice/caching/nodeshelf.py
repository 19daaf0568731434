"""Where do nodes lie that will soon be asked for? Beside each other: calls of one time have ids that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bursar.agent.ledger.printbook import Node

_BITS = 8
_BLOCKS = 128
"""Of 256 nodes each that are kept; the one that was fetched first goes first."""

Fetch = Callable[[int, int], Iterable[Node]]
"""Nodes by a range of ids, both ends among them."""


@dataclass(slots=True)
class NodeShelf:
    """Reads nodes in blocks, and keeps the latest of them."""

    fetch: Fetch
    _blocks: dict[int, dict[int, Node]] = field(default_factory=dict[int, "dict[int, Node]"])

    def __call__(self, node_id: int) -> Node:
        """One node. Raises `KeyError`."""
        number = node_id >> _BITS
        block = self._blocks.get(number)
        if block is None:
            first = number << _BITS
            block = {node.id: node for node in self.fetch(first, first + (1 << _BITS) - 1)}
            if len(self._blocks) == _BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            self._blocks[number] = block
        return block[node_id]
