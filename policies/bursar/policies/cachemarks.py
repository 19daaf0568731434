"""Where in a prompt do cache marks stand, in words that an agent, a guard and a person all understand?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

TTLS = ("5m", "1h")
TAIL = "tail"
"""The last block of the request: what automatic caching marks."""

_PLACE = re.compile(
    r"(?P<section>tools|system)(?:\[(?P<index>\d{1,4})\])?|messages\[(?P<message>\d{1,4})\](?:\.content\[(?P<part>\d{1,4})\])?|tail"
)


class MarksError(ValueError):
    """Marks that cannot be understood; the text says why."""


@dataclass(frozen=True, slots=True)
class Mark:
    """
    One mark of a request: everything up to there is cached for `ttl`.

    `place`: `tools` (the last tool), `system` (its last block), `system[1]`, `tools[4]`, `messages[0]` (the last block
    of that message that may be marked), `messages[0].content[1]`, or `tail`.
    """

    place: str
    ttl: str = "5m"

    def __post_init__(self) -> None:
        if _PLACE.fullmatch(self.place) is None:
            raise MarksError(f"{ascii(self.place)[:60]} is no place for a mark: write system, messages[0] or tail")
        if self.ttl not in TTLS:
            raise MarksError(f"a mark lives 5m or 1h, not {ascii(self.ttl)[:20]}")

    def __str__(self) -> str:
        return self.place if self.ttl == "5m" else f"{self.place} {self.ttl}"


@dataclass(frozen=True, slots=True)
class Marking:
    """The marks that a guard adds to the requests of one route to one model, in `cache = "auto"`."""

    id: str
    """Of the recommendation that it carries out; on the span and in the ledger of each call so changed."""
    route: str
    model: str
    marks: tuple[Mark, ...]
    """In the order of the cache, an hour's before five minutes', at most four."""
    held_out: float = 0.1
    """The share of conversations that are left as they are, to compare with."""


def parts(place: str) -> tuple[str, int | None, int | None]:
    """A place as section, index and part; None for the last one, and everywhere for `tail`. Raises `MarksError`."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise MarksError(f"{ascii(place)[:60]} is no place for a mark")
    if place == TAIL:
        return TAIL, None, None
    if found["section"]:
        return found["section"], int(found["index"]) if found["index"] else None, None
    return "messages", int(found["message"]), int(found["part"]) if found["part"] else None


def to_text(markings: Iterable[Marking]) -> str:
    """Markings as they cross the wall, in the snapshot."""
    return json.dumps([asdict(one) for one in markings])


def from_text(text: str) -> tuple[Marking, ...]:
    """Raises `MarksError`."""
    try:
        told: Any = json.loads(text)
        return tuple(_marking(one) for one in told)
    except (ValueError, KeyError, TypeError) as error:
        raise MarksError(f"the markings cannot be read: {error}") from error


def _marking(told: Mapping[str, Any]) -> Marking:
    marks = tuple(Mark(str(one["place"]), str(one["ttl"])) for one in told["marks"])
    if len(marks) > 4:
        raise MarksError("a request has at most four marks")
    held_out = float(told.get("held_out", 0.1))
    return Marking(str(told["id"]), str(told["route"]), str(told["model"]), marks, held_out)
