"""Purse: what is promised is never more than what is left, in the worst case."""

from __future__ import annotations

import pytest

from bursar.agent.evals.purse import Purse, most_affordable


def test_what_is_on_its_way_counts_with_its_bound() -> None:
    """All of a wave or nothing of it; what it cost in the end frees the rest."""
    purse = Purse(100)
    assert purse.hold({"a": 60, "b": 40})
    assert purse.left == 0
    assert not purse.hold({"c": 1})
    purse.settle("a", 5)
    assert (purse.spent, purse.left) == (5, 55)
    assert not purse.hold({"c": 30, "d": 26})
    assert purse.left == 55
    assert purse.hold({"c": 30, "d": 25})


def test_what_nobody_knows_the_cost_of_has_cost_its_bound() -> None:
    """And what was never sent nothing."""
    purse = Purse(100)
    purse.hold({"a": 60, "b": 40})
    purse.settle("a", None)
    purse.settle("b", 0)
    assert (purse.spent, purse.left) == (60, 40)


@pytest.mark.parametrize(
    ("worsts", "left", "count"),
    [([], 5, 0), ([5], 5, 1), ([5], 4, 0), ([3, 2, 1], 5, 2), ([6, 1, 1], 5, 0), ([0, 0], 0, 2), ([1], -1, 0)],
)
def test_the_first_that_fit_together_are_affordable(worsts: list[int], left: int, count: int) -> None:
    """None is passed over for a cheaper one behind it: that would choose the samples by their size."""
    assert most_affordable(worsts, left) == count
