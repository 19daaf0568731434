"""
Which marks would have cost the least? The best of all sets of at most four, found without trying them one by one.

With marks at fixed places the fate of one does not hang on which others there are, as long as an hour's stand before
five minutes': whoever finds a longer prefix has found, and so renewed, the shorter ones too. So one look at each call
tells for every place whether an entry would be alive there, and the cost of a set is a sum over neighbouring marks.
Exact for places that every prompt reaches, and one mark at its end; where some end before a place, a close estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from bursar.agent.advice.caching.promptcache import LIFETIME_NS, LOOKBACK, Prefix
from bursar.policies.fingerprint import MOST_MARKS
from bursar.policies.prices import Rates

TTLS = ("5m", "1h")
_FIVE, _HOUR = LIFETIME_NS["5m"], LIFETIME_NS["1h"]
_KEPT = 1_024
"""Entries that are kept before any is looked at for being over."""


class Call(NamedTuple):
    """One request, as far as its caching goes. Equal rates should be one object."""

    at_ns: int
    ready_ns: int
    """When its answer began: from then on others read what it wrote."""
    total: int
    """Tokens of the whole prompt, as billed."""
    rates: Rates
    weight: int
    """How many calls it stands for, in thousandths: more than 1,000 where only some conversations were looked at."""
    places: tuple[Prefix | None, ...]
    """What ends at each of the places where marks may stand, in the order of the cache; None where it has no such."""
    tail: Prefix | None
    """What ends with the last block that may be marked."""
    previous: Prefix | None = None
    """What the request before it in its conversation ended with, where that is looked for."""


class Policy(NamedTuple):
    """A set of marks: by place, with their times to live; and that at the end of each prompt, where there is one."""

    marks: tuple[tuple[int, str], ...] = ()
    tail: str = ""
    previous: str = ""
    """Of a mark where the request before ended. Never searched for, only replayed."""

    @property
    def size(self) -> int:
        """How many marks that is."""
        return len(self.marks) + bool(self.tail) + bool(self.previous)

    def on(self, call: Call) -> list[tuple[Prefix, str]]:
        """Its marks in one request: where two would stand on one block, that of the place stays."""
        found = [(prefix, ttl) for place, ttl in self.marks if (prefix := call.places[place]) is not None]
        if self.previous and call.previous is not None and (not found or found[-1][0].depth < call.previous.depth):
            found.append((call.previous, self.previous))
        if self.tail and call.tail is not None and (not found or found[-1][0] is not call.tail):
            found.append((call.tail, self.tail))
        return found


def policies(places: int) -> Iterator[Policy]:
    """Every set that the API accepts: at most four marks, none of an hour behind one of five minutes."""
    for ttls in product(("", *TTLS), repeat=places):
        marks = tuple((place, ttl) for place, ttl in enumerate(ttls) if ttl)
        for tail in ("", *TTLS):
            policy = Policy(marks, tail)
            if policy.size <= MOST_MARKS and _in_order([ttl for _, ttl in marks] + ([tail] if tail else [])):
                yield policy


def _in_order(ttls: Sequence[str]) -> bool:
    return "1h" not in ttls[ttls.index("5m") :] if "5m" in ttls else True


@dataclass(slots=True)
class _Fate:
    """Until when an entry would be alive under either time to live, and what is written that nobody can read yet."""

    five_ns: int = 0
    hour_ns: int = 0
    pending: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])

    def settle(self, now_ns: int) -> None:
        """Have what was written until now be found from now on."""
        left: list[tuple[int, int, int]] = []
        for written in self.pending:
            ready_ns, five_ns, hour_ns = written
            if ready_ns <= now_ns:
                self.five_ns = max(self.five_ns, five_ns)
                self.hour_ns = max(self.hour_ns, hour_ns)
            else:
                left.append(written)
        self.pending = left

    def over(self, now_ns: int) -> bool:
        """Whether nobody can read it any more."""
        return self.hour_ns <= now_ns and all(five <= now_ns and hour <= now_ns for _, five, hour in self.pending)


class _Kind(NamedTuple):
    """What calls have in common whose costs add up, whatever the marks; places are counted from 1, 0 is none."""

    rates: Rates
    weight: int
    places: int
    """How many of them it reaches."""
    first: int
    """The first that is long enough to be cached; one more than there are where none is."""
    five: int
    """The last one alive, were its marks of five minutes."""
    hour: int
    tail: bool
    """Whether its end is long enough to be cached."""
    tail_five: int
    """How many places stand at or before what its end would find; -1 where it would find nothing."""
    tail_hour: int


class Search:
    """One pass over calls of one model in order of time; then any set of marks has its price."""

    def __init__(self, places: int, minimum: int) -> None:
        """`places`: how many there are in each call's `places`. `minimum`: tokens of the shortest cached prefix."""
        self.places = places
        self._minimum = minimum
        self._fates: dict[Prefix, _Fate] = {}
        self._tails: dict[Prefix, _Fate] = {}
        self._sums: dict[_Kind, list[int]] = {}
        self._keys: dict[tuple[int, int, int, int, int, int, bool, int, int], list[int]] = {}
        """The same by what is quicker to look up; rates by identity."""
        self._most = [_KEPT, _KEPT]

    def see(self, call: Call) -> None:
        """Count one call in."""
        if len(self._fates) > self._most[0] or len(self._tails) > self._most[1]:
            self._sweep(call.at_ns)
        prefixes = _filled(call.places)
        first, five, hour = self._alive(call, prefixes)
        tail = call.tail
        cached = tail is not None and tail.end >= self._minimum
        found_five, found_hour = self._behind(call, tail) if cached and tail is not None else (None, None)
        behind = _before(prefixes, found_five), _before(prefixes, found_hour)
        key = (id(call.rates), call.weight, len(prefixes), first, five, hour, cached, *behind)
        sums = self._keys.get(key)
        if sums is None:
            kind = _Kind(call.rates, *key[1:])
            sums = self._keys[key] = self._sums.setdefault(kind, [0] * (self.places + 4))
        sums[0] += 1
        for place, prefix in enumerate(prefixes, start=1):
            if prefix is not None:
                sums[place] += prefix.end
        sums[-3] += 0 if tail is None else tail.end
        sums[-2] += 0 if found_five is None else found_five.end
        sums[-1] += 0 if found_hour is None else found_hour.end

    def _alive(self, call: Call, prefixes: Sequence[Prefix | None]) -> tuple[int, int, int]:
        """The first place that can be cached, and the last alive under either time to live; all are touched."""
        first, five, hour = len(prefixes) + 1, 0, 0
        now_ns, fates = call.at_ns, self._fates
        before: Prefix | None = None
        for place, prefix in enumerate(prefixes, start=1):
            if prefix is None or prefix.end < self._minimum:
                continue
            first = min(first, place)
            if prefix is before:
                five, hour = place if five == place - 1 else five, place if hour == place - 1 else hour
                continue
            before = prefix
            fate = fates.get(prefix)
            if fate is None:
                fate = fates[prefix] = _Fate()
            elif fate.pending:
                fate.settle(now_ns)
            alive_five, alive_hour = fate.five_ns > now_ns, fate.hour_ns > now_ns
            five, hour = place if alive_five else five, place if alive_hour else hour
            _touch(fate, call, alive_five=alive_five, alive_hour=alive_hour)
        return first, five, hour

    def _behind(self, call: Call, tail: Prefix) -> tuple[Prefix | None, Prefix | None]:
        """What a mark at the end would find, under either time to live; it is renewed, or the end is written."""
        now_ns, tails = call.at_ns, self._tails
        found_five: Prefix | None = None
        found_hour: Prefix | None = None
        place: Prefix | None = tail
        for _ in range(LOOKBACK):
            if place is None:
                break
            fate = tails.get(place)
            if fate is not None:
                if fate.pending:
                    fate.settle(now_ns)
                if found_five is None and fate.five_ns > now_ns:
                    found_five = place
                    fate.five_ns = now_ns + _FIVE
                if found_hour is None and fate.hour_ns > now_ns:
                    found_hour = place
                    fate.hour_ns = now_ns + _HOUR
                if found_five is not None and found_hour is not None:
                    break
            place = place.parent
        if found_five is not tail or found_hour is not tail:
            fate = tails.setdefault(tail, _Fate())
            five_ns = 0 if found_five is tail else now_ns + _FIVE
            hour_ns = 0 if found_hour is tail else now_ns + _HOUR
            fate.pending.append((call.ready_ns, five_ns, hour_ns))
        return found_five, found_hour

    def _sweep(self, now_ns: int) -> None:
        """Forget what is over; the next time when twice as many are there."""
        for number, fates in enumerate((self._fates, self._tails)):
            for prefix in [prefix for prefix, fate in fates.items() if fate.over(now_ns)]:
                del fates[prefix]
            self._most[number] = max(_KEPT, 2 * len(fates))

    def saving(self, policy: Policy) -> int:
        """What a set of marks would have saved against none, in thousandths of pico-dollars."""
        at, total = 0, 0
        for place, ttl in policy.marks:
            total += self._edge(at, place + 1, ttl, policy.tail)
            at = place + 1
        return total + self._edge(at, None, "", policy.tail)

    @property
    def long_enough(self) -> int:
        """Calls in which a prefix up to one of the places can be cached."""
        return sum(sums[0] for kind, sums in self._sums.items() if kind.first <= kind.places)

    def best(self) -> list[tuple[int, Policy]]:
        """
        The best set for each number of marks, with each kind of mark at the end and without; the most saving first.

        A chain over places: what stands before a mark matters to what it costs only by its place and time to live.
        """
        found: dict[tuple[int, str], tuple[int, Policy]] = {}
        for tail in ("", *TTLS):
            for saving, policy in self._chains(tail):
                known = found.get((policy.size, tail))
                if known is None or saving > known[0]:
                    found[policy.size, tail] = saving, policy
        return sorted(found.values(), key=lambda one: (-one[0], one[1].size))

    def _chains(self, tail: str) -> Iterator[tuple[int, Policy]]:
        """The best chain to each last mark, by number of marks."""
        most = MOST_MARKS - bool(tail)
        layer: dict[tuple[int, str], tuple[int, tuple[tuple[int, str], ...]]] = {(0, "1h"): (0, ())}
        ttls = ("1h",) if tail == "1h" else TTLS
        edges = {
            (at, to, ttl): self._edge(at, to, ttl, tail)
            for to in range(1, self.places + 1)
            for at in range(to)
            for ttl in ttls
        }
        ends = [self._edge(at, None, "", tail) for at in range(self.places + 1)]
        for marks in range(most + 1):
            for (at, _), (saving, chain) in layer.items():
                yield saving + ends[at], Policy(chain, tail)
            if marks < most:
                layer = _longer(layer, edges, ttls, self.places)

    def _edge(self, at: int, to: int | None, ttl: str, tail: str) -> int:
        """
        What is saved between two neighbouring marks, at places from 1 (0: the beginning; None: no further mark).

        Of calls that do not reach the second mark, what the one at their end saves behind the first.
        """
        total = 0
        for kind, sums in self._sums.items():
            if kind.places < at:
                continue
            start = sums[at] if at and at >= kind.first else 0
            found = {"": -1, "5m": kind.tail_five, "1h": kind.tail_hour}[tail]
            found_end = {"": 0, "5m": sums[-2], "1h": sums[-1]}[tail]
            if to is not None and kind.places >= to:
                if to < kind.first:
                    continue
                length = sums[to] - start
                if to <= (kind.five if ttl == "5m" else kind.hour) or found >= to:
                    read = length
                else:
                    read = found_end - start if found >= at else 0
                total += kind.weight * _worth(kind.rates, ttl, length, read)
            elif tail and kind.tail:
                read = found_end - start if found >= at else 0
                total += kind.weight * _worth(kind.rates, tail, sums[-3] - start, read)
        return total


_Layer = dict[tuple[int, str], tuple[int, tuple[tuple[int, str], ...]]]


def _longer(layer: _Layer, edges: dict[tuple[int, int, str], int], ttls: Iterable[str], places: int) -> _Layer:
    """Each chain with one mark more, the best for each place and time to live of its last."""
    longer: _Layer = {}
    for (at, last), (saving, chain) in layer.items():
        for ttl in ttls:
            if last == "5m" and ttl == "1h":
                continue
            for to in range(at + 1, places + 1):
                sum_ = saving + edges[at, to, ttl]
                known = longer.get((to, ttl))
                if known is None or sum_ > known[0]:
                    longer[to, ttl] = sum_, (*chain, (to - 1, ttl))
    return longer


def _worth(rates: Rates, ttl: str, length: int, read: int) -> int:
    """What it saves to have so many tokens marked, of which so many are read and the others written."""
    write = rates.cache_write_5m if ttl == "5m" else rates.cache_write_1h
    return length * (rates.input - write) + read * (write - rates.cache_read)


def _touch(fate: _Fate, call: Call, *, alive_five: bool, alive_hour: bool) -> None:
    """An entry that is alive is renewed, another one written."""
    five_ns, hour_ns = call.at_ns + _FIVE, call.at_ns + _HOUR
    if alive_five:
        fate.five_ns = five_ns
    if alive_hour:
        fate.hour_ns = hour_ns
    if not (alive_five and alive_hour):
        fate.pending.append((call.ready_ns, 0 if alive_five else five_ns, 0 if alive_hour else hour_ns))


def _filled(places: Sequence[Prefix | None]) -> list[Prefix | None]:
    """Places that a call lacks before others that it has, as the one before them; those behind its last left out."""
    found: list[Prefix | None] = []
    last = max((place for place, prefix in enumerate(places) if prefix is not None), default=-1)
    for prefix in places[: last + 1]:
        found.append(prefix if prefix is not None or not found else found[-1])
    return found


def _before(prefixes: Sequence[Prefix | None], found: Prefix | None) -> int:
    """How many places stand at or before a prefix; -1 for none."""
    if found is None:
        return -1
    return sum(1 for prefix in prefixes if prefix is None or prefix.depth <= found.depth)
