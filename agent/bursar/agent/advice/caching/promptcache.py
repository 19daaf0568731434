"""
What does a request read from the API's prompt cache, and what does it write there?

The rules of the documentation: exact prefixes, at most four marks, written at marks only, looked for at 20 positions
back from each, an hour's marks before five minutes', no prefix below the model's minimum, readable once the answer
begins, alive from the start of the request that wrote or read it last. One rule is documented nowhere: see `Refresh`.
Left out: what server tools write behind marks of their own, and entries that are evicted before their time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from typing import NamedTuple

LOOKBACK = 20
"""Positions that are looked at from a mark, its own one first."""
_SECOND = 10**9
LIFETIME_NS = {"5m": 300 * _SECOND, "1h": 3_600 * _SECOND}
_KEPT = 1_024
"""Entries that are kept before any is looked at for being over."""


class Refresh(StrEnum):
    """Which entries does a request renew that reads from the cache? Not documented; advice assumes the first."""

    MARKED = "every_marked_prefix"
    """What each of its marks finds: so a conversation keeps the shared system prompt alive that it reads under it."""
    HIGHEST = "highest_hit_only"
    """Only the longest of them."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class Prefix:
    """A beginning that prompts have in common. It is known by its identity: equal beginnings are one object."""

    parent: Prefix | None
    """All but its last block."""
    depth: int
    """Blocks in it: positions, as the API counts them."""
    end: int
    """Tokens up to and including its last block."""


class Bill(NamedTuple):
    """How a prompt's tokens divide into classes; those behind the last mark are `input`."""

    input: int
    read: int
    write_5m: int
    write_1h: int


class _Written(NamedTuple):
    ready_ns: int
    order: int
    prefix: Prefix
    ttl_ns: int
    expires_ns: int


@dataclass(slots=True)
class _Entry:
    ttl_ns: int
    expires_ns: int


class PromptCache:
    """The cache of one model; requests must come in the order of their start."""

    def __init__(self, minimum: int, refresh: Refresh = Refresh.MARKED) -> None:
        """`minimum`: tokens of the shortest prefix that this model caches."""
        self._minimum = minimum
        self._refresh = refresh
        self._entries: dict[Prefix, _Entry] = {}
        self._written: list[_Written] = []
        self._order = 0
        self._most = _KEPT

    def __len__(self) -> int:
        return len(self._entries)

    def request(self, at_ns: int, ready_ns: int, total: int, marks: Sequence[tuple[Prefix, str]]) -> Bill:
        """
        What a request started at `at_ns` reads and writes; `ready_ns` is when its answer began.

        `total` are the tokens of the whole prompt, `marks` prefixes of it with their times to live, shortest first.
        """
        self._settle(at_ns)
        top: Prefix | None = None
        hits: list[Prefix] = []
        for prefix, _ in marks:
            hit = self._nearest(prefix, at_ns) if prefix.end >= self._minimum else None
            if hit is not None:
                hits.append(hit)
                top = hit if top is None or hit.depth > top.depth else top
        if top is not None:
            for hit in hits if self._refresh is Refresh.MARKED else (top,):
                entry = self._entries[hit]
                entry.expires_ns = max(entry.expires_ns, at_ns + entry.ttl_ns)
        read = hour = last = 0 if top is None else top.end
        for prefix, ttl in marks:
            if prefix.end >= self._minimum and (top is None or prefix.depth > top.depth):
                last = prefix.end
                hour = last if ttl == "1h" else hour
                self._write(prefix, LIFETIME_NS[ttl], at_ns, ready_ns)
        return Bill(max(total - last, 0), read, last - hour, hour - read)

    def _write(self, prefix: Prefix, ttl_ns: int, at_ns: int, ready_ns: int) -> None:
        self._order += 1
        heappush(self._written, _Written(ready_ns, self._order, prefix, ttl_ns, at_ns + ttl_ns))

    def _settle(self, now_ns: int) -> None:
        """Have what was written until now be found from now on; where two wrote the same, the longer lived one."""
        while self._written and self._written[0].ready_ns <= now_ns:
            _, _, prefix, ttl_ns, expires_ns = heappop(self._written)
            entry = self._entries.get(prefix)
            if entry is None or entry.expires_ns < expires_ns:
                self._entries[prefix] = _Entry(ttl_ns, expires_ns)
        if len(self._entries) > self._most:
            self._entries = {prefix: entry for prefix, entry in self._entries.items() if now_ns < entry.expires_ns}
            self._most = max(_KEPT, 2 * len(self._entries))

    def _nearest(self, prefix: Prefix, now_ns: int) -> Prefix | None:
        place: Prefix | None = prefix
        for _ in range(LOOKBACK):
            if place is None:
                return None
            entry = self._entries.get(place)
            if entry is not None and now_ns < entry.expires_ns:
                return place
            place = place.parent
        return None
