"""How long did something take, by two looks at a clock, or by what somebody told of it?"""

from __future__ import annotations

LONGEST_NS = 86_400 * 10**9
"""A day. No attempt takes longer; what is said to had its clock set meanwhile, or is no time at all."""


def elapsed(since_ns: int, until_ns: int) -> int | None:
    """Nanoseconds from one look at a clock to another; None for no time, less than none, and more than a day."""
    took_ns = until_ns - since_ns
    return took_ns if 0 < took_ns <= LONGEST_NS else None


def believed(told: object) -> int | None:
    """Nanoseconds that somebody told, where they can be true: a whole number of such a size; else None."""
    return elapsed(0, told) if isinstance(told, int) and not isinstance(told, bool) else None
