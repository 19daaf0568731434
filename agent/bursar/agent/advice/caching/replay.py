"""What would a route's prompts have cost, day by day, with these marks?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bursar.agent.advice.caching.chain import Call
from bursar.agent.advice.caching.promptcache import Bill, Prefix, PromptCache, Refresh
from bursar.policies.prices import Rates

UNIT = 1_000 * 1_000
"""Money here is in thousandths of pico-dollars, since a call may stand for several: so many are a nano-dollar."""


@dataclass(slots=True)
class Tally:
    """Money and tokens of calls, each counted as many times as calls it stands for."""

    cost: Counter[int] = field(default_factory=Counter[int])
    """By day, counted back from the end of the period; only what the prompt costs."""
    tokens: int = 0
    """In thousandths, as those read."""
    read: int = 0
    write_5m: int = 0
    write_1h: int = 0

    def add(self, call: Call, day: int, bill: Bill) -> None:
        """Count one call in."""
        self.cost[day] += call.weight * price(call.rates, bill)
        self.tokens += call.weight * sum(bill)
        self.read += call.weight * bill.read
        self.write_5m += call.weight * bill.write_5m
        self.write_1h += call.weight * bill.write_1h

    @property
    def total(self) -> int:
        """Money of all days."""
        return sum(self.cost.values())


def price(rates: Rates, bill: Bill) -> int:
    """What a prompt costs, in pico-dollars."""
    cost = bill.input * rates.input + bill.read * rates.cache_read
    return cost + bill.write_5m * rates.cache_write_5m + bill.write_1h * rates.cache_write_1h


@dataclass(slots=True)
class Replay:
    """One way to mark, call after call in order of time."""

    minimum: int
    refresh: Refresh
    tally: Tally = field(default_factory=Tally)
    _cache: PromptCache = field(init=False)

    def __post_init__(self) -> None:
        self._cache = PromptCache(self.minimum, self.refresh)

    def see(self, call: Call, day: int, marks: Sequence[tuple[Prefix, str]]) -> None:
        """One call with its marks, shortest prefix first."""
        self.tally.add(call, day, self._cache.request(call.at_ns, call.ready_ns, call.total, marks))
