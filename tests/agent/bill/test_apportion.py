"""Claims about sums of old hours: their classes take all of it, in proportion to their prices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bursar.agent.bill.apportion import apportioned
from bursar.agent.ledger.exportbook import Summed
from bursar.policies.book import Rates
from bursar.policies.usage import Usage

RATES = {"row": Rates(4_000_000, 200_000, 5_000_000, 8_000_000, 20_000_000)}
SEARCH = 10_000_000_000


def summed(usage: Usage, nano: int, *, row: str = "row", charges: int = 3) -> Summed:
    return Summed(0, "desk", "m", "{}", "usage", "m", row, usage, nano, charges)


def test_half_price_is_half_for_each() -> None:
    """A batch of 1,000 tokens in and 100 out costs 3,000,000: two thirds of it in, a third out."""
    parts = list(apportioned(summed(Usage(input=1_000, output=100), 3_000_000), RATES, SEARCH))
    assert [(part.label, part.quantity, part.nano) for part in parts] == [
        ("input", 1_000, 2_000_000),
        ("output", 100, 1_000_000),
    ]
    assert parts[0].pico == 2_000_000


def test_an_unknown_row_is_one_line() -> None:
    """Where the book has no such row any more, three charges are three requests."""
    (part,) = apportioned(summed(Usage(output=1), 300, row="gone"), RATES, SEARCH)
    assert (part.label, part.quantity, part.nano) == ("", 3, 300)


def test_nothing_is_nothing() -> None:
    """Refusals, which cost nothing, are no line."""
    assert list(apportioned(summed(Usage(), 0), RATES, SEARCH)) == []


@given(
    st.builds(
        Usage,
        *[st.integers(0, 10**6)] * 5,
        thinking=st.just(0),
        web_searches=st.integers(0, 9),
        web_fetches=st.just(0),
    ),
    st.integers(0, 10**12),
)
def test_nothing_is_lost(usage: Usage, nano: int) -> None:
    """The parts add up to the sum, whatever they are, and none is below zero."""
    parts = list(apportioned(summed(usage, nano), RATES, SEARCH))
    assert sum(part.nano for part in parts) == nano
    assert all(part.nano >= 0 for part in parts)
