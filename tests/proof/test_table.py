"""The page of the proof says what the cells come to."""

from __future__ import annotations

from tests.proof.table import PAGE, page


def test_the_page_is_up_to_date() -> None:
    """It is written by `python -m tests.proof.table`."""
    assert PAGE.read_text() == page()
