"""CPU time comes in with the time, and is spent."""

from __future__ import annotations

from bursar.instrumentation.cpubudget import CpuBudget


def test_a_second_at_once_and_a_hundredth_after() -> None:
    """What a piece of work takes too much is owed: 1 - 1.5 s, and 0.5 s come in within 50 s."""
    now = 0.0
    budget = CpuBudget(lambda: now)
    assert budget.left
    budget.spend(1.5)
    assert not budget.left
    now = 49.0
    assert not budget.left
    now = 51.0
    assert budget.left
    assert budget.spent == 1.5


def test_no_more_than_a_burst_is_saved() -> None:
    """However long it was idle."""
    now = 0.0
    budget = CpuBudget(lambda: now)
    now = 1e6
    assert budget.left
    budget.spend(1.0)
    assert not budget.left
