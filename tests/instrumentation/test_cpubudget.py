"""CPU time comes in with the time, and is spent."""

from __future__ import annotations

from bursar.instrumentation.cpubudget import CpuBudget


def test_a_second_at_once_and_a_hundredth_after() -> None:
    """What a piece of work takes too much is owed: 1 - 1.5 s, and 0.5 s come in within 50 s."""
    clock = iter((0.0, 0.0, 0.0, 49.0, 51.0))
    budget = CpuBudget(lambda: next(clock))
    assert budget.left
    budget.spend(1.5)
    assert [budget.left for _ in range(3)] == [False, False, True]
    assert budget.spent == 1.5


def test_no_more_than_a_burst_is_saved() -> None:
    """However long it was idle."""
    clock = iter((0.0, 1e6, 1e6))
    budget = CpuBudget(lambda: next(clock))
    left = [budget.left]
    budget.spend(1.0)
    assert [*left, budget.left] == [True, False]
