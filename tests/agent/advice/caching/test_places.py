"""Claims about places: those that nearly all prompts have, and of those that end alike the last."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bursar.agent.advice.caching.places import MOST_PLACES, Shape, places

ONE = Shape(tools=2, system=2, parts=1, messages=1)


@pytest.mark.parametrize(
    ("shapes", "kinds", "expected"),
    [
        ({ONE: 100}, {"tools[0]": 1, "tools": 1, "system[0]": 1, "system": 1}, ("system",)),
        ({ONE: 100}, {"tools[0]": 1, "tools": 1, "system[0]": 1, "system": 50}, ("system[0]", "system")),
        ({ONE: 100}, {"tools[0]": 1, "tools": 3, "system[0]": 3, "system": 91}, ("tools[0]", "system[0]")),
        ({ONE: 94, Shape(messages=1): 6}, {"system": 1, "messages[0]": 9}, ("messages[0]",)),
        ({ONE: 95, Shape(messages=1): 5}, {"system": 1, "tools": 1}, ("system",)),
        ({Shape(parts=2, messages=1): 9}, {"messages[0].content[0]": 2, "messages[0]": 9}, ("messages[0].content[0]",)),
        ({Shape(system=1): 5, Shape(system=2): 5}, {"system[0]": 1, "system": 3}, ("system[0]", "system")),
        ({ONE: 1}, {}, ()),
        ({}, {}, ()),
    ],
)
def test_places_worth_a_thought(
    shapes: Mapping[Shape, int], kinds: Mapping[str, int], expected: tuple[str, ...]
) -> None:
    """Present in 95 of 100 prompts, not another in more than nine of ten, and not the same as the next one."""
    assert places(shapes, kinds) == expected


def test_there_are_not_too_many() -> None:
    """Twenty tools, each in one variant more than the one before it: the first twelve."""
    kinds = {f"tools[{index}]": index + 1 for index in range(20)}
    assert places({Shape(tools=21): 100}, kinds) == tuple(kinds)[:MOST_PLACES]
