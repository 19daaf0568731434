"""Calls put off: one answer each, and nothing paid twice, whatever fails in between."""

from __future__ import annotations

from tests.soak.batches import measure

LIVES = 3


def test_lives() -> None:
    """A few lives; the soak has 1,000."""
    figure = measure(LIVES, first=3)
    assert figure.numbers["faults"] == []
    assert figure.numbers["deaths"] > 0
    assert figure.numbers["billed_requests"] > 0
