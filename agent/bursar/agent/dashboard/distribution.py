"""How do times or lengths lie, drawn as bars?"""

from __future__ import annotations

from bursar.agent.dashboard import words
from bursar.agent.dashboard.chart import Chart, Line, Measure, Shape
from bursar.agent.ledger.octaves import BELOW_ONE, low_of
from bursar.agent.ledger.spreadbook import Spread, What

MOST_BARS = 24
_MS = 1_000_000
_TITLES: dict[What, str] = {
    "output": "Tokens of answers",
    "duration": "How long answers take",
    "first_token": "How long until streams begin",
}


def distribution(what: What, spread: Spread) -> Chart:
    """How many values lie between one tick and the next, which is up to twice as much where they lie far apart."""
    width = 1
    while spread.steps and spread.steps[-1][0] // width - spread.steps[0][0] // width >= MOST_BARS:
        width *= 2
    counts: dict[int, int] = {}
    for step, count in spread.steps:
        counts[step // width] = counts.get(step // width, 0) + count
    bars = range(min(counts), max(counts) + 1) if counts else range(0)
    title = _TITLES[what]
    return Chart(
        what,
        title,
        range(len(bars)),
        [Line("calls", [counts.get(bar, 0) for bar in bars])],
        Shape.BARS,
        Measure.COUNT,
        f"{title}. {said(what, spread)}",
        [_from(what, low_of(bar * width) if bar * width > BELOW_ONE else 0.0) for bar in bars],
    )


def said(what: What, spread: Spread) -> str:
    """The same in a sentence; of answers also what that means for `max_tokens`."""
    if not spread.count:
        return "Nothing was told of it in this time."
    half, most, nearly = (spread.quantile(q) or 0 for q in (0.5, 0.95, 0.99))
    text = f"Half of {spread.count:,} lie below about {_written(what, half)}, 95 of 100 below {_written(what, most)}."
    if what != "output":
        return text
    return f"{text} A max_tokens below about {nearly:,} would cut more than one answer in a hundred."


def _written(what: What, value: int) -> str:
    return f"{value:,}" if what == "output" else words.seconds(value * _MS)


def _from(what: What, low: float) -> str:
    """What stands under a bar: where it begins."""
    return words.short(round(low)) if what == "output" else words.seconds(round(low * _MS))
