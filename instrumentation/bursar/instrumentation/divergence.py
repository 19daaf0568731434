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
"""The same within a user's last turn, which is made to differ."""
ALIKE = 0.3
"""The share of a block that must be the same for it to be the same block, changed."""
_SURE = (Cause.TIMESTAMP, Cause.IDENTIFIER, Cause.PERSON)
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
    the settings of what follows. In a user's last turn only a date, an id or a person is one, ahead of text that stays.
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
    behind = _same_tokens(old.blocks[depth:], new.blocks[depth:])
    if Counter(one.hash for one in before) == Counter(one.hash for one in after):
        return _break(old, new, depth, Cause.TOOL_ORDER, None)
    known, now = _values(old, before), _values(new, after)
    if known is not None and now is not None and known == now:
        return _break(old, new, depth, Cause.KEY_ORDER, _stretch(old, new, depth))
    stretch = _stretch(old, new, depth)
    if stretch is None or len(before) != len(after) or not _is_same_block(stretch):
        return _break(old, new, depth, Cause.TOOLS, None) if behind >= LEAST_TOKENS else None
    cause = cause_of(stretch)
    return _break(old, new, depth, Cause.TOOLS if cause in (Cause.TEXT, Cause.ORDER) else cause, stretch)


def _of_text(old: Kept, new: Kept, depth: int, section: Section) -> Break | None:
    ours, theirs = _section(new, section), _section(old, section)
    behind = _same_tokens(old.blocks[depth:], new.blocks[depth:])
    moved = [one.hash for one in ours] != [one.hash for one in theirs] and (
        Counter(one.hash for one in ours) == Counter(one.hash for one in theirs)
    )
    if moved:
        return _break(old, new, depth, Cause.ORDER, None)
    stretch = _stretch(old, new, depth)
    same_block = stretch is not None and _is_same_block(stretch)
    within = same_behind(stretch) // 4 if stretch is not None and same_block else 0
    cause = _cause(old, new, depth, stretch)
    last = section is Section.MESSAGES and (_in_last_turn(old, depth) or _in_last_turn(new, depth))
    if last:
        sure = cause in (*_SURE, Cause.KEY_ORDER, Cause.ORDER) and same_block
        told = sure and within + behind >= LEAST_OF_TURN
    elif section is Section.MESSAGES:
        rest = sum(one.tokens for one in old.blocks[depth + 1 :])
        told = behind >= max(LEAST_TOKENS, rest // 2) or (same_block and within >= LEAST_TOKENS)
    else:
        told = within + behind >= LEAST_TOKENS or (same_block and cause is not Cause.TEXT)
    return _break(old, new, depth, cause, stretch) if told else None


def _cause(old: Kept, new: Kept, depth: int, stretch: Stretch | None) -> Cause:
    kinds = {old.blocks[depth].kind, new.blocks[depth].kind}
    if len(kinds) > 1:
        if kinds & {*_THOUGHTS}:
            return Cause.THINKING
        if "image" in kinds:
            return Cause.IMAGES
    if stretch is None:
        return Cause.TEXT
    if _same_value(stretch.old, stretch.new):
        return Cause.KEY_ORDER
    return cause_of(stretch)


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


def _same_value(old: str, new: str) -> bool:
    """Whether two canonical texts say the same in another order."""
    known, now = _decoded(old), _decoded(new)
    return known is not None and known == now


def _values(kept: Kept, blocks: Sequence[Block]) -> list[Any] | None:
    found = [_decoded(kept.text(one.hash) or "") for one in blocks]
    return None if None in found else sorted(found, key=lambda one: json.dumps(one, sort_keys=True))


def _decoded(text: str) -> Any:
    try:
        return json.loads(text[text.find("{") :])
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
