"""How far apart are the calls that share a beginning, and what would it save to bridge the gaps?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from bursar.agent.advice.caching.chain import Call
from bursar.agent.advice.caching.promptcache import LIFETIME_NS, Prefix

_MINUTE_NS = 60 * 10**9
PING_NS = {"5m": 9 * _MINUTE_NS // 2, "1h": 55 * _MINUTE_NS}
"""How long after a touch an entry is read again to keep it: a little before its end."""
LONGEST_NS = 24 * 60 * _MINUTE_NS
"""Nobody is advised to keep an entry for longer than a day without a call."""
_BIN_NS = _MINUTE_NS // 2
_SWEEP_NS = 60 * _MINUTE_NS


class KeepAlive(NamedTuple):
    """Read an entry again and again, for so long after its last call."""

    ttl: str
    until_ns: int
    pings: int
    """All of the period, in thousandths, as the money."""
    saving: int
    """Against the cheaper of both times to live without it, in thousandths of pico-dollars."""


@dataclass(slots=True)
class _Seen:
    last_ns: int
    ready_ns: int


@dataclass(slots=True)
class Gaps:
    """The calls at one place, in order of time."""

    place: int
    minimum: int
    reads: Counter[int] = field(default_factory=Counter[int])
    """What reading it costs each time, in thousandths of pico-dollars, by half minutes since it was last touched."""
    writes: dict[str, Counter[int]] = field(default_factory=lambda: {"5m": Counter(), "1h": Counter()})
    counts: Counter[int] = field(default_factory=Counter[int])
    parallel: Counter[int] = field(default_factory=Counter[int])
    """By day: what calls paid to write, in five minutes' writes, what another was writing at that moment."""
    parallel_calls: int = 0
    _seen: dict[Prefix, _Seen] = field(default_factory=dict[Prefix, _Seen])
    _next_sweep_ns: int = 0

    def see(self, call: Call, day: int, ttl: str) -> None:
        """Count one call in; `ttl`: of the mark at the place."""
        prefix = call.places[self.place]
        if prefix is None or prefix.end < self.minimum:
            return
        seen = self._seen.get(prefix)
        gap_ns = LONGEST_NS if seen is None else call.at_ns - seen.last_ns
        gap = min(gap_ns // _BIN_NS, LONGEST_NS // _BIN_NS)
        tokens, rates = call.weight * prefix.end, call.rates
        self.counts[gap] += call.weight
        self.reads[gap] += tokens * rates.cache_read
        self.writes["5m"][gap] += tokens * rates.cache_write_5m
        self.writes["1h"][gap] += tokens * rates.cache_write_1h
        write = rates.cache_write_5m if ttl == "5m" else rates.cache_write_1h
        if seen is None or gap_ns >= LIFETIME_NS[ttl]:
            self._seen[prefix] = _Seen(call.at_ns, call.ready_ns)
        else:
            if call.at_ns < seen.ready_ns:
                self.parallel[day] += tokens * (write - rates.cache_read)
                self.parallel_calls += call.weight
                seen.ready_ns = min(seen.ready_ns, call.ready_ns)
            seen.last_ns = call.at_ns
        if call.at_ns >= self._next_sweep_ns:
            self._sweep(call.at_ns)

    def _sweep(self, now_ns: int) -> None:
        self._seen = {one: seen for one, seen in self._seen.items() if now_ns - seen.last_ns < LONGEST_NS}
        self._next_sweep_ns = now_ns + _SWEEP_NS

    def cost(self, ttl: str, until_ns: int = 0) -> tuple[int, int]:
        """
        What the place cost, and how many pings, were its entries kept for so long after each call.

        A gap of no more than the time to live is read; a longer one, up to `until_ns`, read as well, and one more read
        for each ping in it; one longer than that is a write, after all the pings. Neither a ping's output nor what it
        must carry beside the prefix is counted: a request of `max_tokens=0` has nearly none.
        """
        life, every = LIFETIME_NS[ttl], PING_NS[ttl]
        cost = pings = 0
        for gap, read in self.reads.items():
            length = (gap + 1) * _BIN_NS
            kept = min(length, until_ns) // every if length > life else 0
            alive = length <= life + until_ns
            cost += kept * read + (read if alive else self.writes[ttl][gap])
            pings += kept * self.counts[gap]
        return cost, pings

    def keep_alive(self) -> KeepAlive | None:
        """The keeping alive that saves most; None where none saves anything."""
        plain = min(self.cost(ttl)[0] for ttl in PING_NS)
        best: KeepAlive | None = None
        for ttl, every in PING_NS.items():
            for times in range(1, int(LONGEST_NS // every)):
                until_ns = times * every
                cost, pings = self.cost(ttl, until_ns)
                if cost < plain and (best is None or plain - cost > best.saving):
                    best = KeepAlive(ttl, until_ns, pings, plain - cost)
        return best
