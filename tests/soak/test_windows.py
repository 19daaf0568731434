"""A call counts in the window in which it was sent, wherever and however the clock turns."""

from __future__ import annotations

from tests.soak.windows import TURNS, measure


def test_every_turn_in_every_way() -> None:
    """Before it, after it, across it, and across it with the agent's clock set back or forth."""
    figure = measure(1)
    assert figure.numbers == {"turns": len(TURNS), "wrong": []}
