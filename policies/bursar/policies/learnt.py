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
    _LATEST = (1 << AMONG) - 1
    UNKNOWN = 1 << 40
    """More tokens than any request allows."""

    def __init__(self) -> None:
        super().__init__()
        self._recent = self._wary = 0

    def add(self, tokens: int) -> bool:
        usual, wary = super().quantile(0.99), self._wary
        if usual is None:
            return super().add(tokens)
        self._recent = self._recent << 1 & self._LATEST
        if wary:
            self._wary = wary - 1
        if tokens > usual:
            self._recent |= 1
            if self._recent.bit_count() >= self.SURPRISES:
                self._recent, self._wary = 0, self.WARY
        return super().add(tokens) or (wary == 0) != (self._wary == 0)

    def quantile(self, share: float) -> int | None:
        return self.UNKNOWN if self._wary else super().quantile(share)


class Ratios:
    """Tokens of prompts for each byte of their text, of one route and model: kept as `OutputHistogram` keeps tokens."""

    SCALE = 1_000
    USUAL = 0.95

    def __init__(self) -> None:
        self._seen = OutputHistogram()

    def add(self, tokens: int, text_bytes: int) -> bool:
        """Count one prompt; whether what can be told may be other than before."""
        return self._seen.add(math.ceil(tokens * self.SCALE / text_bytes))

    @property
    def enough(self) -> bool:
        """Whether there is something to go by."""
        return self._seen.enough

    def density(self) -> Density:
        """What nearly all prompts (95%) stay within."""
        return Density((self._seen.quantile(self.USUAL) or 0) / self.SCALE, whole=True)
