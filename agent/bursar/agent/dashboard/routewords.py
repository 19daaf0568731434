"""How are routes and models named on a page, and in a command for a shell?"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from bursar.agent.dashboard import words
from bursar.agent.dashboard.table import Part

NO_ROUTE: Final = "(no route)"
"""Calls that nobody gave one."""
COLOURS = 8
"""Of the style sheet; the last is for all that have none of their own."""


def shown(route: str) -> str:
    """A route's name, also where it has none."""
    return route or NO_ROUTE


def path(route: str) -> str:
    """Where a route's page is. Its name is one part of the path, whatever it holds."""
    return f"/routes/{quote(route, safe='')}"


def literally(route: str) -> str:
    """A glob that nothing but this name matches."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in route)


def argument(text: str) -> str:
    """A name as a shell takes it."""
    return shlex.quote(text)


def short_model(model: str) -> str:
    """A model's name without what all have in common."""
    return model.removeprefix("claude-")


def mix(spent: Mapping[str, int], colours: Mapping[str, int]) -> tuple[Part, ...]:
    """What each model has of what was spent, the dearest first; nothing where nothing was."""
    total = sum(spent.values())
    if total <= 0:
        return ()
    ranked = sorted(spent.items(), key=lambda one: (-one[1], one[0]))
    return tuple(
        Part(short_model(model), nano / total, colours.get(model, COLOURS)) for model, nano in ranked if nano > 0
    )


def mix_text(parts: Iterable[Part]) -> str:
    """The same in words."""
    return ", ".join(f"{part.name} {words.share(part.share)}" for part in parts)


def colours(ranked: Iterable[str]) -> dict[str, int]:
    """A colour for each of the first few names."""
    return {name: place for place, name in enumerate(ranked, start=1) if place < COLOURS}
