"""Do the cache marks pay that were added to a route's requests?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from bursar.agent.ledger.markingbook import Paid, Pulled, State
from bursar.policies.amounts import NANO, usd
from bursar.policies.book import PriceBook
from bursar.policies.rates import rates

ENOUGH_CALLS = 50
"""With marks; fewer may all have been first writes."""
ENOUGH_NS = 3_600 * 10**9
"""How long a trial lasts at least: as long as the longest entry lives."""
_EPOCH = date(1970, 1, 1)
_PICO = 1_000


@dataclass(frozen=True, slots=True)
class Costs:
    """What prompts cost, and would have cost without any cache, in pico-dollars."""

    calls: int = 0
    paid: int = 0
    plain: int = 0

    @property
    def saved(self) -> Fraction:
        """The share of the plain cost that the cache saved: below zero where it cost more than it brought."""
        return 1 - Fraction(self.paid, self.plain) if self.plain else Fraction(0)


def costs(sums: Iterable[Paid], book: PriceBook) -> Costs:
    """Of calls, at the prices of their days; those without a price are left out."""
    calls = paid = plain = 0
    for one in sums:
        found = rates(one.model, _EPOCH + timedelta(days=one.day), book, prompt_tokens=one.longest)
        if found is None:
            continue
        usage = one.usage
        calls += one.calls
        plain += usage.prompt * found.input
        paid += usage.input * found.input + usage.cache_read * found.cache_read
        paid += usage.cache_write_5m * found.cache_write_5m + usage.cache_write_1h * found.cache_write_1h
    return Costs(calls, paid, plain)


def judged(one: Pulled, marked: Costs, held_out: Costs, now_ns: int) -> Pulled:
    """
    What is known of marks by now. They are taken back where they save nothing beyond what those save without them.

    Marks that save less than was predicted, and something, stay: it is said what they save.
    """
    if marked.calls < ENOUGH_CALLS or now_ns - one.at_ns < ENOUGH_NS:
        return one
    realised = marked.saved - held_out.saved
    nano = round(realised * marked.plain / _PICO)
    seen = (
        f"{_percent(realised)} of what {marked.calls:,} prompts would cost saved, {_percent(Fraction(one.predicted))} "
        f"predicted; against {held_out.calls:,} held out"
    )
    if realised <= 0:
        return replace(one, state=State.TAKEN_BACK, reason=f"does not pay: {seen}", realised=float(realised))
    worth = usd(max(nano, NANO // 10**6))
    return replace(one, state=State.KEPT, reason=f"{seen}: {worth} USD so far", realised=float(realised))


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):.1f}%"
