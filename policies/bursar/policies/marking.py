"""How does a request get the cache marks that its route was advised, and why may it not?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any, cast

from bursar.policies.cachemarks import TAIL, Mark, Marking, parts
from bursar.policies.changes import Change, Why
from bursar.policies.fingerprint import MOST_MARKS

Body = Mapping[str, Any]
_SECTIONS = ("tools", "system", "messages")
_NEVER = ("thinking", "redacted_thinking")
_DRAWN_FROM = 4_096
"""Signs of its first message that a conversation's draw looks at."""
DAY_NS = 86_400 * 10**9


class Unmarked(StrEnum):
    """Why a request goes as it is."""

    NO_PLACE = "no_place"
    """It has none of the blocks that are to be marked."""
    FULL = "full"
    """With the application's own marks there would be more than four."""
    ORDER = "order"
    """A mark of an hour would stand behind one of five minutes, which the API refuses."""
    MARKED = "marked"
    """The application marks all these places itself."""
    HELD_OUT = "held_out"
    """It is left alone to compare with."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Parameters of the request that carry the marks, beside those as they were, and a note of what was added."""

    changes: Body
    note: Change


Spot = tuple[int, int, int]
"""Where a block stands: section, index, part; in the order of the cache."""


def held_out(marking: Marking, body: Body, at_ns: int) -> bool:
    """
    Whether a request is left as it is: drawn for its conversation and day (UTC), so that its turns go one way.

    By what the conversation begins with, hashed with the marking's id; no state, and the same in every process.
    """
    messages = _list(body.get("messages"))
    text = f"{marking.id}\n{at_ns // DAY_NS}\n{_beginning(messages[0] if messages else None)}"
    drawn = int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())
    return drawn < marking.held_out * 2**64


def marked(body: Body, marking: Marking) -> Marked | Unmarked:
    """
    The marks of a marking on a request, or none and why. Blocks are copied where they change, never in place.

    Marks of the application's own stay as they are, wherever they stand. A place that the request does not have is
    passed over, as it was when the marks were chosen.
    """
    own = dict(_own(body))
    tail = body.get("cache_control") is not None
    wanted: dict[Spot, str] = {}
    for mark in marking.marks:
        spot = _spot(body, mark)
        if spot is not None and spot not in own and not (tail and mark.place == TAIL):
            wanted[spot] = mark.ttl
    if not wanted:
        return Unmarked.MARKED if own or tail else Unmarked.NO_PLACE
    if len(own) + len(wanted) + tail > MOST_MARKS:
        return Unmarked.FULL
    together = sorted({**own, **wanted}.items())
    ttls = [ttl for _, ttl in together]
    if tail:
        ttls.append(_ttl(body["cache_control"]))
    if "1h" in ttls[ttls.index("5m") :] if "5m" in ttls else False:
        return Unmarked.ORDER
    told = ", ".join(str(mark) for mark in marking.marks)
    return Marked(_with(body, wanted), Change("cache_control", None, told, Why.ADVICE))


def _own(body: Body) -> Iterator[tuple[Spot, str]]:
    """The application's own marks; one inside a tool result counts for the whole of it."""
    for section, name in enumerate(_SECTIONS[:2]):
        for index, block in enumerate(_list(body.get(name))):
            yield from (((section, index, 0), ttl) for ttl in _marks(block))
    for index, message in enumerate(_list(body.get("messages"))):
        for part, block in enumerate(_list(_get(message, "content"))):
            yield from (((2, index, part), ttl) for ttl in _marks(block))


def _marks(block: Any) -> Iterator[str]:
    for holder in (*_list(_get(block, "content")), block):
        control = _get(holder, "cache_control")
        if control is not None:
            yield _ttl(control)


def _ttl(control: Any) -> str:
    return "1h" if _get(control, "ttl") == "1h" else "5m"


def _spot(body: Body, mark: Mark) -> Spot | None:
    """The block that a place means in this request; None where it has none that may be marked."""
    section, index, part = parts(mark.place)
    if section == TAIL:
        for at in reversed(range(len(_list(body.get("messages"))))):
            found = _in_message(body, at, None)
            if found is not None:
                return found
        return None
    if section == "messages":
        return _in_message(body, index or 0, part)
    place = _last(_blocks(body.get(section)), index)
    return None if place is None else (_SECTIONS.index(section), place, 0)


def _in_message(body: Body, index: int, part: int | None) -> Spot | None:
    messages = _list(body.get("messages"))
    if index >= len(messages):
        return None
    found = _last(_blocks(_get(messages[index], "content")), part)
    return None if found is None else (2, index, found)


def _last(blocks: Sequence[Any], index: int | None) -> int | None:
    """The block of that index, or the last of all that may be marked."""
    if index is not None:
        return index if index < len(blocks) and _markable(blocks[index]) else None
    return next((at for at in reversed(range(len(blocks))) if _markable(blocks[at])), None)


def _markable(block: Any) -> bool:
    kind = _get(block, "type")
    empty = kind == "text" and not _get(block, "text")
    return isinstance(block, Mapping) and kind not in _NEVER and not empty and not block.get("defer_loading")  # pyright: ignore


def _blocks(content: Any) -> Sequence[Any]:
    """Content as blocks: a text is one."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else _list(content)


def _with(body: Body, wanted: Mapping[Spot, str]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for (section, index, part), ttl in wanted.items():
        name = _SECTIONS[section]
        blocks = changes[name] if name in changes else list(_blocks(body.get(name)))
        changes[name] = blocks
        if section < 2:
            blocks[index] = _carrying(blocks[index], ttl)
        else:
            content = list(_blocks(blocks[index]["content"]))
            content[part] = _carrying(content[part], ttl)
            blocks[index] = {**blocks[index], "content": content}
    return changes


def _carrying(block: Mapping[str, Any], ttl: str) -> dict[str, Any]:
    control = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
    return {**block, "cache_control": control}


def _beginning(message: Any) -> str:
    content = _get(message, "content")
    if isinstance(content, str):
        return content[:_DRAWN_FROM]
    texts = (str(_get(block, "text") or "") for block in _list(content))
    return "\n".join(text[:_DRAWN_FROM] for text in texts)


def _list(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list | tuple) else ()


def _get(value: Any, name: str) -> Any:
    return cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
