"""Did a prompt leave an earlier one where it might have gone on as that one did, and why?"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from bursar.instrumentation.breakcause import Stretch, cause_of
from bursar.instrumentation.promptblocks import IMAGES, SETTINGS
from bursar.instrumentation.resync import first_stretch, same_behind
from bursar.policies.fingerprint import Block, Break, Cause, Section
from bursar.policies.values import value

LEAST_TOKENS = 16
"""What must be the same behind a change, for the change to cost anything worth telling."""
LEAST_OF_TURN = 32
"""The same within a user's last turn, which is made to differ: behind a date, an id, a person, things rearranged."""
LEAST_OF_TEMPLATE = 256
"""And behind anything else: the turn is made of a template that is filled in ahead of most of its text."""
ALIKE = 0.3
"""The share of a block that must be the same for it to be the same block, changed."""
_PLAIN = (Cause.TEXT, Cause.NUMBER, Cause.TOOLS, Cause.THINKING, Cause.IMAGES)
"""What differs in a user's last turn as a matter of course."""
_THOUGHTS = ("thinking", "redacted_thinking")


@value
class Kept:
    """A prompt, of whose blocks the texts are at hand by hash, as far as they are kept."""

    blocks: Sequence[Block]
    text: Callable[[str], str | None]


def divergence(old: Kept, new: Kept) -> Break | None:
    """
    None where the new prompt only goes on, or ends otherwise, as prompts do.

    A break is a change ahead of what stayed the same: in tools or system, or in turns that were sent before; also in
    the settings of what follows. A user's last turn is made to differ: there it takes more of what stays.
    """
    depth = first_difference(old.blocks, new.blocks)
    if depth >= min(len(old.blocks), len(new.blocks)):
        return None
    here, there = new.blocks[depth], old.blocks[depth]
    if here.kind == SETTINGS and there.kind == SETTINGS:
        return _of_settings(old, new, depth)
    section = min((here.section, there.section), key=_ORDER.index)
    if section is Section.TOOLS:
        return _of_tools(old, new, depth)
    return _of_text(old, new, depth, section)


def first_difference(old: Sequence[Block], new: Sequence[Block]) -> int:
    """How many blocks both begin with."""
    most = min(len(old), len(new))
    return next((place for place in range(most) if old[place].hash != new[place].hash), most)


_ORDER = list(Section)


def _of_settings(old: Kept, new: Kept, depth: int) -> Break | None:
    """A setting is a break where what it loses is sent again: the first block behind it."""
    before, after = ([one for one in kept.blocks[depth + 1 :] if one.kind != SETTINGS][:1] for kept in (old, new))
    if not after or [one.hash for one in before] != [one.hash for one in after]:
        return None
    if _same_tokens(old.blocks[depth:], new.blocks[depth:]) < LEAST_TOKENS:
        return None
    return _break(old, new, depth, _changed_setting(_settings(old, depth), _settings(new, depth)), None)


def _settings(kept: Kept, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kept.text(kept.blocks[depth].hash) or "{}")
    return found


_CAUSES = {
    "speed": Cause.SPEED,
    "tool_choice": Cause.TOOL_CHOICE,
    IMAGES: Cause.IMAGES,
    "thinking": Cause.THINKING,
    "effort": Cause.EFFORT,
}


def _changed_setting(old: dict[str, Any], new: dict[str, Any]) -> Cause:
    return next((cause for name, cause in _CAUSES.items() if old.get(name) != new.get(name)), Cause.TEXT)


def _of_tools(old: Kept, new: Kept, depth: int) -> Break | None:
    before, after = _section(old, Section.TOOLS), _section(new, Section.TOOLS)
    stretch = _stretch(old, new, depth) if len(before) == len(after) and _same_tool(old, new, depth) else None
    within = same_behind(stretch) // 4 if stretch is not None else 0
    if within + _same_tokens(old.blocks[depth:], new.blocks[depth:]) < LEAST_TOKENS:
        return None
    if Counter(one.hash for one in before) == Counter(one.hash for one in after):
        return _break(old, new, depth, Cause.TOOL_ORDER, None)
    if stretch is None:
        return _break(old, new, depth, Cause.TOOLS, None)
    cause = _cause(old, new, depth, _described(old, new, depth) or stretch)
    return _break(old, new, depth, Cause.TOOLS if cause in (Cause.TEXT, Cause.ORDER) else cause, stretch)


def _described(old: Kept, new: Kept, depth: int) -> Stretch | None:
    """What differs in two tools' own descriptions, read apart from the JSON around them; None where nothing does."""
    one, other = (_description(_decoded(kept, depth)) for kept in (old, new))
    if not isinstance(one, str) or not isinstance(other, str) or one == other:
        return None
    return first_stretch(one, other)


def _description(tool: Any) -> object:
    return tool.get("description") if isinstance(tool, dict) else None  # pyright: ignore


def _of_text(old: Kept, new: Kept, depth: int, section: Section) -> Break | None:
    ours, theirs = _section(new, section), _section(old, section)
    behind = _same_tokens(old.blocks[depth:], new.blocks[depth:])
    moved = [one.hash for one in ours] != [one.hash for one in theirs] and (
        Counter(one.hash for one in ours) == Counter(one.hash for one in theirs)
    )
    if moved:
        return _break(old, new, depth, Cause.ORDER, None)
    stretch = _stretch(old, new, depth)
    if _begins_otherwise(old, new, depth) and (stretch is None or not _is_same_block(stretch)):
        return None
    same_block = stretch is not None and _is_same_block(stretch)
    within = same_behind(stretch) // 4 if stretch is not None and same_block else 0
    if section is not Section.MESSAGES:
        enough, unless = within + behind >= LEAST_TOKENS, same_block
    elif _in_last_turn(old, depth) or _in_last_turn(new, depth):
        enough, unless = same_block and within + behind >= LEAST_OF_TEMPLATE, within + behind >= LEAST_OF_TURN
    else:
        rest = sum(one.tokens for one in old.blocks[depth + 1 :])
        enough, unless = behind >= max(LEAST_TOKENS, rest // 2) or within >= LEAST_TOKENS, False
    if not enough and not (unless and same_block):
        return None
    cause = _cause(old, new, depth, stretch)
    plain = (Cause.TEXT,) if section is not Section.MESSAGES else _PLAIN
    return _break(old, new, depth, cause, stretch) if enough or cause not in plain else None


def _begins_otherwise(old: Kept, new: Kept, depth: int) -> bool:
    """Whether a first message is another: of another conversation, unless turns were taken away from its beginning."""
    here, there = new.blocks[depth], old.blocks[depth]
    if here.section is not Section.MESSAGES or here.index or there.index:
        return False
    return not any(one.hash == here.hash for one in old.blocks) and not any(
        one.hash == there.hash for one in new.blocks
    )


def _cause(old: Kept, new: Kept, depth: int, stretch: Stretch | None) -> Cause:
    kinds = {old.blocks[depth].kind, new.blocks[depth].kind}
    if len(kinds) > 1:
        if kinds & {*_THOUGHTS}:
            return Cause.THINKING
        if "image" in kinds:
            return Cause.IMAGES
    if stretch is None or not _same_name(old, new, depth):
        return Cause.TEXT
    known = _decoded(old, depth)
    return Cause.KEY_ORDER if known is not None and known == _decoded(new, depth) else cause_of(stretch)


def _same_name(old: Kept, new: Kept, depth: int) -> bool:
    """Whether two tools, or two calls of one, have the same name and type; other blocks have none."""
    known, now = _decoded(old, depth), _decoded(new, depth)
    if not isinstance(known, dict) or not isinstance(now, dict):
        return True
    return all(known.get(name) == now.get(name) for name in ("name", "type"))  # pyright: ignore


def _break(old: Kept, new: Kept, depth: int, cause: Cause, stretch: Stretch | None) -> Break:
    """The figures of a break, in bytes of the canonical text."""
    section = new.blocks[depth].section
    end = next((place for place in range(depth, len(new.blocks)) if new.blocks[place].section is not section), None)
    behind = new.blocks[depth + 1 : end]
    after = _same_tokens([one for one in old.blocks[depth:] if one.section is section], behind)
    if stretch is None:
        return Break(depth, 0, cause, new.blocks[depth].bytes, after)
    within = -(-_bytes(stretch.new[-same_behind(stretch) :]) // 4) if same_behind(stretch) else 0
    offset = _bytes(stretch.new[: stretch.start]) + _head(new, depth)
    return Break(depth, offset, cause, _bytes(stretch.new[stretch.start : stretch.new_end]), after + within)


def _stretch(old: Kept, new: Kept, depth: int) -> Stretch | None:
    """None where a text is not at hand, or none that anybody could read."""
    one, other = old.text(old.blocks[depth].hash), new.text(new.blocks[depth].hash)
    if not one or not other or _BINARY in one or _BINARY in other:
        return None
    return first_stretch(_readable(one), _readable(other))


_BINARY = '"type":"base64"'
_TEXT = re.compile(r'(?:\w+\n)?\{"type":"text","text":"')


def _head(kept: Kept, depth: int) -> int:
    """Bytes that `_readable` leaves out before a text."""
    found = _TEXT.match(kept.text(kept.blocks[depth].hash) or "")
    return found.end() if found is not None else 0


def _readable(text: str) -> str:
    r"""
    A canonical text without the JSON around it, where it is a text, and with other characters for escaped ones.

    What `\n` and the like stand for is as long as they are: places stay what they were.
    """
    found = _TEXT.match(text)
    if found is not None:
        text = text[found.end() :].removesuffix('"}')
    return text.replace("\\\\", "//").replace("\\n", " \n").replace('\\"', ' "').replace("\\t", "  ")


def _is_same_block(stretch: Stretch) -> bool:
    same = stretch.start + same_behind(stretch)
    return same >= ALIKE * max(len(stretch.old), len(stretch.new), 1)


def _same_tool(old: Kept, new: Kept, depth: int) -> bool:
    """Whether two tools differ in their descriptions alone, or in what is no tool's doing: the order of keys."""
    return bool(_undescribed(_decoded(old, depth)) == _undescribed(_decoded(new, depth)))


def _undescribed(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _undescribed(one) for name, one in told.items() if name != "description"}  # pyright: ignore
    return told


def _decoded(kept: Kept, depth: int) -> Any:
    """What a block says that is no plain text; None for one that is, or of which not all is at hand."""
    text = kept.text(kept.blocks[depth].hash) or ""
    try:
        return None if _TEXT.match(text) else json.loads(text[text.find("{") :])
    except (ValueError, RecursionError):
        return None


def _section(kept: Kept, section: Section) -> list[Block]:
    return [one for one in kept.blocks if one.section is section and one.kind != SETTINGS]


def _in_last_turn(kept: Kept, depth: int) -> bool:
    """Whether a place is behind the last turn of the assistant."""
    return all(one.role != "assistant" for one in kept.blocks[depth:])


def _same_tokens(old: Sequence[Block], new: Sequence[Block]) -> int:
    """Tokens of the blocks that are in both."""
    left = Counter(one.hash for one in old)
    total = 0
    for one in new:
        if left[one.hash] > 0:
            left[one.hash] -= 1
            total += one.tokens
    return total


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
