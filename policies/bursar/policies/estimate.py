"""
What a call may cost before it is sent: a true bound, and an expectation.

Formulas and their measurements: DESIGN's algorithms, sections 1.7 and 2; what is bounded is a `requestsize`.
"""

from __future__ import annotations

import math
from functools import lru_cache

from bursar.policies.book import Rates
from bursar.policies.requestsize import RequestSize
from bursar.policies.values import value

FLOOR_OUTPUT_TOKENS = 1_024
COLD_TOKENS_PER_BYTE = 0.40
OLD_TOKENS_PER_BYTE = 0.30
"""The same of the tokenizers before 4.7: nine in ten texts above 3 kB stay within it."""
PICO_PER_NANO = 1_000


@value
class Density:
    """How many tokens a prompt likely has for each byte of its text."""

    tokens_per_byte: float
    whole: bool = False
    """Whether frames, images and pages are in it, as they are in what was learnt; else they come on top."""

    @classmethod
    def cold(cls, *, new_tokenizer: bool) -> Density:
        """While nothing was learnt."""
        return _NEW if new_tokenizer else _OLD

    def tokens(self, size: RequestSize) -> int:
        """Input tokens that a request will likely have, never above its bound."""
        if size.exact:
            return size.input_bound
        text = math.ceil(size.text_bytes * self.tokens_per_byte)
        return min(text if self.whole else text + size.fixed_tokens, size.input_bound)


_NEW, _OLD = Density(COLD_TOKENS_PER_BYTE), Density(OLD_TOKENS_PER_BYTE)


def bound(size: RequestSize, rates: Rates, *, max_tokens: int | None = None) -> int:
    """The most this request can cost, in nano-dollars, rounded up; `max_tokens` stands in for the request's own."""
    output = size.max_tokens if max_tokens is None else max_tokens
    pico = size.input_bound * dearest_input(size, rates) + output * rates.output + size.searches * rates.web_search
    return -(-pico // PICO_PER_NANO)


def fitted_tokens(size: RequestSize, rates: Rates, amount_nano: int) -> int:
    """The largest `max_tokens` whose bound stays within an amount; may be negative. Inverse of `bound`."""
    fixed = size.input_bound * dearest_input(size, rates) + size.searches * rates.web_search
    return (amount_nano * PICO_PER_NANO - fixed) // max(rates.output, 1)


def expected(
    size: RequestSize,
    rates: Rates,
    *,
    output_tokens: int,
    density: Density = _NEW,
    warm: bool,
    cached: bool = True,
) -> int:
    """
    What this request will likely cost, in nano-dollars.

    `warm`: a marked prefix is read from the cache instead of being written. Not `cached`: it is too short for either.
    """
    tokens = density.tokens(size)
    written = dearest_input(size, rates) if cached else rates.input
    rate = rates.cache_read if cached and warm and size.marks else written
    return (tokens * rate + min(output_tokens, size.max_tokens) * rates.output) // PICO_PER_NANO


def figures(
    size: RequestSize, rates: Rates, *, tokens: int, output: int, floor: int, warm: bool, cached: bool
) -> tuple[int, int, int]:
    """
    Worst, least and expected cost at once, in nano-dollars: what `bound` and `expected` say each by itself.

    `tokens` are what the prompt will likely have, `output` what the answer will, `floor` the fewest `max_tokens` that
    it may be given.
    """
    prompt, most, rate = size.text_bytes + size.fixed_tokens, size.max_tokens, rates.output
    marked = size.marks > 0
    dearest = dearest_input(size, rates) if marked else rates.input
    fixed = prompt * dearest + size.searches * rates.web_search
    worst = -(-(fixed + most * rate) // PICO_PER_NANO)
    least = worst if most <= floor else -(-(fixed + floor * rate) // PICO_PER_NANO)
    read = (rates.cache_read if warm and marked else dearest) if cached else rates.input
    return worst, least, (tokens * read + min(output, most) * rate) // PICO_PER_NANO


def input_tokens(size: RequestSize, density: Density = _NEW) -> int:
    """Input tokens this request will likely have, never above its bound."""
    return density.tokens(size)


class OutputHistogram:
    """
    Output tokens of one route and model: buckets of 2^(1/8), quantiles by upper edge, half-life 500 calls.

    Errs upwards only (at most 9%). Below 59 values the upper bound of a p95 does not exist: `quantile` says None.
    """

    ENOUGH = 59
    HALF_LIFE = 500
    REFRESH = 8
    """After so many answers a quantile is worked out again."""

    def __init__(self) -> None:
        self._weights: dict[int, float] = {}
        self._seen = 0
        self._increment = 1.0
        self._quantiles: dict[float, int] = {}

    @property
    def enough(self) -> bool:
        """Whether a quantile can be told."""
        return self._seen >= self.ENOUGH

    def add(self, tokens: int) -> bool:
        """Count one answer of so many output tokens; whether what can be told may be other than before."""
        bucket = _bucket(tokens)
        weights, increment = self._weights, self._increment
        weights[bucket] = weights.get(bucket, 0.0) + increment
        self._increment = increment = increment * _GROWTH
        self._seen = seen = self._seen + 1
        if increment > _LARGE:
            self._weights = {key: weight / increment for key, weight in weights.items()}
            self._increment = 1.0
        if seen % self.REFRESH == 0:
            self._quantiles.clear()
            return True
        return seen in (1, self.ENOUGH)

    def quantile(self, share: float) -> int | None:
        """Tokens that this share of answers stays within; None while there are too few to say."""
        if self._seen < self.ENOUGH:
            return None
        known = self._quantiles.get(share)
        if known is None:
            known = self._quantiles[share] = self._quantile(share)
        return known

    def _quantile(self, share: float) -> int:
        rest = share * sum(self._weights.values())
        for bucket in sorted(self._weights):
            rest -= self._weights[bucket]
            if rest <= 0:
                return _upper_edge(bucket)
        return _upper_edge(max(self._weights))


_GROWTH = 2 ** (1 / OutputHistogram.HALF_LIFE)
_LARGE = 1e12


@lru_cache(maxsize=1024)
def _bucket(value: int) -> int:
    return math.ceil(8 * math.log2(value)) if value > 1 else 0


def _upper_edge(bucket: int) -> int:
    """The largest whole number in a bucket."""
    return int(2 ** (bucket / 8))


def dearest_input(size: RequestSize, rates: Rates) -> int:
    """The most that a token of the prompt can cost, in pico-dollars: what the dearest write into the cache does."""
    if not size.marks:
        return rates.input
    return max(rates.input, rates.cache_write_1h if size.hour_marks else rates.cache_write_5m)
