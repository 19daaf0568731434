"""Which rules are broken on purpose, each by one change of the code, and which tests have to see it?"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("mutants.toml")


class StaleError(Exception):
    """The table and the code have parted; the text says where, and what to do."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change that breaks a rule of docs/failures.md."""

    row: int
    broken: str
    """What no longer holds, in words."""
    file: str
    """Where, relative to the repository."""
    old: str
    new: str
    tests: tuple[str, ...]
    """Those of which one has to fail, as pytest names them."""

    def applied(self, source: str) -> str:
        """The file's text with the change. Raises `StaleError` unless the old text is there exactly once."""
        count = source.count(self.old)
        if count != 1:
            raise StaleError(
                f"row {self.row} ({self.broken}): its old text is in {self.file} {count} times instead of once; "
                f"write it anew in {TABLE.name}:\n{self.old}"
            )
        return source.replace(self.old, self.new)


def read_table() -> list[Mutant]:
    """All of them, in the order of the rows."""
    entries: list[dict[str, Any]] = tomllib.loads(TABLE.read_text())["mutant"]
    return [_mutant(**entry) for entry in entries]


def _mutant(*, tests: list[str], **told: Any) -> Mutant:
    return Mutant(**told, tests=tuple(tests))
