"""A mutant is caught by a test that fails, and by nothing else."""

from __future__ import annotations

import pytest
from tests.mutants.table import Mutant
from tests.mutants.verdict import Word, judge

KEYS = "policies/bursar/policies/balancekey.py"
RESERVE = "return key.endswith(_RESERVE)"
TELLS = "tests/policies/test_balancekey.py::test_the_second_currency_is_told_as_its_balance"


@pytest.mark.parametrize(
    ("file", "old", "new", "word", "by"),
    [
        (KEYS, "return key + _SUFFIXES[Kind.EXPECTED]", "return key", Word.CAUGHT, TELLS),
        (KEYS, RESERVE, "return not key.endswith(_RESERVE)", Word.NOT_CAUGHT, "1 passed"),
        ("agent/bursar/agent/cli.py", "import click", "import click as click", Word.NOT_IMPORTED, "1 passed"),
    ],
    ids=["caught", "not caught", "not imported"],
)
def test_what_is_said_of_a_mutant(file: str, old: str, new: str, word: Word, by: str) -> None:
    """Passing tests, and tests that never come to the change, are no proof."""
    verdict = judge(Mutant(1, "something", file, old, new, (TELLS,)))
    assert verdict.word is word
    assert by in verdict.by
