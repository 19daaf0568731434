"""Our figures beside the article's, and why they differ, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from bursar.agent.whatif.levers import Day
from bursar.agent.whatif.pipelines import Era, Levers, Pipeline
from bursar.policies.amounts import usd

NEAR = Fraction(1, 50)
"""Within so much of the article's figure it is called right: the article rounds."""
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    levers: Levers
    model: str
    nano: int
    """What a day costs, in nano-dollars."""
    article: Decimal | None
    """What the article says, in USD; None where it says nothing."""
    why: str

    def to_json(self) -> dict[str, object]:
        """Dollars as JSON numbers: for reading, not for sums."""
        return {
            "levers": self.levers.value,
            "model": self.model,
            "usd_per_day": self.nano / _NANO,
            "nano_usd_per_day": self.nano,
            "article_usd_per_day": None if self.article is None else float(self.article),
            "why": self.why,
        }


def rows(pipeline: Pipeline, era: Era, found: Sequence[Day]) -> list[Row]:
    """A row for each stage; `found` as `levers.days` gives them."""
    before: Day | None = None
    told: list[Row] = []
    for day in found:
        article = pipeline.claims.get(day.levers)
        why = " ".join(_reasons(pipeline, era, day, before, article))
        told.append(Row(day.levers, day.model, day.nano, article, why))
        before = day
    return told


def _reasons(pipeline: Pipeline, era: Era, day: Day, before: Day | None, article: Decimal | None) -> Iterator[str]:
    yield f"{_sum(day)} = {usd(day.nano)} USD."
    if day.levers in (Levers.CACHE, Levers.BATCH) and pipeline.shared and not day.cacheable:
        yield f"{pipeline.shared:,} shared tokens are fewer than the {day.minimum:,} from which {day.model} caches."
    if day.levers is Levers.CACHE and not pipeline.shared:
        yield "No two calls share anything, so there is nothing to cache."
    if day.levers is Levers.CACHE and day.cacheable and day.rates.cache_read * 10 != day.rates.input:
        yield f"What is read costs {_percent(day)} of fresh input on {day.model}, not 10%."
    if before is not None and day.nano == before.nano:
        yield "The lever saves nothing."
    if article is None:
        yield "The article says nothing of it."
        return
    yield from _compared(era, day, article)


def _compared(era: Era, day: Day, article: Decimal) -> Iterator[str]:
    theirs = int(article * _NANO)
    difference = Fraction(theirs - day.nano, day.nano)
    if abs(difference) <= NEAR:
        yield "The article is right."
        return
    yield f"The article says {article} USD, {abs(float(difference)):.0%} {'more' if difference > 0 else 'less'}."
    if theirs < day.output_nano:
        yield f"That cannot be: the answers alone cost {usd(day.output_nano)} USD."
    if era.day is None:
        yield "Its models are retired, and it counts at the prices of 2025."


def _sum(day: Day) -> str:
    parts = (
        (day.fresh, day.rates.input, "in"),
        (day.written, day.rates.cache_write_5m, "written"),
        (day.read, day.rates.cache_read, "read"),
        (day.output, day.rates.output, "out"),
    )
    return " + ".join(
        f"{_millions(tokens)} MTok {what} x {_per_million(rate)}" for tokens, rate, what in parts if tokens
    )


def _percent(day: Day) -> str:
    return f"{float(Fraction(day.rates.cache_read, day.rates.input)):.1%}".replace(".0%", "%")


def _millions(tokens: int) -> str:
    return f"{tokens / 10**6:.6f}".rstrip("0").rstrip(".")


def _per_million(pico: int) -> str:
    """A rate in pico-dollars a token as USD a million tokens."""
    return f"{pico / 10**6:.6f}".rstrip("0").rstrip(".")
