"""What does a route teach of its calls: how long answers are, and how many tokens prompts have for a byte?"""

from __future__ import annotations

import math

from bursar.policies.estimate import Density, OutputHistogram


class Outputs(OutputHistogram):
    """
    The same, and whether it may still be gone by.

    After three answers above the 99% in twenty the next hundred are taken to be as long as they may be: what answers
    were like is no word on what they are like now.
    """

    SURPRISES, AMONG, WARY = 3, 20, 100
    UNKNOWN = 1 << 40
    """More tokens than any request allows."""

    def __init__(self) -> None:
        super().__init__()
        self._recent = self._wary = 0

    def add(self, tokens: int) -> None:
        usual = super().quantile(0.99)
        if usual is not None:
            self._recent = (self._recent << 1 | (tokens > usual)) & ((1 << self.AMONG) - 1)
            self._wary = max(self._wary - 1, 0)
            if self._recent.bit_count() >= self.SURPRISES:
                self._recent, self._wary = 0, self.WARY
        super().add(tokens)

    def quantile(self, share: float) -> int | None:
        return self.UNKNOWN if self._wary else super().quantile(share)


class Ratios:
    """Tokens of prompts for each byte of their text, of one route and model: kept as `OutputHistogram` keeps tokens."""

    SCALE = 1_000
    USUAL = 0.95

    def __init__(self) -> None:
        self._seen = OutputHistogram()

    def add(self, tokens: int, text_bytes: int) -> None:
        """Count one prompt."""
        self._seen.add(math.ceil(tokens * self.SCALE / text_bytes))

    @property
    def enough(self) -> bool:
        """Whether there is something to go by."""
        return self._seen.enough

    def density(self) -> Density:
        """What nearly all prompts (95%) stay within."""
        return Density((self._seen.quantile(self.USUAL) or 0) / self.SCALE, whole=True)
