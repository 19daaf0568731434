"""Claims about the scale: doublings are exact, and the middle of a step is near all its values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bursar.agent.ledger.octaves import low_of, middle_of, step_of


def test_doublings() -> None:
    """Each begins a step, four further."""
    assert [step_of(2**n) for n in range(40)] == [4 * n for n in range(40)]
    assert [step_of(value) for value in (0, 0.99, 1, 1.18, 1.19)] == [-1, -1, 0, 0, 1]
    assert (low_of(-1), low_of(0), low_of(4), middle_of(-1)) == (0, 1, 2, 0)


@given(st.floats(16, 1e12))
def test_the_middle_is_less_than_a_tenth_off(value: float) -> None:
    """Half a quarter octave is a factor of 1.09, and half a unit of rounding comes on top."""
    middle = middle_of(step_of(value))
    assert value / 1.1 - 0.5 <= middle <= value * 1.1 + 0.5
