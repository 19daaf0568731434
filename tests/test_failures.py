"""The failures that docs/failures.md lists have the tests that it names."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (\d+) \|.*\| ((?:`[^`]+`(?:, )?)+|not here: .+) \|$", re.MULTILINE)


def rows() -> dict[int, list[str]]:
    """By number, the tests that a row names, as pytest names them."""
    page = (ROOT / "docs" / "failures.md").read_text()
    return {int(number): re.findall(r"`([^`]+::\w+)`", tests) for number, tests in ROW.findall(page)}


def is_there(test: str) -> bool:
    """Whether a file has a test of this name."""
    path, _, name = test.partition("::")
    file = ROOT / path
    return file.exists() and re.search(rf"^(async )?def {name}\(", file.read_text(), re.MULTILINE) is not None


def test_every_row_is_there() -> None:
    """All forty-five, in order."""
    assert list(rows()) == list(range(1, 46))


def test_every_test_exists() -> None:
    """A test that is renamed takes its row with it."""
    named = {test for tests in rows().values() for test in tests}
    assert len(named) > 40
    assert [test for test in sorted(named) if not is_there(test)] == []
