"""Which routes would save money by caching what their prompts share, as far as token counts alone can tell?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from statistics import median_low

from bursar.policies.prices import PriceBook, Rates, rates

LIFETIME_NS = 5 * 60 * 10**9
"""How long a cache entry lives, counted from the start of the request that wrote or read it last."""

HARDLY_READ = Fraction(1, 10)
"""Share of prompt tokens read from the cache from which on a route needs no such advice."""

CALLS_A_WRITE = 2
"""Calls that must come to one cache entry on average; with fewer, a write costs about what it saves."""

ALIKE = Fraction(6, 5)
"""Longest to shortest prompt up to which half of the shortest is taken to be shared."""

_PICO_PER_NANO = 1_000


class Reason(StrEnum):
    """Why caching is, or is not, recommended."""

    UNCACHED = "uncached"
    """Long prompts in quick succession, and nothing of them is cached."""
    UNREAD_WRITES = "unread_writes"
    """The cache is written and hardly read: the mark stands behind something that changes."""
    UNPRICED = "unpriced"
    """Caching would help, and no price says how much."""
    TOO_SHORT = "too_short"
    """Most prompts are shorter than what the model caches at all."""
    TOO_RARE = "too_rare"
    """Calls come too far apart: an entry is gone before it is read."""


@dataclass(frozen=True, slots=True)
class RouteUsage:
    """What the calls of one route to one model used; `at_ns` and `prompts` have an entry a call, in order of time."""

    route: str
    model: str
    at_ns: Sequence[int]
    """When each was sent, in nanoseconds since the epoch."""
    prompts: Sequence[int]
    """Each whole prompt in tokens: uncached, read and written."""
    cache_read: int = 0
    """Tokens of all calls together, as `cache_write`."""
    cache_write: int = 0


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the calls of a row look like to a cache; tokens, and whole counts over the period."""

    minimum: int | None
    """The shortest prompt that the model caches; None where it is not known."""
    calls: int
    """Calls whose prompt is at least that long."""
    writes: int
    """Those of them that would find no live entry: the first, and each more than a lifetime after the one before."""
    shortest: int
    """Of those calls: the most that all can have in common."""
    longest: int
    typical: int
    """The median prompt of all calls."""

    @property
    def likely_shared(self) -> int:
        """What is taken to be shared at least: half of the shortest where prompts are alike and it suffices, else 0."""
        half = self.shortest // 2
        return half if self.longest <= ALIKE * self.shortest and half >= (self.minimum or 1) else 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One route and model: whether to cache there, why, and what it is about."""

    route: str
    model: str
    reason: Reason
    pattern: Pattern
    calls: int
    prompt_tokens: int
    """Of the whole period, as `calls` and `cache_read`."""
    cache_read: int
    days: Fraction
    """How long the period was."""
    saving_per_day_nano: tuple[int, int] | None
    """From, to, in nano-dollars; None where nothing is advised, or no price is known."""

    @property
    def advised(self) -> bool:
        """Whether it says to do something."""
        return self.reason not in (Reason.TOO_SHORT, Reason.TOO_RARE)


def advise(rows: Iterable[RouteUsage], book: PriceBook, at: date, days: Fraction) -> list[Finding]:
    """
    What caching would save on each route, the largest saving first; then where it would not help, and why.

    `at` is the day of the prices, `days` how long the period of the rows was. Routes that read enough from the cache
    already are left out.
    """
    found = (_advise(row, book, at, days) for row in rows if row.prompts and not _cached(row))
    return sorted((one for one in found if one is not None), key=_order)


def _order(one: Finding) -> tuple[bool, int, str, str]:
    return not one.advised, -(one.saving_per_day_nano or (0, 0))[1], one.route, one.model


def _cached(row: RouteUsage) -> bool:
    return row.cache_read >= HARDLY_READ * sum(row.prompts)


def _advise(row: RouteUsage, book: PriceBook, at: date, days: Fraction) -> Finding | None:
    """What to say of one route; None where what it caches already saves as much as all this could."""
    known = book.find(row.model)
    pattern = _pattern(row, known.min_cacheable_tokens if known is not None else None)
    prices = rates(row.model, at, book, prompt_tokens=pattern.typical)
    reason = reason_of(row, pattern, prices)
    saving = None
    if prices is not None and reason in (Reason.UNCACHED, Reason.UNREAD_WRITES):
        saving = saving_a_day(row, pattern, prices, days)
        if saving[1] == 0:
            return None
    return Finding(
        route=row.route,
        model=row.model,
        reason=reason,
        pattern=pattern,
        calls=len(row.prompts),
        prompt_tokens=sum(row.prompts),
        cache_read=row.cache_read,
        days=days,
        saving_per_day_nano=saving,
    )


def _pattern(row: RouteUsage, minimum: int | None) -> Pattern:
    long_enough = [
        (at_ns, tokens) for at_ns, tokens in zip(row.at_ns, row.prompts, strict=True) if tokens >= (minimum or 0)
    ]
    lengths = [tokens for _, tokens in long_enough]
    return Pattern(
        minimum=minimum,
        calls=len(long_enough),
        writes=_cold_starts([at_ns for at_ns, _ in long_enough]),
        shortest=min(lengths, default=0),
        longest=max(lengths, default=0),
        typical=median_low(row.prompts),
    )


def _cold_starts(at_ns: Sequence[int]) -> int:
    """Calls that find no live entry. Every call renews it, so only the gap before a call counts."""
    gaps = (later - earlier for earlier, later in pairwise(at_ns))
    return (1 if at_ns else 0) + sum(gap > LIFETIME_NS for gap in gaps)


def reason_of(row: RouteUsage, pattern: Pattern, prices: Rates | None) -> Reason:
    """Whether caching would pay; of the row only what was read and written counts."""
    if pattern.minimum is not None and pattern.typical < pattern.minimum:
        return Reason.TOO_SHORT
    if pattern.calls < CALLS_A_WRITE * pattern.writes:
        return Reason.TOO_RARE
    if prices is None:
        return Reason.UNPRICED
    return Reason.UNREAD_WRITES if row.cache_write else Reason.UNCACHED


def saving_a_day(row: RouteUsage, pattern: Pattern, prices: Rates, days: Fraction) -> tuple[int, int]:
    """
    From, to, in nano-dollars a day, against what the row's own cache use saves or wastes already.

    Of the row only what was read and written counts.

    With s tokens shared by n calls, w of which write: n s input - w s write - (n - w) s read. Writes live five minutes.
    """
    present = row.cache_read * (prices.input - prices.cache_read)
    present -= row.cache_write * (prices.cache_write_5m - prices.input)
    reads = pattern.calls - pattern.writes
    each = pattern.calls * prices.input - pattern.writes * prices.cache_write_5m - reads * prices.cache_read

    def a_day(shared: int) -> int:
        return max(round(Fraction(shared * each - present) / (_PICO_PER_NANO * days)), 0)

    likely = pattern.likely_shared
    return a_day(likely) if likely else 0, a_day(pattern.shortest)
