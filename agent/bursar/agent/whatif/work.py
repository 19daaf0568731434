"""What did one route use on one model, and what would a cache or a batch make of it?"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import NamedTuple

from bursar.agent.advice.usage import HARDLY_READ, LIFETIME_NS, Pattern, Reason, RouteUsage, reason_of, saving_a_day
from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.agent.whatif.printed import Marked
from bursar.policies import batchpays
from bursar.policies.batchpays import OUTPUT, READ, Used, compare, ratio
from bursar.policies.prices import PriceBook, Rates, rates

_DAY_SECONDS = 86_400
_PICO_PER_NANO = 1_000


class Shared(NamedTuple):
    """What a cache would save over the whole period, in nano-dollars, and by how many tokens that calls share."""

    nano: int
    """The lower end, which is quoted."""
    at_most: int
    tokens: int
    """Of the lower end; zero where token counts alone do not tell."""
    why: str


class Work:
    """
    Sums over calls that were sent at once, in order of time, as they were or as another model would count them.

    Money in nano-dollars. Calls in batches cost something, and are in nothing else: they have no order for a cache.
    """

    def __init__(self, model: str, minimum: int | None, factor: Fraction = Fraction(1)) -> None:
        """`minimum`: the shortest prompt that the model caches; `factor`: its tokens for each one that was counted."""
        self.model = model
        self.nano = self.calls = 0
        self._minimum = minimum
        self._factor = factor
        self._times, self._over = factor.numerator, factor.denominator
        self._input = self._read = self._write_5m = self._write_1h = self._output = 0
        self._batched = Used()
        self._long = self._writes = self._shortest = self._longest = 0
        self._last_ns: int | None = None

    def add(self, one: PastAttempt, nano: int) -> None:
        """Count an attempt that costs so much here."""
        self.nano += nano
        if not one.counted:
            return
        usage = one.usage
        if "batch" in one.modifiers:
            self._batched = _plus(self._batched, one)
            return
        self.calls += 1
        self._input += usage.input
        self._read += usage.cache_read
        self._write_5m += usage.cache_write_5m
        self._write_1h += usage.cache_write_1h
        self._output += usage.output
        self._meet(usage.prompt * self._times // self._over, one.at_ns)

    def _meet(self, prompt: int, at_ns: int) -> None:
        if prompt < (self._minimum or 0):
            return
        self._shortest = prompt if not self._long else min(self._shortest, prompt)
        self._longest = max(self._longest, prompt)
        self._long += 1
        self._writes += self._last_ns is None or at_ns - self._last_ns > LIFETIME_NS
        self._last_ns = at_ns

    def cached(self, book: PriceBook, at: date, days: Fraction) -> Shared:
        """What caching would save, judged by token counts alone: as `advice.usage` does."""
        used = self.used()
        prompt = used.input + used.prefix
        if prompt and used.cache_read >= HARDLY_READ * prompt:
            return Shared(0, 0, 0, "it reads from the cache already")
        prices = self._prices(book, at)
        pattern = Pattern(
            self._minimum, self._long, self._writes, self._shortest, self._longest, prompt // max(self.calls, 1)
        )
        row = RouteUsage("", self.model, (), (), used.cache_read, used.cache_write_5m + used.cache_write_1h)
        reason = reason_of(row, pattern, prices)
        if prices is None or reason not in (Reason.UNCACHED, Reason.UNREAD_WRITES):
            return Shared(0, 0, 0, _NOT[reason])
        low, high = (round(nano * days) for nano in saving_a_day(row, pattern, prices, days))
        if not low:
            return Shared(0, high, 0, "prompts differ in length: token counts do not tell what they share")
        return Shared(low, high, pattern.likely_shared, "")

    def shared(self, tokens: int) -> Used:
        """What is used once so many tokens that calls share are in the cache, in the place of what was there."""
        write = tokens * self._writes
        read = tokens * (self._long - self._writes)
        return self._recached(read, write, 0)

    def marked(self, found: Marked) -> Used:
        """What is used once the best marks stand."""
        used = self.used()
        prompt = used.input + used.prefix
        return self._recached(*(round(prompt * share) for share in (found.read, found.write_5m, found.write_1h)))

    def batched(self, book: PriceBook, at: date, days: Fraction, used: Used) -> tuple[int, str]:
        """
        What a batch would save over the whole period, net of lost hits, in nano-dollars; or why it would not.

        `used`: what the calls use as the levers before it leave them.
        """
        prices = self._prices(book, at)
        if prices is None:
            return 0, "no price is known"
        seconds = float(max(days, Fraction(1)) * _DAY_SECONDS)
        read = ratio(prices.cache_read, prices.input, READ)
        output = ratio(prices.output, prices.input, OUTPUT)
        found = compare(batchpays.Kind(used, self._batched, seconds=seconds, read=read, output=output))
        if found is None:
            return 0, "there are too few calls"
        if not found.pays:
            return 0, "the cache saves more than a batch would"
        each = Fraction(found.waiting - found.batch - found.externality) * prices.input / _PICO_PER_NANO
        return round(each * self.calls), ""

    def used(self) -> Used:
        """Tokens as this model counts them."""
        counted = (self._input, self._read, self._write_5m, self._write_1h, self._output)
        return Used(self.calls, *(round(tokens * self._factor) for tokens in counted))

    def _recached(self, read: int, write_5m: int, write_1h: int) -> Used:
        used = self.used()
        fresh = used.input + used.prefix - read - write_5m - write_1h
        return Used(self.calls, fresh, read, write_5m, write_1h, used.output)

    def _prices(self, book: PriceBook, at: date) -> Rates | None:
        used = self.used()
        return rates(self.model, at, book, prompt_tokens=(used.input + used.prefix) // max(self.calls, 1))


_NOT = {
    Reason.TOO_SHORT: "prompts are shorter than what the model caches",
    Reason.TOO_RARE: "calls come too far apart",
    Reason.UNPRICED: "no price is known",
}


def _plus(sums: Used, one: PastAttempt) -> Used:
    usage = one.usage
    return Used(
        sums.calls + 1,
        sums.input + usage.input,
        sums.cache_read + usage.cache_read,
        sums.cache_write_5m + usage.cache_write_5m,
        sums.cache_write_1h + usage.cache_write_1h,
        sums.output + usage.output,
    )
