"""What is a chart of a page: which lines over which time, in which unit?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Shape(StrEnum):
    """How a chart is drawn."""

    LINES = "lines"
    AREAS = "areas"
    """One on top of the other."""
    BARS = "bars"
    """Likewise."""


class Measure(StrEnum):
    """What its figures are."""

    MONEY = "money"
    """Nano-dollars in, dollars on the page."""
    COUNT = "count"
    DURATION = "duration"
    """Nanoseconds in, seconds on the page."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line; None where there is nothing to draw."""

    name: str
    values: Sequence[int | None]
    style: str = ""
    """`dashed` for what is a forecast, `limit` for what must not be passed, `band` with the next for a band of both."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same instants, which are seconds since the epoch (or the steps of a distribution)."""

    name: str
    title: str
    x: Sequence[int]
    lines: Sequence[Line]
    shape: Shape = Shape.LINES
    measure: Measure = Measure.MONEY
    summary: str = ""
    """What the chart shows, in a sentence: for who cannot see it."""
    ticks: Sequence[str] = field(default_factory=tuple[str, ...])
    """What stands under each step, where these are no instants."""

    def to_json(self) -> str:
        """What the page's script draws. Figures are for the eye: exact ones stand in the tables."""
        return json.dumps(
            {
                "shape": self.shape,
                "measure": self.measure,
                "x": list(self.x),
                "ticks": list(self.ticks),
                "lines": [
                    {"name": line.name, "style": line.style, "values": [self._drawn(v) for v in line.values]}
                    for line in self.lines
                ],
            },
            separators=(",", ":"),
        )

    def _drawn(self, value: int | None) -> float | int | None:
        if value is None or self.measure is Measure.COUNT:
            return value
        return value / 10**9
