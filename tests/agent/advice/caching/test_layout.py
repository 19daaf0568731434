"""Claims about layouts: where the new place stands among the others, and what those are called then."""

from __future__ import annotations

import pytest

from bursar.agent.advice.caching.layout import AS_IT_IS, NEW, Change, Layout

NAMES = ("tools", "system[0]", "system[1]", "system", "messages[0].content[0]", "messages[0].content[1]", "messages[0]")
OF_SYSTEM = Layout(Change.CUT, "system", place=1, cut=256)
OF_MESSAGE = Layout(Change.CUT, "messages", part=1, cut=256)


@pytest.mark.parametrize(
    ("layout", "places"),
    [
        (AS_IT_IS, NAMES),
        (OF_SYSTEM, (*NAMES[:2], NEW, *NAMES[2:])),
        (OF_MESSAGE, (*NAMES[:5], NEW, *NAMES[5:])),
        (Layout(Change.ORDER, "system"), ("tools", NEW, "system", *NAMES[4:])),
    ],
)
def test_the_new_place_stands_in_order(layout: Layout, places: tuple[str, ...]) -> None:
    """Ahead of the text that is cut; in another order, ahead of the system prompt, whose blocks have no names."""
    assert layout.places(NAMES) == places


@pytest.mark.parametrize(
    ("layout", "called"),
    [
        (OF_SYSTEM, ("tools", "system[0]", "system[2]", "system", *NAMES[4:])),
        (OF_MESSAGE, (*NAMES[:5], "messages[0].content[2]", "messages[0]")),
        (AS_IT_IS, NAMES),
    ],
)
def test_behind_a_cut_blocks_have_another_number(layout: Layout, called: tuple[str, ...]) -> None:
    """Only in the section, or the message, that is cut, and by one."""
    assert tuple(layout.shifted(name) for name in NAMES) == called
