"""Does somebody ask too often?"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_CLIENTS = 1_024
"""That are remembered; of more, those are forgotten that asked the longest ago."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many at once, and then so many a second."""

    burst: int
    per_second: float


class Rate:
    """A bucket for each client, that fills as time goes by (token bucket)."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._allowance = allowance
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By client: how much is left, and as of when."""

    def wait(self, client: str) -> float:
        """Take one. Zero where that was allowed, else after how many seconds it will be."""
        now, allowance = self._clock(), self._allowance
        left, as_of = self._buckets.pop(client, (float(allowance.burst), now))
        left = min(float(allowance.burst), left + (now - as_of) * allowance.per_second)
        granted = left >= 1
        self._buckets[client] = (left - 1 if granted else left, now)
        while len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if granted else (1 - left) / allowance.per_second
