"""The failures that docs/failures.md lists have the tests that it names."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (\d+) \|.*\| (?:`([^`]+)::(\w+)`|not here: .+) \|$", re.MULTILINE)


def rows() -> list[tuple[str, str, str]]:
    return ROW.findall((ROOT / "docs" / "failures.md").read_text())


def test_every_row_is_there() -> None:
    """All forty-five, in order."""
    assert [int(number) for number, _, _ in rows()] == list(range(1, 46))


def test_every_test_exists() -> None:
    """A test that is renamed takes its row with it."""
    named = {(file, name) for _, file, name in rows() if file}
    missing = [f"{file}::{name}" for file, name in sorted(named) if not _has(ROOT / file, name)]
    assert missing == []


def _has(file: Path, name: str) -> bool:
    return file.exists() and re.search(rf"^(async )?def {name}\(", file.read_text(), re.MULTILINE) is not None
