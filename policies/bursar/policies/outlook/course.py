"""Where in its window is a balance, and how much of it is gone?"""

from __future__ import annotations

from dataclasses import dataclass

from bursar.policies.outlook.season import Season

LEAST = 0.02
"""What anything must come to, as a part of the limit, before somebody is told of it."""


@dataclass(frozen=True, slots=True)
class Course:
    """One balance at an instant. Amounts in the limit's unit, instants in seconds since the epoch."""

    limit: int
    spent: int
    start: int
    end: int
    now: int

    @property
    def length(self) -> int:
        """The whole window, in seconds."""
        return self.end - self.start

    def due(self, season: Season) -> float:
        """Which share of the window's spending is usually done by now."""
        return season.share(self.start, self.end, self.start, self.now)
