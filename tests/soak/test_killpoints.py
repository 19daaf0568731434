"""SIGKILL anywhere: nothing unaccounted, nothing twice, no hold leaked."""

from __future__ import annotations

import pytest
from tests.soak.accounts import Charged
from tests.soak.killpoints import fault_of, measure

DEATHS = 16


@pytest.mark.timeout(600)
def test_killed_anywhere() -> None:
    """A dozen deaths of real applications and agents; the soak has 10,000."""
    figure = measure(DEATHS, first=11)
    assert figure.numbers["faults"] == []
    assert figure.numbers["deaths"] >= DEATHS
    assert figure.numbers["requests"] > 0


@pytest.mark.parametrize(
    ("costs", "rows", "fault"),
    [
        ([7, 7, 9], [Charged(7, True), Charged(9, True), Charged(7, True)], ""),
        ([7], [Charged(100, False)], ""),
        ([], [Charged(100, False)], ""),  # it never left
        ([7, 9], [Charged(9, True), Charged(8, False)], ""),
        ([7], [], "j: 7 was billed, and nothing in the ledger holds it"),
        ([7], [Charged(6, False)], "j: 7 was billed, and nothing in the ledger holds it"),
        ([7], [Charged(7, True), Charged(7, True)], "j: 7 is in the ledger and not on the bill, or twice"),
        ([7, 8], [Charged(100, False)], "j: 7 was billed, and nothing in the ledger holds it"),
    ],
)
def test_what_is_a_fault(costs: list[int], rows: list[Charged], fault: str) -> None:
    """Exact charges are on the bill, each once; what else is billed is under a bound of its own."""
    assert fault_of(costs, rows, "j") == fault
