"""
Would a batch cost less than the waiting calls?

Everything is half price in a batch, but few of its calls find their prefix in the cache, while calls that are made one
after the other read it for a tenth or less; and a call that is taken away no longer keeps the cache warm for those that
stay. Per call, in units of one input token's price (facts: algorithms.md, section 5):

    waiting = P m_s + u + k o
    batch   = (P m_b + u + k o) / 2 + externality
    pays iff u + k o > P (m_b - 2 m_s) + 2 externality

P: tokens of the cached prefix, u: other input, o: output, k: price of output over input, m_s and m_b: what a token of
the prefix costs by what was read and written (read r, written 1.25 or 2). The externality of one call with Poisson
arrivals at rate L and a cache that lives T: misses come at rate L exp(-LT), so one call less brings
LT exp(-LT) misses more among the rest, each P (1.25 - r) dearer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

LIFETIME_SECONDS = 300.0
WRITE_5M, WRITE_1H = 1.25, 2.0
USUAL_HITS = 0.3
"""The share of a batch's prefix that is read from the cache, where nothing is known of the route's batches."""
OUTPUT = 5.0
READ = 0.1


@dataclass(frozen=True, slots=True)
class Used:
    """What the recent calls of one kind used in all."""

    calls: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0

    @property
    def prefix(self) -> int:
        """Tokens that went through the cache."""
        return self.cache_read + self.cache_write_5m + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class Kind:
    """A route's recent work on one model."""

    waited: Used
    """By calls that were sent at once."""
    batched: Used = Used()
    seconds: float = 86_400.0
    """Over how long."""
    read: float = READ
    """What a token read from the cache costs, over one of fresh input."""
    output: float = OUTPUT


FEWEST = 5
"""With fewer calls to go by, nothing is known, and a batch is taken to pay."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides of one call, in prices of an input token."""

    waiting: float
    batch: float
    externality: float

    @property
    def pays(self) -> bool:
        return self.batch + self.externality < self.waiting


def compare(kind: Kind) -> Comparison | None:
    """What the route's usual call costs either way; None where too little is known of it."""
    used = kind.waited
    if used.calls < FEWEST:
        return None
    prefix = used.prefix / used.calls
    rest = used.input / used.calls + kind.output * used.output / used.calls
    waiting = prefix * _each(used, kind.read) + rest
    batch = (prefix * _in_batch(kind) + rest) / 2
    return Comparison(waiting, batch, _externality(kind, prefix))


def pays(kind: Kind) -> bool:
    """Whether a batch is cheaper, or nothing speaks against it."""
    found = compare(kind)
    return found is None or found.pays


def ratio(part: Fraction | int, whole: Fraction | int, default: float) -> float:
    """One price over another."""
    return float(Fraction(part) / Fraction(whole)) if whole else default


def _each(used: Used, read: float) -> float:
    """What a token of the prefix cost, by what was read and written."""
    if not used.prefix:
        return 1.0
    paid = used.cache_read * read + used.cache_write_5m * WRITE_5M + used.cache_write_1h * WRITE_1H
    return paid / used.prefix


def _in_batch(kind: Kind) -> float:
    """The same in the route's own batches, where there were enough; else at the usual share of hits."""
    if kind.batched.calls >= FEWEST and kind.batched.prefix:
        return _each(kind.batched, kind.read)
    write = WRITE_1H if kind.waited.cache_write_1h > kind.waited.cache_write_5m else WRITE_5M
    return USUAL_HITS * kind.read + (1 - USUAL_HITS) * write


def _externality(kind: Kind, prefix: float) -> float:
    reads = kind.waited.calls * LIFETIME_SECONDS / kind.seconds if kind.seconds else 0.0
    return reads * math.exp(-reads) * prefix * (WRITE_5M - kind.read)
