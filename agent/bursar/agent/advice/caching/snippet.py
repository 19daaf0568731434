"""How does the user's own call look with other cache marks?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bursar.policies.cachemarks import TAIL, Mark, parts

_INDENT = "    "


def marked_call(model: str, marks: Sequence[Mark]) -> str:
    """`client.messages.create(...)` with these marks, each where it stands; what else the call has is left out."""
    by_section: dict[str, list[Mark]] = {}
    for mark in marks:
        by_section.setdefault(parts(mark.place)[0], []).append(mark)
    lines = [f'model="{model}",']
    if tools := by_section.get("tools"):
        lines += _tools(tools)
    if system := by_section.get("system"):
        lines += ["system=[", *_indented(line for mark in system for line in _text(mark, "SYSTEM")), "],"]
    if messages := by_section.get("messages"):
        lines += _messages(messages)
    if tail := by_section.get(TAIL):
        lines += _tail(tail[0], beside=messages or ())
    return "\n".join(["client.messages.create(", *_indented([*lines, "...,"]), ")"])


def unmarked_call(places: Iterable[str]) -> str:
    """What to take away."""
    return "\n".join(f"# no cache_control on {place}" for place in places)


def split_call(section: str, name: str, ttl: str) -> str:
    """A text as two blocks, the first of them marked."""
    block = [
        "{",
        f'{_INDENT}"type": "text",',
        f'{_INDENT}"text": {name}_SHARED,  # up to where texts begin to differ',
        f'{_INDENT}"cache_control": {control(ttl)},',
        "},",
        f'{{"type": "text", "text": {name.lower()}_rest}},',
    ]
    if section == "system":
        return "\n".join(["system=[", *_indented(block), "],"])
    content = ['messages=[{"role": "user", "content": [', *_indented(block), "]}, *messages[1:]],"]
    return "\n".join(content)


def ordered_call(ttl: str) -> str:
    """A system prompt with what stays the same in front."""
    block = f'{{**steady[-1], "cache_control": {control(ttl)}}},'
    return "\n".join(["system=[", *_indented(["*steady[:-1],", block, "*changing,"]), "],"])


def control(ttl: str) -> str:
    """A `cache_control`, as code."""
    told: Mapping[str, str] = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
    return "{" + ", ".join(f'"{name}": "{value}"' for name, value in told.items()) + "}"


def _tools(marks: Sequence[Mark]) -> list[str]:
    lines, begin = ["tools=["], 0
    for mark in marks:
        _, index, _ = parts(mark.place)
        before = f"*tools[{begin or ''}:{-1 if index is None else index}],"
        lines += _indented([before] if index != begin else [])
        named = "tools[-1]" if index is None else mark.place
        lines += _indented([f"# {mark.place}", f'{{**{named}, "cache_control": {control(mark.ttl)}}},'])
        begin = -1 if index is None else index + 1
    return [*lines, *_indented([f"*tools[{begin}:],"] if begin >= 0 else []), "],"]


def _text(mark: Mark, name: str) -> list[str]:
    return [
        f"{{  # {mark.place}",
        f'{_INDENT}"type": "text",',
        f'{_INDENT}"text": {name},',
        f'{_INDENT}"cache_control": {control(mark.ttl)},',
        "},",
    ]


def _messages(marks: Sequence[Mark]) -> list[str]:
    lines = ["messages=["]
    for mark in marks:
        _, index, _ = parts(mark.place)
        block = _indented(_text(mark, "TEXT"), 2)
        lines += [
            f"{_INDENT}{{",
            f'{_INDENT * 2}"role": messages[{index}]["role"],',
            f'{_INDENT * 2}"content": [',
            *_indented(block),
            f"{_INDENT * 2}],",
            f"{_INDENT}}},",
        ]
    return [*lines, f"{_INDENT}...,", "],"]


def _tail(mark: Mark, beside: Sequence[Mark]) -> list[str]:
    """Automatic caching; where another mark may stand on the same block with another time to live, that is an error."""
    if any(one.ttl != mark.ttl for one in beside):
        return [
            "# and on the last block of the last message, where it has none:",
            f'#   "cache_control": {control(mark.ttl)}',
        ]
    return [f"cache_control={control(mark.ttl)},  # the end of the request"]


def _indented(lines: Iterable[str], times: int = 1) -> list[str]:
    return [_INDENT * times + line for line in lines]
