"""How much CPU time may work in the background take?"""

from __future__ import annotations

from collections.abc import Callable

SHARE = 0.01
"""Of one core, on average."""
BURST_SECONDS = 1.0
"""CPU time that a worker which was idle may take at once."""


class CpuBudget:
    """Seconds of CPU that come in with the time and are spent by working. A piece of work too large is owed after."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._credit = BURST_SECONDS
        self.spent = 0.0
        """In all, ever."""

    @property
    def left(self) -> bool:
        """Whether any more may be spent now."""
        now = self._clock()
        self._credit = min(BURST_SECONDS, self._credit + SHARE * (now - self._at))
        self._at = now
        return self._credit > 0

    def spend(self, seconds: float) -> None:
        """So much was spent."""
        self._credit -= seconds
        self.spent += seconds
