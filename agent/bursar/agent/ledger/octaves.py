"""On which step of a scale of quarter octaves is a value, and what does a step stand for?"""

from __future__ import annotations

from math import floor, log2

BELOW_ONE = -1
"""The step of everything smaller than one, nothing among it."""
_STEPS = 4
"""To a doubling: within a step, values differ by less than a fifth."""


def step_of(value: float) -> int:
    """The step of a value in whatever unit: 1 is on step 0, 2 on step 4."""
    return BELOW_ONE if value < 1 else floor(_STEPS * log2(value))


def low_of(step: int) -> float:
    """The smallest value of a step; the next step's is where it ends."""
    return 0.0 if step < 0 else float(2 ** (step / _STEPS))


def middle_of(step: int) -> int:
    """The geometric middle of a step as a whole number, which is off by less than a tenth; 0 below one."""
    return 0 if step < 0 else round(2 ** ((step + 0.5) / _STEPS))
