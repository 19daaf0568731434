"""The table of mutants fits the code, the tests and docs/failures.md."""

from __future__ import annotations

import ast
from collections import defaultdict

import pytest
from tests.mutants.table import ROOT, Mutant, StaleError, read_table
from tests.test_failures import is_there, rows


def test_every_change_can_be_made() -> None:
    """Each old text is in its file once, and what becomes of it is Python: a syntax error would be no proof."""
    for mutant in read_table():
        ast.parse(mutant.applied((ROOT / mutant.file).read_text()))


def test_every_test_exists_and_is_named_by_its_row() -> None:
    """What a mutant is caught by is what the page says that its row is guarded by, and the other way round."""
    named = {number: set(tests) for number, tests in rows().items() if tests}
    told: defaultdict[int, set[str]] = defaultdict(set)
    for mutant in read_table():
        told[mutant.row].update(mutant.tests)
    assert dict(told) == named
    assert [test for tests in told.values() for test in tests if not is_there(test)] == []


def test_no_two_mutants_are_one() -> None:
    """Each breaks something else."""
    table = read_table()
    assert len({(mutant.file, mutant.old, mutant.new, mutant.tests) for mutant in table}) == len(table)
    assert all(mutant.old != mutant.new for mutant in table)


@pytest.mark.parametrize("source", ["", "a < b or a < b"])
def test_a_text_that_is_not_there_once_is_told(source: str) -> None:
    """With its row, its file, and how often it is there."""
    mutant = Mutant(7, "all of it", "some.py", "a < b", "a > b", ("tests/x.py::test_x",))
    assert mutant.applied("if a < b:") == "if a > b:"
    with pytest.raises(StaleError, match=rf"row 7 \(all of it\): .* some.py {source.count('<')} times") as told:
        mutant.applied(source)
    assert "a < b" in str(told.value)
