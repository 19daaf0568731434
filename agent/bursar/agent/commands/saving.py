"""What has two-stage routing saved, route by route, and how often was its cheap answer not enough?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from fractions import Fraction
from math import sqrt
from typing import NamedTuple

from bursar.agent.ledger.cascades import Cascade, Played
from bursar.policies.book import PriceBook
from bursar.policies.cascade import StageName
from bursar.policies.charge import Basis
from bursar.policies.othermodel import transposed

_Z = 1.959963984540054
"""Of the normal distribution, for 95%."""


class Uncompared(StrEnum):
    """Why nobody can say what the strong model alone would have cost."""

    REFUSED = "a budget refused the strong call"
    INEXACT = "a cost is unknown, or only a bound"
    NO_PRICE = "the strong model has no price"


class Work(NamedTuple):
    """A route, and the two models that its cascades were between."""

    route: str
    cheap: str
    strong: str


@dataclass(slots=True)
class Saving:
    """
    Cascades of one kind of work, all amounts in nano-dollars.

    What the strong model alone would have cost (`all_strong_nano`) is compared with what the `compared` cascades did
    cost (`compared_nano`): where it was asked, it is what it cost; else an estimate from the cheap call's own usage.
    """

    work: Work
    calls: int = 0
    """Cascades that came to an answer, or asked for the strong one."""
    escalated: int = 0
    refused: int = 0
    """Of those escalated, the ones whose strong call a budget refused."""
    failed: int = 0
    """Cascades without any answer, whose cheap call failed for good; they are in no other figure."""
    in_flight: int = 0
    nano: int = 0
    """What all of them cost, as far as that is known."""
    unknown: int = 0
    """Charges that are in no sum."""
    compared: int = 0
    compared_nano: int = 0
    cheap_nano: int = 0
    """The part of it that the strong model alone would have spared: cheap calls, and calls of tests."""
    all_strong_nano: int = 0
    estimated: int = 0
    """Of the compared, those that never asked the strong model."""
    why: Counter[str] = field(default_factory=Counter[str])
    uncompared: Counter[Uncompared] = field(default_factory=Counter[Uncompared])
    factors: set[Fraction] = field(default_factory=set[Fraction])
    """By which tokens were multiplied, since the two models count them differently."""

    @property
    def saved_nano(self) -> int:
        """Negative where it cost more."""
        return self.all_strong_nano - self.compared_nano

    @property
    def share(self) -> float | None:
        """Of the calls, those that were escalated."""
        return self.escalated / self.calls if self.calls else None

    @property
    def break_even(self) -> float | None:
        """The share of escalated calls above which it costs more than it saves: 1 - cheap / strong, a call."""
        return 1 - self.cheap_nano / self.all_strong_nano if self.all_strong_nano else None


def savings(cascades: Iterable[Cascade], book: PriceBook) -> list[Saving]:
    """Each kind of work, the one with the most money in it first."""
    found: dict[Work, Saving] = {}
    for cascade in cascades:
        work = _work(cascade)
        _add(found.setdefault(work, Saving(work)), cascade, book)
    return sorted(found.values(), key=lambda saving: (-saving.nano, saving.work))


def interval(hits: int, of: int) -> tuple[float, float]:
    """Where a share lies with 95% confidence when so many of so many were hits: Wilson's score interval."""
    if of == 0:
        return 0.0, 1.0
    share, square = hits / of, _Z * _Z / of
    middle = share + square / 2
    spread = _Z * sqrt(share * (1 - share) / of + square / (4 * of))
    return max(0.0, (middle - spread) / (1 + square)), min(1.0, (middle + spread) / (1 + square))


def _work(cascade: Cascade) -> Work:
    first = next(iter(cascade.of(StageName.CHEAP)), cascade.parts[0])
    return Work(first.route, first.requested_model, cascade.strong_model)


def _add(saving: Saving, cascade: Cascade, book: PriceBook) -> None:
    if any(not part.charged and part.state != "released" for part in cascade.parts):
        saving.in_flight += 1
        return
    asked = cascade.refused or bool(cascade.of(StageName.STRONG))
    if not asked and not any(part.charged for part in cascade.of(StageName.CHEAP)):
        saving.failed += 1
        return
    saving.calls += 1
    saving.nano += _cost(cascade.parts)
    saving.unknown += sum(part.charged and part.cost_nano is None for part in cascade.parts)
    if asked:
        saving.escalated += 1
        saving.why[cascade.escalation] += 1
    _compare(saving, cascade, book, asked=asked)


def _compare(saving: Saving, cascade: Cascade, book: PriceBook, *, asked: bool) -> None:
    strong = cascade.of(StageName.STRONG)
    if not strong and asked:
        saving.refused += 1
        saving.uncompared[Uncompared.REFUSED] += 1
    elif any(part.charged and part.basis not in (Basis.USAGE, Basis.SPAN) for part in cascade.parts):
        saving.uncompared[Uncompared.INEXACT] += 1
    elif asked:
        _count(saving, cascade, _cost(strong))
    else:
        there = _on_strong(saving, cascade, book)
        if there is None:
            saving.uncompared[Uncompared.NO_PRICE] += 1
        else:
            saving.estimated += 1
            _count(saving, cascade, there)


def _count(saving: Saving, cascade: Cascade, all_strong_nano: int) -> None:
    cost = _cost(cascade.parts)
    saving.compared += 1
    saving.compared_nano += cost
    saving.cheap_nano += cost - _cost(cascade.of(StageName.STRONG))
    saving.all_strong_nano += all_strong_nano


def _on_strong(saving: Saving, cascade: Cascade, book: PriceBook) -> int | None:
    """What the cheap calls would have cost on the strong model."""
    nano = 0
    for part in cascade.of(StageName.CHEAP):
        if not part.charged:
            continue
        there = transposed(
            part.usage,
            of=part.model,
            to=cascade.strong_model,
            at=_day(part.at_ns),
            book=book,
            modifiers=part.modifiers,
        )
        if there.quote.cost_nano_usd is None:
            return None
        saving.factors.add(there.tokenizer_factor)
        nano += there.quote.cost_nano_usd
    return nano


def _cost(parts: Iterable[Played]) -> int:
    return sum(part.cost_nano or 0 for part in parts if part.charged)


def _day(at_ns: int) -> date:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).date()
