"""Are answers as long as they may be, and what do their length and their thinking cost?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any

from bursar.agent.advice.recommendation import Kind, Recommendation, Saving
from bursar.agent.advice.wording import amount
from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.policies.limits import limits_that_fit
from bursar.policies.pastterms import past_rates
from bursar.policies.prices import PriceBook, Rates, rates

FEWEST = 100
"""With fewer answers nothing is said of how long they are."""
WITHIN = Fraction(999, 1000)
"""A suggested limit would have cut one answer in a thousand at most."""
HEADROOM = Fraction(5, 4)
"""By which a suggested limit is above that: answers to come are not those that were."""
SLACK = 2
"""A limit less than so many times the suggested one is left as it is."""
TRUNCATED = Fraction(1, 100)
THINKING = Fraction(1, 20)
"""Share of the cost from which on thinking is worth a word."""
_QUANTILES = (Fraction(1, 2), Fraction(95, 100), Fraction(99, 100), WITHIN)
_KEPT = 256
_PICO_PER_NANO = 1_000
_SECOND = 10**9

_LIMITS = (
    "The usual max_tokens is told from the bounds that were held for requests, in tokens and in dollars, where half of "
    "them agree; an answer of exactly so many tokens counts as cut off, whatever stop reason the ledger has of it."
)
_HALF = (
    "Half of the thinking saves half of what it costs only if answers stay as they are, and no more calls are needed: "
    "an upper figure. Compare both on samples first."
)


class Verbosity:
    """Counts answers, by route and model."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._rows: dict[tuple[str, str], _Row] = {}

    def add(self, one: PastAttempt) -> None:
        """Count one attempt, if somebody saw its answer."""
        if not one.counted or one.cost_nano is None:
            return
        row = self._rows.get((one.route, one.model))
        if row is None:
            row = self._rows[one.route, one.model] = _Row()
        row.add(one, self._priced(one))

    def recommendations(self, at_ns: int, days: Fraction) -> Iterator[Recommendation]:
        """What to say of limits, of answers that were cut off, and of thinking; at the prices of the day of `at_ns`."""
        at = datetime.fromtimestamp(at_ns // _SECOND, UTC).date()
        for (route, model), row in self._rows.items():
            if row.calls < FEWEST:
                continue
            if row.truncated() >= TRUNCATED * row.calls:
                yield _cut_off(route, model, row, days)
            else:
                yield from _limit(route, model, row, rates(model, at, self._book))
            if row.thinking_pico >= THINKING * row.cost * _PICO_PER_NANO:
                yield _thinking(route, model, row, days)

    def _priced(self, one: PastAttempt) -> Rates | None:
        day = _day(one.at_ns // (86_400 * _SECOND))
        return past_rates(one.model, day, one.modifiers, self._book, prompt_tokens=one.usage.prompt)


@lru_cache(maxsize=1_024)
def _day(day: int) -> date:
    """A day in UTC by its number since the epoch."""
    return datetime.fromtimestamp(day * 86_400, UTC).date()


class _Row:
    """One route and model. Money in nano-dollars where it does not say pico."""

    def __init__(self) -> None:
        self.calls = self.cost = self.milder = self.bounded = 0
        self.output_pico = self.thinking_pico = 0
        self.lengths: Counter[int] = Counter()
        self.cost_of: Counter[int] = Counter()
        """By length."""
        self.cost_at: Counter[str] = Counter()
        """By the effort that was asked for; empty: the model's own."""
        self._limits: Counter[int] = Counter()

    def add(self, one: PastAttempt, found: Rates | None) -> None:
        output, cost = one.usage.output, one.cost_nano or 0
        self.calls += 1
        self.cost += cost
        self.lengths[output] += 1
        self.cost_of[output] += cost
        self.cost_at[one.effort] += cost
        self.milder += cost if one.action == "effort" else 0
        if found is not None:
            self.output_pico += output * found.output
            self.thinking_pico += one.usage.thinking * found.output
            self._limit(one, found)

    def _limit(self, one: PastAttempt, found: Rates) -> None:
        """
        Count the limits that it may have had, unless the guard made them, or it was sent by other rules.

        Those that fit by chance vary with the prompt and are seldom met twice: where too many are known, each counts
        one less, and what is left of the frequent ones is less than half too few (Misra and Gries, 1982).
        """
        if one.bound_nano is None or one.bound_tokens is None or one.fitted or "batch" in one.modifiers:
            return
        self.bounded += 1
        self._limits.update(limits_that_fit(one.bound_nano, one.bound_tokens, found, one.usage))
        if len(self._limits) > _KEPT:
            self._limits = Counter({limit: count - 1 for limit, count in self._limits.items() if count > 1})

    def efforts(self) -> list[tuple[str, int]]:
        """The levels that were asked for with what their calls cost, the dearest first."""
        return [(effort, cost) for effort, cost in self.cost_at.most_common() if cost]

    def quantile(self, share: Fraction) -> int:
        """The fewest tokens that so large a share of answers stays within."""
        left = share * self.calls
        for length in sorted(self.lengths):
            left -= self.lengths[length]
            if left <= 0:
                return length
        return 0

    def above(self, tokens: int) -> int:
        """How many answers were longer."""
        return sum(calls for length, calls in self.lengths.items() if length > tokens)

    def usual_limit(self) -> int | None:
        """The limit of most requests; None where none is that of half of them at least, or two fit equally well."""
        (limit, count), (_, second) = (*self._limits.most_common(2), (0, 0), (0, 0))[:2]
        return limit if count > second and 2 * count >= self.bounded else None

    def truncated(self) -> int:
        """How many answers were exactly as long as the usual limit."""
        usual = self.usual_limit()
        return 0 if usual is None else self.lengths[usual]

    def evidence(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "nano_usd": self.cost,
            "output_tokens": {f"p{float(100 * share):g}": self.quantile(share) for share in _QUANTILES}
            | {"max": max(self.lengths)},
            "output_share": _share(self.output_pico, self.cost),
            "thinking_share": _share(self.thinking_pico, self.cost),
            "effort_share": {effort or "unset": float(Fraction(cost, self.cost)) for effort, cost in self.efforts()},
            "effort_lowered_share": float(Fraction(self.milder, self.cost)) if self.cost else None,
            "calls_with_known_bounds": self.bounded,
            "usual_max_tokens": self.usual_limit(),
            "truncated_calls": self.truncated(),
        }


def _asked(row: _Row) -> str:
    """How much of the cost is of which effort, where any was asked for."""
    if not row.cost_at.keys() - {""} or not row.cost:
        return ""
    told = (
        f"{100 * cost / row.cost:.0f}% of the cost "
        + (f"is of calls that ask for {effort} effort" if effort else "of others")
        for effort, cost in row.efforts()
    )
    return f" {', '.join(told).capitalize()}."


def _limit(route: str, model: str, row: _Row, found: Rates | None) -> Iterator[Recommendation]:
    usual = row.usual_limit()
    suggested = _rounded_up(math.ceil(HEADROOM * row.quantile(WITHIN)))
    if usual is None or usual < SLACK * suggested or found is None:
        return
    cut, freed = row.above(suggested), (usual - suggested) * found.output // _PICO_PER_NANO
    yield Recommendation(
        kind=Kind.VERBOSITY,
        route=route,
        model=model,
        place="limit",
        text=(
            f"Lower max_tokens from {usual:,} to {suggested:,}: of {row.calls:,} answers the median has "
            f"{row.quantile(Fraction(1, 2)):,} tokens, 99.9% have no more than {row.quantile(WITHIN):,}, and the new "
            f"limit would have cut {cut:,} ({100 * cut / row.calls:.2g}%). That saves no money by itself, since only "
            f"tokens that are written are paid for; it frees {amount(freed)} USD that is held for each call in flight, "
            "and stops the answer that never ends."
        ),
        saving=Saving(0, 0, 0),
        evidence={
            **row.evidence(),
            "suggested_max_tokens": suggested,
            "calls_it_would_cut": cut,
            "hold_freed_each_nano_usd": freed,
        },
        snippet=f"max_tokens={suggested}",
        assumes=(_LIMITS,),
    )


def _cut_off(route: str, model: str, row: _Row, days: Fraction) -> Recommendation:
    usual, cut = row.usual_limit() or 0, row.truncated()
    cost = round(row.cost_of[usual] / days)
    return Recommendation(
        kind=Kind.VERBOSITY,
        route=route,
        model=model,
        place="truncated",
        text=(
            f"{cut:,} of {row.calls:,} answers ({100 * cut / row.calls:.2g}%) ended at "
            f"max_tokens ({usual:,}), {amount(cost)} USD a day: paid for, and cut off. Raise the limit, or ask "
            "for shorter answers; where an answer of that length is what is wanted, dismiss this."
        ),
        saving=Saving(0, None, cost),
        evidence={**row.evidence(), "truncated_nano_usd_per_day": cost},
        snippet=f"max_tokens={2 * usual}",
        assumes=(_LIMITS,),
    )


def _thinking(route: str, model: str, row: _Row, days: Fraction) -> Recommendation:
    half = round(Fraction(row.thinking_pico, 2 * _PICO_PER_NANO) / days)
    return Recommendation(
        kind=Kind.VERBOSITY,
        route=route,
        model=model,
        place="thinking",
        text=(
            f"Thinking is {100 * row.thinking_pico / (row.cost * _PICO_PER_NANO):.0f}% of the cost.{_asked(row)} "
            f"Half of the thinking would save up to {amount(half)} USD a day: try a lower effort, and compare the "
            "answers (`bursar eval`)."
        ),
        saving=Saving(0, None, half),
        evidence=row.evidence(),
        snippet='output_config={"effort": "low"}',
        assumes=(_HALF,),
    )


def _share(pico: int, nano: int) -> float | None:
    return float(Fraction(pico, nano * _PICO_PER_NANO)) if nano else None


def _rounded_up(tokens: int) -> int:
    """To two significant digits, and sixteen at least: limits are read by people."""
    unit = int("1".ljust(len(str(tokens)) - 1, "0"))
    return max(-(-tokens // unit) * unit, 16)
