"""What would the ledger's calls have cost with the levers pulled, one on top of the other?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from bursar.agent.advice.batching import WHY, Batching
from bursar.agent.advice.gathering import ENOUGH
from bursar.agent.advice.interval import DAY_NS, observed
from bursar.agent.advice.waiting import BATCHABLE, Sign
from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.agent.whatif.printed import Kept, Marked, Marking
from bursar.agent.whatif.work import Work
from bursar.policies.batchpays import Used
from bursar.policies.othermodel import tokenizer_factor, transposed
from bursar.policies.prices import PriceBook

PROGRESS = 1_000
_SECOND = 10**9

Rung = Callable[[str, str], str | None]
"""From a route and a model to the model one rung below it; None where there is none."""


class Lever(StrEnum):
    """In the order in which they are pulled."""

    TIER = "tier"
    CACHE = "cache"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Line:
    """The calls of one route to one model. Nano-dollars over the whole period; levers in the order of the stack."""

    route: str
    model: str
    to: str | None
    """The model that the tier lever moves them to; None where it does not."""
    calls: int
    nano: int
    saved: tuple[int, ...]
    """What each lever saves on top of those before it."""
    why: Mapping[Lever, str]
    """Why a lever saves nothing here."""
    cache_by: str = ""
    """What the cache lever goes by: `fingerprints`, or `token counts` alone; empty where it is not pulled."""
    cache_at_most: int = 0
    """What the cache lever saves if all calls share as much as the shortest sends: never part of the stack."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What came of it."""

    levers: tuple[Lever, ...]
    lines: tuple[Line, ...]
    """The dearest first."""
    days: Fraction
    unknown: int
    """Calls whose cost nobody knows: they are in no sum."""
    bounds: int
    """Calls of which only a bound is known: they cost what they did, whatever is pulled."""

    @property
    def calls(self) -> int:
        return sum(line.calls for line in self.lines)

    def totals(self) -> list[int]:
        """What all cost, first as it was, then after each lever: nano-dollars over the period."""
        return stacked(sum(line.nano for line in self.lines), self._saved())

    def _saved(self) -> list[int]:
        return [sum(line.saved[place] for line in self.lines) for place in range(len(self.levers))]


def stacked(nano: int, saved: Iterable[int]) -> list[int]:
    """A cost, and what is left of it after each saving."""
    left = [nano]
    for one in saved:
        left.append(left[-1] - one)
    return left


def names(levers: Sequence[Lever]) -> list[str]:
    """What is pulled in each row: `baseline`, `tier`, `tier+cache`, …"""
    return ["baseline", *("+".join(levers[: place + 1]) for place in range(len(levers)))]


def stack(
    calls: Iterable[PastAttempt],
    book: PriceBook,
    levers: Iterable[Lever],
    rung: Rung,
    until_ns: int,
    *,
    may_wait: frozenset[str] = frozenset(),
    marking: Marking = lambda _: {},
    progress: Callable[[int], object] = lambda _: None,
) -> Stack:
    """
    One pass over calls in order of time; `may_wait` are routes that the policy lets wait, `marking` what fingerprints
    say of the cache lever, where they say anything.

    The prices are those of each call's day for what a model would have cost, and of the last day for caches and
    batches. `progress` is told how many calls were read.
    """
    chosen = tuple(lever for lever in Lever if lever in frozenset(levers))
    rung = rung if Lever.TIER in chosen else lambda _route, _model: None
    counter = _Counter(book, rung, until_ns, may_wait, asks=Lever.BATCH in chosen)
    done = 0
    for done, one in enumerate(calls, 1):
        counter.add(one)
        if done % PROGRESS == 0:
            progress(done)
    progress(done)
    return counter.result(chosen, marking)


class _Group:
    """The calls of one route to one model: as they were, and one rung down."""

    def __init__(self, route: str, model: str, to: str | None, book: PriceBook) -> None:
        self.route, self.model, self.to = route, model, to
        self.calls = 0
        self.unpriced = False
        self.here = Work(model, _minimum(model, book))
        self.there = None if to is None else Work(to, _minimum(to, book), tokenizer_factor(model, to, book))


class _Counter:
    def __init__(self, book: PriceBook, rung: Rung, until_ns: int, may_wait: frozenset[str], *, asks: bool) -> None:
        """`asks`: whether it matters who waits."""
        self._book = book
        self._asks = asks
        self._rung = rung
        self._until_ns = until_ns
        self._first_ns: int | None = None
        self._groups: dict[tuple[str, str], _Group] = {}
        self._batching = Batching(until_ns, may_wait)
        self._unknown = self._bounds = 0

    def add(self, one: PastAttempt) -> None:
        if self._first_ns is None:
            self._first_ns = one.at_ns
        if one.cost_nano is None:
            self._unknown += 1
            return
        self._bounds += not one.counted
        if self._asks:
            self._batching.add(one)
        group = self._groups.get((one.route, one.model))
        if group is None:
            to = self._rung(one.route, one.model)
            group = self._groups[one.route, one.model] = _Group(one.route, one.model, to, self._book)
        group.calls += 1
        group.here.add(one, one.cost_nano)
        if group.there is not None and group.to is not None:
            nano = self._cost_on(group.to, one) if one.counted else one.cost_nano
            group.unpriced = group.unpriced or nano is None
            group.there.add(one, one.cost_nano if nano is None else nano)

    def _cost_on(self, model: str, one: PastAttempt) -> int | None:
        day = _day(one.at_ns // DAY_NS)
        found = transposed(one.usage, of=one.model, to=model, at=day, book=self._book, modifiers=one.modifiers)
        return found.quote.cost_nano_usd

    def result(self, levers: tuple[Lever, ...], marking: Marking) -> Stack:
        first_ns = self._until_ns if self._first_ns is None else self._first_ns
        days = observed(first_ns, self._until_ns)
        prices = _Prices(self._book, datetime.fromtimestamp(self._until_ns // _SECOND, UTC).date(), days)
        signs = self._batching.signs()
        pulls = [_Pull(one, signs.get(one.route, Sign.FEW), prices) for one in self._groups.values()]
        if Lever.TIER in levers:
            for pull in pulls:
                pull.tier()
        if Lever.CACHE in levers:
            marked = marking({pull.key: pull.to for pull in pulls if pull.to is not None})
            for pull in pulls:
                pull.cache(marked.get(pull.key))
        if Lever.BATCH in levers:
            for pull in pulls:
                pull.batch()
        lines = sorted((pull.line(levers) for pull in pulls), key=lambda line: (-line.nano, line.route, line.model))
        return Stack(levers, tuple(lines), days, self._unknown, self._bounds)


class _Prices(NamedTuple):
    """What caches and batches are priced by: a book, its day, and how long the period was."""

    book: PriceBook
    at: date
    days: Fraction


class _Pull:
    """Levers pulled on one group, each on top of those before it."""

    def __init__(self, group: _Group, sign: Sign, prices: _Prices) -> None:
        self.key: Kept = (group.route, group.model)
        self.to: str | None = None
        self._group, self._sign, self._prices = group, sign, prices
        self._work = group.here
        self._used: Used | None = None
        self._at_most = 0
        self._by = ""
        self._saved: dict[Lever, int] = {}
        self._why: dict[Lever, str] = {}

    def tier(self) -> None:
        """Move to the rung below, where that costs less."""
        here, there, to = self._group.here, self._group.there, self._group.to
        if there is None:
            self._why[Lever.TIER] = "no rung below it"
        elif self._group.unpriced:
            self._why[Lever.TIER] = f"no price of {to} is known"
        elif there.nano >= here.nano:
            self._why[Lever.TIER] = f"{to} would not cost less"
        else:
            self._work, self.to = there, to
            self._saved[Lever.TIER] = here.nano - there.nano

    def cache(self, marked: Marked | None) -> None:
        """By fingerprints, where enough calls have one; else by token counts."""
        if marked is not None and marked.calls >= min(ENOUGH, self._work.calls / 2):
            self._by, self._at_most = "fingerprints", marked.nano
            self._used = self._work.marked(marked)
            self._keep(Lever.CACHE, marked.nano, marked.why)
            return
        found = self._work.cached(*self._prices)
        self._by, self._at_most = "token counts", found.at_most
        if found.tokens:
            self._used = self._work.shared(found.tokens)
        self._keep(Lever.CACHE, found.nano, found.why)

    def batch(self) -> None:
        """Where nobody waits, and the cache does not save more."""
        if not self._work.calls:
            self._why[Lever.BATCH] = "all of it goes by batches already, or is not known"
        elif self._sign not in BATCHABLE:
            self._why[Lever.BATCH] = WHY[self._sign]
        else:
            self._keep(Lever.BATCH, *self._work.batched(*self._prices, self._used or self._work.used()))

    def line(self, levers: tuple[Lever, ...]) -> Line:
        """What came of it."""
        group = self._group
        saved = tuple(self._saved.get(lever, 0) for lever in levers)
        return Line(
            group.route,
            group.model,
            self.to,
            group.calls,
            group.here.nano,
            saved,
            self._why,
            cache_by=self._by,
            cache_at_most=self._at_most,
        )

    def _keep(self, lever: Lever, nano: int, why: str) -> None:
        """No more than is left: what a lever is worth is an estimate."""
        self._saved[lever] = max(min(nano, self._group.here.nano - sum(self._saved.values())), 0)
        if why:
            self._why[lever] = why


def _minimum(model: str, book: PriceBook) -> int | None:
    known = book.find(model)
    return known.min_cacheable_tokens if known is not None else None


@lru_cache(maxsize=1_024)
def _day(day: int) -> date:
    """A day in UTC by its number since the epoch."""
    return datetime.fromtimestamp(day * DAY_NS // _SECOND, UTC).date()


def to_json(found: Stack) -> Iterator[tuple[str, object]]:
    """The members of the JSON document, but for its times."""
    yield "days", float(found.days)
    yield "levers", list(found.levers)
    yield (
        "total",
        {
            "calls": found.calls,
            "nano_usd": found.totals()[0],
            "unknown_charges": found.unknown,
            "bounds": found.bounds,
        },
    )
    yield "stack", _rows(found, found.totals())
    yield "rows", [_line(found, line) for line in found.lines]


def _line(found: Stack, line: Line) -> dict[str, object]:
    return {
        "route": line.route,
        "model": line.model,
        "to": line.to,
        "calls": line.calls,
        "nano_usd": line.nano,
        "stack": _rows(found, stacked(line.nano, line.saved)),
        "why": dict(line.why),
        "cache_by": line.cache_by or None,
        "cache_saving_at_most_nano_usd": line.cache_at_most,
    }


def _rows(found: Stack, left: Sequence[int]) -> list[dict[str, object]]:
    return [
        {
            "levers": name,
            "nano_usd": nano,
            "nano_usd_per_day": round(nano / found.days),
            "usd_per_day": round(nano / found.days) / _SECOND,
            "saved_nano_usd": left[0] - nano,
            "saved_share": float(Fraction(left[0] - nano, left[0])) if left[0] else 0.0,
        }
        for name, nano in zip(names(found.levers), left, strict=True)
    ]
