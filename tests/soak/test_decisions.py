"""How long a decision takes is never asserted; that each way of taking one is measured is."""

from __future__ import annotations

from tests.benchmarks.decisions import measure


def test_a_decision_and_a_grant_are_measured() -> None:
    """Each beside its bare twin, and how seldom calls in a row ask."""
    figure = measure(50)
    assert all(taken > 0 for taken in figure.numbers["p50_us"].values())
    assert 0 <= figure.numbers["asks_per_1000"] < 100
