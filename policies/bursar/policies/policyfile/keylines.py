"""On which line of a TOML text does a key stand?"""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str | int, ...]
"""A way into a document: `("budget", 0, "at", "80%")`."""

_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"\s*\[\s*({_DOTTED})\s*\]\s*(?:#.*)?")
_ARRAY = re.compile(rf"\s*\[\[\s*({_DOTTED})\s*\]\]\s*(?:#.*)?")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")


def key_lines(text: str) -> dict[Path, int]:
    """
    The line (from 1) of each table header and key at the start of a line, where it stands first.

    Works on texts that are no valid TOML as well. Keys inside inline tables are not listed; the key that holds the
    inline table is.
    """
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, line in _code_lines(text):
        if found := _ARRAY.fullmatch(line):
            array = _resolved(_parts(found[1]), counts)
            counts[array] = counts.get(array, -1) + 1
            table = (*array, counts[array])
            lines.setdefault(array, number)
            lines.setdefault(table, number)
        elif found := _TABLE.fullmatch(line):
            table = _resolved(_parts(found[1]), counts)
            lines.setdefault(table, number)
        elif found := _KEY.match(line):
            lines.setdefault((*table, *_parts(found[1])), number)
    return lines


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """Where a key, or else the nearest table or array around it, is first written; None for what stands nowhere."""
    for length in range(len(path), 0, -1):
        written = [line for other, line in lines.items() if other[:length] == path[:length]]
        if written:
            return min(written)
    return None


def _code_lines(text: str) -> list[tuple[int, str]]:
    """Numbered lines without the insides of multi-line strings."""
    inside = False
    code: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not inside:
            code.append((number, line))
        inside ^= (line.count('"""') + line.count("'''")) % 2 == 1
    return code


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def _resolved(parts: Path, counts: Mapping[Path, int]) -> Path:
    """A header's path with the index of the latest element after each array that it passes through."""
    path: Path = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    return (*path, *parts[-1:])
