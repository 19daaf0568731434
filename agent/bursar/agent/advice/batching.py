"""What would a batch save on routes whose answers nobody waits for, net of the cache's hits that are lost?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from bursar.agent.advice.caching import cachewords as words
from bursar.agent.advice.coverage import route_toml
from bursar.agent.advice.interval import LEAST_DAYS, day_back, per_day
from bursar.agent.advice.recommendation import Kind, Recommendation
from bursar.agent.advice.waiting import BATCHABLE, SURE, Memory, Sign, Waits
from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.policies import batchpays
from bursar.policies.batchpays import OUTPUT, READ, USUAL_HITS, Comparison, Used, compare, ratio
from bursar.policies.prices import PriceBook, rates

MAY_WAIT = "2h"
_DAY_SECONDS = 86_400
_PICO_PER_NANO = 1_000
_NET = (
    f"In a batch all is half price, and {USUAL_HITS:.0%} of the shared prefix is taken to be read from the cache, "
    "unless the route's own batches say otherwise; what the calls that stay lose by a colder cache is taken off."
)
WHY: Mapping[Sign, str] = {
    Sign.FEW: "there are too few calls to tell whether anybody waits",
    Sign.STREAMED: "its answers are streamed, so somebody reads along",
    Sign.STAGED: "it is part of a cascade, whose next stage waits for the answer",
    Sign.GOES_ON: "its conversations go on with the answer",
    Sign.GROWING: "its prompts grow by what was answered, as conversations do (no fingerprint tells for certain)",
    Sign.UNTIMED: "nobody knows whether its calls follow at once on the answers before them",
    Sign.PACED: "there are pauses between an answer and the next call, as of somebody who reads",
    Sign.YOUNG: "its calls follow one another without a pause, but one day alone shows no rhythm",
    Sign.DAYTIME: "its calls come and go with the day, as people do",
    Sign.ALLOWED: "the policy allows it to wait",
    Sign.CLOCKWORK: "its calls follow one another without a pause, within a few hours of the day",
    Sign.STEADY: "its calls follow one another without a pause, at all hours",
}


@dataclass
class _Sums:
    """What a route used on one model."""

    waited: list[int] = field(default_factory=lambda: [0] * 6)
    batched: list[int] = field(default_factory=lambda: [0] * 6)
    by_day: dict[int, int] = field(default_factory=dict[int, int])
    """Calls that were sent at once, by 24 hours back from the end."""


class Batching:
    """Counts calls in order of time, and says at the end which routes could be put off."""

    def __init__(self, until_ns: int, may_wait: frozenset[str] = frozenset()) -> None:
        """`may_wait`: routes that the policy lets wait."""
        self._until_ns = until_ns
        self._may_wait = may_wait
        self._memory = Memory()
        self._waits: dict[str, Waits] = {}
        self._sums: dict[tuple[str, str], _Sums] = {}

    def add(self, one: PastAttempt) -> None:
        """Count one attempt; those that nobody saw the usage of say nothing."""
        if not one.counted:
            return
        sums = self._sums.setdefault((one.route, one.model), _Sums())
        if "batch" in one.modifiers:
            _count(sums.batched, one)
            return
        _count(sums.waited, one)
        day = day_back(one.at_ns, self._until_ns)
        sums.by_day[day] = sums.by_day.get(day, 0) + 1
        self._waits.setdefault(one.route, Waits(self._memory)).add(one)

    def signs(self) -> dict[str, Sign]:
        """What decides, of each route with calls that were sent at once."""
        return {route: waits.sign(may_wait=route in self._may_wait) for route, waits in self._waits.items()}

    def recommendations(self, book: PriceBook, at: date, days: Fraction) -> Iterator[Recommendation]:
        """One for each route and model that has enough calls: to put them off, or why not."""
        signs = self.signs()
        for (route, model), sums in self._sums.items():
            sign = signs.get(route, Sign.FEW)
            if sign is not Sign.FEW and sums.by_day:
                yield self._told(route, model, sign, sums, worth_of(sums, model, book, at, days), days)

    def _told(
        self, route: str, model: str, sign: Sign, sums: _Sums, worth: tuple[Comparison, int] | None, days: Fraction
    ) -> Recommendation:
        evidence = self._evidence(route, sign, sums, worth)
        if sign not in BATCHABLE:
            text = f"Not to be put off: {WHY[sign]}."
            return Recommendation(Kind.BATCH, route, model, text, evidence=evidence, advised=False)
        if worth is None:
            text = f"It could be put off ({WHY[sign]}); what that is worth is not known: {_no_figure(sums, model)}."
            return Recommendation(Kind.BATCH, route, model, text, evidence=evidence, advised=False)
        comparison, input_pico = worth
        each = Fraction(comparison.waiting - comparison.batch - comparison.externality) * input_pico / _PICO_PER_NANO
        if not comparison.pays:
            text = f"Not to be put off, though it could be ({WHY[sign]}): the cache saves it more than a batch would."
            return Recommendation(Kind.BATCH, route, model, text, evidence=evidence, advised=False)
        pico = round(each * _PICO_PER_NANO)
        found = per_day({day: calls * pico for day, calls in sums.by_day.items()}, days, unit=_PICO_PER_NANO)
        return Recommendation(
            kind=Kind.BATCH,
            route=route,
            model=model,
            text=(
                f"Put its calls off to Message Batches: {WHY[sign]} ({SURE[sign]}). {words.worth(found, days)} Ask "
                "first whether somebody waits after all; a list that is at hand goes by `map_batch`, a single call by "
                "`defer`."
            ),
            saving=found,
            evidence=evidence,
            snippet=_snippet(route, sign),
            assumes=(_NET, *((words.FEW_DAYS,) if days < LEAST_DAYS else ())),
        )

    def _evidence(self, route: str, sign: Sign, sums: _Sums, worth: tuple[Comparison, int] | None) -> dict[str, object]:
        waits = self._waits[route]
        found: dict[str, object] = {
            "sign": sign.value,
            "sure": SURE.get(sign),
            "calls": sum(sums.by_day.values()),
            "route_calls": waits.calls,
            "streamed_calls": waits.streamed,
            "cascade_calls": waits.staged,
            "fingerprinted_calls": waits.printed,
            "going_on_calls": waits.going_on,
            "followed_calls": waits.followed,
            "growing_calls": waits.grown,
            "timed_calls": waits.timed,
            "at_once_calls": waits.at_once,
            "busiest_3h_share": float(waits.busiest()),
            "quietest_8h_share": float(waits.quietest()),
        }
        if worth is not None:
            comparison, input_pico = worth
            for name in ("waiting", "batch", "externality"):
                each = Fraction(getattr(comparison, name)) * input_pico / _PICO_PER_NANO
                found[f"{name}_each_nano_usd"] = round(each)
        return found


def worth_of(sums: _Sums, model: str, book: PriceBook, at: date, days: Fraction) -> tuple[Comparison, int] | None:
    """
    Both sides of the usual call, in prices of an input token, and that price in pico-dollars; as `batchpays` has it.

    None where there is no price, or too few calls.
    """
    waited = Used(*sums.waited)
    mean = (waited.input + waited.prefix) // max(waited.calls, 1)
    found = rates(model, at, book, prompt_tokens=mean)
    if found is None:
        return None
    work = batchpays.Kind(
        waited,
        Used(*sums.batched),
        seconds=float(max(days, Fraction(1)) * _DAY_SECONDS),
        read=ratio(found.cache_read, found.input, READ),
        output=ratio(found.output, found.input, OUTPUT),
    )
    comparison = compare(work)
    return None if comparison is None else (comparison, found.input)


def _count(sums: list[int], one: PastAttempt) -> None:
    usage = one.usage
    sums[0] += 1
    sums[1] += usage.input
    sums[2] += usage.cache_read
    sums[3] += usage.cache_write_5m
    sums[4] += usage.cache_write_1h
    sums[5] += usage.output


def _no_figure(sums: _Sums, model: str) -> str:
    calls = sum(sums.by_day.values())
    return f"there are only {calls} calls" if calls < 5 else f"there is no price for {model}"


def _snippet(route: str, sign: Sign) -> str:
    step = '[budget.at]  # of a budget that matches it\n"0%" = "batch"'
    allowed = route_toml(route, f'may_wait = "{MAY_WAIT}"')
    return step if sign is Sign.ALLOWED else f"{allowed}\n\n{step}"
