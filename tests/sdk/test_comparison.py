"""Comparison: what counts as a difference between two runs, and what is excused."""

from __future__ import annotations

import pytest
from tests.sdk.comparison import Comparison, Difference, Known, compare
from tests.sdk.outcomes import Outcome

KNOWN = Known(r"t/test_a\.py::test_\w+", r"E one more: \d+", "it counts what is ours")


def ran(**outcomes: str) -> dict[str, Outcome]:
    """A run: each test's outcome, and after a colon the words for it."""
    found: dict[str, Outcome] = {}
    for name, told in outcomes.items():
        was, _, words = told.partition(":")
        found[f"t/test_a.py::{name}"] = Outcome(f"t/test_a.py::{name}", was, words)
    return found


def compared(bare: str, active: str) -> Comparison:
    """Of one test."""
    return compare(ran(test_x=bare), ran(test_x=active), [KNOWN])


def test_all_that_went_alike_is_identical() -> None:
    """Failing alike too, in whatever words; that is listed beside."""
    run = ran(test_a="passed", test_b="skipped:no", test_c="failed:one")
    other = ran(test_a="passed", test_b="skipped:no", test_c="failed:another")
    found = compare(run, other, [])
    assert (found.tests, found.identical, found.differing) == (3, 3, ())
    assert found.failing == ("t/test_a.py::test_c",)


@pytest.mark.parametrize(
    ("bare", "active"),
    [
        ("passed", "failed:E wrong"),
        ("failed:E wrong", "passed"),
        ("passed", "skipped:no"),
        ("passed", "failed:E one more: 1 and another"),
        ("failed:E one more: 1", "passed"),
        ("skipped:no", "failed:E one more: 1"),
    ],
)
def test_all_else_differs(bare: str, active: str) -> None:
    """Excused is only what passed, and fails in exactly the known words."""
    found = compared(bare, active)
    assert (found.identical, len(found.differing), found.by_design[KNOWN]) == (0, 1, ())


def test_a_difference_by_design_is_told_apart() -> None:
    """It is neither identical nor counted as differing."""
    found = compared("passed", "failed:E one more: 12")
    assert (found.identical, found.differing) == (0, ())
    assert found.by_design[KNOWN] == (Difference("t/test_a.py::test_x", "passed", "failed", "E one more: 12"),)


def test_a_test_of_one_run_only_differs() -> None:
    """One that vanished, and one that appeared."""
    found = compare(ran(test_a="passed"), ran(test_b="passed"), [])
    assert [(each.test[-1], each.before, each.after) for each in found.differing] == [
        ("a", "passed", "not run"),
        ("b", "not run", "passed"),
    ]
