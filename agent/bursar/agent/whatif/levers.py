"""What does a day of one pipeline cost, with the levers pulled one after the other?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from bursar.agent.whatif.pipelines import Era, Levers, Pipeline
from bursar.policies.prices import PriceBook, Rates, rates


class UnpricedError(ValueError):
    """The book has no price for a model on that day; the text says which, and what to add."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day's work on one model. Amounts in nano-dollars, tokens in whole counts."""

    levers: Levers
    model: str
    rates: Rates
    fresh: int
    """Input tokens at the ordinary price."""
    written: int
    read: int
    output: int
    minimum: int
    """The shortest prompt that the model caches."""
    cacheable: bool
    """Whether what is shared is long enough for that."""

    @property
    def nano(self) -> int:
        """Rounded half to even, once."""
        pico = (
            self.fresh * self.rates.input
            + self.written * self.rates.cache_write_5m
            + self.read * self.rates.cache_read
            + self.output * self.rates.output
        )
        return round(Fraction(pico, 1_000))

    @property
    def output_nano(self) -> int:
        """What the answers alone cost: no cache makes that less."""
        return round(Fraction(self.output * self.rates.output, 1_000))


def days(pipeline: Pipeline, era: Era, book: PriceBook, today: date) -> tuple[Day, ...]:
    """
    The four stages of a pipeline. Raises `UnpricedError`.

    Cached: the calls follow each other within an entry's life, so that the first writes what all share and every other
    reads it. Where the cheap model does not cache a prompt that short, the lever changes nothing.
    """
    at = era.day or today
    return tuple(_day(pipeline, era, levers, book, at) for levers in Levers)


def _day(pipeline: Pipeline, era: Era, levers: Levers, book: PriceBook, at: date) -> Day:
    model = era.strong if levers is Levers.BASELINE else era.cheap
    batch = levers is Levers.BATCH
    found = rates(model, at, book, prompt_tokens=pipeline.input, batch=batch)
    facts = book.find(model)
    if found is None or facts is None:
        raise UnpricedError(f"{book.source} has no price of {model} for {at}: add one under [[model]] to your own file")
    minimum = facts.min_cacheable_tokens or 0
    cacheable = pipeline.shared >= max(minimum, 1)
    cached = cacheable and levers in (Levers.CACHE, Levers.BATCH)
    written = pipeline.shared if cached else 0
    read = pipeline.shared * (pipeline.calls - 1) if cached else 0
    return Day(
        levers=levers,
        model=model,
        rates=found,
        fresh=pipeline.calls * pipeline.input - written - read,
        written=written,
        read=read,
        output=pipeline.calls * pipeline.output,
        minimum=minimum,
        cacheable=cacheable,
    )
