"""Where did the request ask for caching, and may it? At most four marks, one-hour ones first."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bursar.agent.sandbox.errors import ApiError, invalid
from bursar.agent.sandbox.fields import choice_at, join, object_at, required
from bursar.agent.sandbox.tokens import Block

MAX_MARKS = 4
FIVE_MINUTES = 300
ONE_HOUR = 3_600
_TTL = {"5m": FIVE_MINUTES, "1h": ONE_HOUR}


@dataclass(frozen=True, slots=True)
class Mark:
    """A prefix to be cached: all blocks up to and including `position`, for `ttl` seconds."""

    position: int
    ttl: int


def marks(prompt: Sequence[Block], automatic: object) -> tuple[Mark, ...]:
    """The marks of a prompt in order; `automatic` is the request's own top-level cache_control, or None."""
    found = [mark for position, block in enumerate(prompt) for mark in _of_block(position, block)]
    if automatic is not None:
        found = _with_automatic(found, prompt, _ttl(automatic, "cache_control"))
    if len(found) > MAX_MARKS:
        count = len(found)
        raise invalid("", f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. Found {count}.")
    for earlier, later in pairwise(found):
        if later.ttl > earlier.ttl:
            raise _one_hour_too_late(prompt[later.position])
    return tuple(found)


def _of_block(position: int, block: Block) -> list[Mark]:
    place = join(block.where, "cache_control")
    if block.cache_controls and not block.cacheable:
        raise invalid(place, "cache_control cannot be set for thinking blocks or empty text blocks")
    return [Mark(position, _ttl(value, place)) for value in block.cache_controls]


def _ttl(value: object, where: str) -> int:
    control = object_at(value, where)
    choice_at(required(control, "type", where), ("ephemeral",), join(where, "type"))
    return _TTL[choice_at(control.get("ttl") or "5m", tuple(_TTL), join(where, "ttl"))]


def _with_automatic(found: list[Mark], prompt: Sequence[Block], ttl: int) -> list[Mark]:
    last = max((position for position, block in enumerate(prompt) if block.cacheable), default=None)
    if last is None:
        return found
    there = [mark for mark in found if mark.position == last]
    if any(mark.ttl != ttl for mark in there):
        raise invalid("cache_control", "the last block already has a cache_control with a different ttl")
    return found if there else sorted([*found, Mark(last, ttl)], key=lambda mark: mark.position)


def _one_hour_too_late(block: Block) -> ApiError:
    return invalid(
        join(block.where, "cache_control.ttl"),
        "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. "
        "Note that blocks are processed in the following order: `tools`, `system`, `messages`.",
    )
