"""Claims about the shelf: nodes come in blocks, each once, and not all are kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bursar.agent.advice.caching.nodeshelf import NodeShelf
from bursar.agent.ledger.printbook import Node


def node(number: int) -> Node:
    return Node(number, 0, 1, b"", "system", 0, 0, "text", "", 4, 1, cacheable=True)


def test_neighbours_are_fetched_together() -> None:
    """A thousand nodes in order are four blocks; one that nobody has is missing, and not asked for again."""
    fetched: list[int] = []

    def fetch(first: int, last: int) -> Iterator[Node]:
        fetched.append(first)
        return (node(number) for number in range(first, min(last, 999) + 1))

    shelf = NodeShelf(fetch)
    assert [shelf(number).id for number in range(1_000)] == list(range(1_000))
    for _ in range(2):
        with pytest.raises(KeyError):
            shelf(1_001)
    assert fetched == [0, 256, 512, 768]


def test_the_oldest_block_goes_first() -> None:
    """With one more than are kept, the first is fetched again, and those after it are still there."""
    fetched: list[int] = []

    def fetch(first: int, last: int) -> Iterator[Node]:
        fetched.append(first)
        return iter([node(first)])

    shelf = NodeShelf(fetch)
    for number in (*range(129), 1, 0):
        shelf(256 * number)
    assert fetched == [*(256 * number for number in range(129)), 0]
