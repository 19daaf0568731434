"""What is wrong in a policy file, where, and what would be right?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from bursar.policies.policyfile.keylines import Path, key_lines, line_of


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: the dotted key, its line where it can be found, what is wrong, and what to do."""

    path: str
    line: int | None
    problem: str
    remedy: str


class PolicyError(Exception):
    """A policy file with mistakes, all of them told at once."""

    def __init__(self, file: str, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(file, mistakes)
        self.file = file
        self.mistakes = mistakes

    def __str__(self) -> str:
        told = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        return "\n".join([f"{self.file}: {told}", *map(self._line, self.mistakes)])

    def _line(self, mistake: Mistake) -> str:
        place = self.file if mistake.line is None else f"{self.file}:{mistake.line}"
        key = f"{mistake.path}: " if mistake.path else ""
        return f"  {place}: {key}{mistake.problem}. Remedy: {mistake.remedy}"


class Mistakes:
    """Collects the mistakes of one file, so that reading goes on after each."""

    def __init__(self, text: str, file: str, data: Mapping[str, Any]) -> None:
        self._lines = key_lines(text)
        self._file = file
        self._data = data
        self._found: list[Mistake] = []

    def add(self, path: Path, problem: str, remedy: str) -> None:
        """Note a mistake at a key, which need not exist."""
        self._found.append(Mistake(dotted(path, self._data), line_of(self._lines, path), problem, remedy))

    def raise_any(self) -> None:
        """Raise PolicyError if there were mistakes."""
        if self._found:
            by_line = sorted(self._found, key=lambda mistake: mistake.line or 0)
            raise PolicyError(self._file, tuple(by_line))


def dotted(path: Path, data: Mapping[str, Any]) -> str:
    """A key as people read it, with the name of the table it is in: `budget[0] "support-day".at."80%"`."""
    text = ""
    for depth, part in enumerate(path):
        if isinstance(part, int):
            text += f"[{part}]{_name_of(path[: depth + 1], data)}"
        else:
            quoted = part if part.replace("_", "").replace("-", "").isalnum() else f'"{part}"'
            text += f".{quoted}" if text else quoted
    return text


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """`did you mean "block"? ` for a word close to a known one, else nothing."""
    close = get_close_matches(written, list(known), n=1)
    return f'did you mean "{close[0]}"? ' if close else ""


def _name_of(path: Path, data: Any) -> str:
    for part in path:
        data = data[part]
    name = cast("dict[str, object]", data).get("name") if isinstance(data, dict) else None
    return f' "{name}"' if isinstance(name, str) else ""
