"""What each model that could serve a call would cost it: bounds, expectations, and whether the request fits."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import date
from typing import Any

from bursar.instrumentation.errand import Errand, utc_day
from bursar.instrumentation.rules import Rules
from bursar.policies import plan
from bursar.policies.book import Rates
from bursar.policies.engine import Candidate, Facts
from bursar.policies.estimate import FLOOR_OUTPUT_TOKENS, OutputHistogram, RequestSize, bound, expected, measure
from bursar.policies.models import canonical
from bursar.policies.policy import Policy
from bursar.policies.prices import rates
from bursar.policies.values import value

MEMORY = 512
"""Routes and models whose outputs are remembered; beyond that the oldest are forgotten."""


class Estimates:
    """What answers have been like so far, per route and model: one model under each of its names."""

    def __init__(self) -> None:
        self._outputs: dict[tuple[str, str], OutputHistogram] = {}
        self._lock = threading.RLock()  # a destructor may settle an attempt while this thread reads

    def learn(self, route: str, model: str, output_tokens: int) -> None:
        """Count one finished answer."""
        key = (route, canonical(model).id)
        with self._lock:
            known = self._outputs.get(key)
            if known is None:
                if len(self._outputs) >= MEMORY:
                    self._outputs.pop(next(iter(self._outputs)))
                known = self._outputs[key] = OutputHistogram()
            known.add(output_tokens)

    def outputs(self, route: str, model: str) -> tuple[int | None, int | None]:
        """Output tokens that nearly all answers stay within (95%), and that all but none do (99.9%)."""
        with self._lock:
            histogram = self._outputs.get((route, canonical(model).id))
            return (None, None) if histogram is None else (histogram.quantile(0.95), histogram.quantile(0.999))


@value
class Candidates:
    """A call weighed: the engine's facts, and what is needed to carry its verdict out."""

    facts: Facts
    size: RequestSize
    rates: Mapping[str, Rates]


def weigh(errand: Errand, rules: Rules, estimates: Estimates, *, ladder: bool = True) -> Candidates:
    """
    Size the request and price it on every model it may be served by.

    Without `ladder` only on the one asked for: enough while no step is due that could move it to another.
    """
    size = measure(errand.body)
    day = utc_day(errand.at_ns)
    asked = errand.settled_model or errand.asked
    weigher = _Weigher(errand, rules, estimates, size, day)
    candidates: tuple[Candidate, ...] = (weigher.candidate(asked, asked=True),)
    if ladder and rules.policy is not None and errand.settled_model is None:
        below = _below(asked, rules.policy.ladder_for(errand.route), rules)
        candidates = (*candidates, *(weigher.candidate(model, asked=model == asked) for model in below))
    facts = Facts(errand.route, candidates, size.unbounded, errand.labels)
    return Candidates(facts, size, weigher.rates)


def _below(asked: str, ladder: tuple[str, ...], rules: Rules) -> tuple[str, ...]:
    """The rungs under the model asked for; a model that is not on the ladder has none."""
    here = rules.book.find(asked)
    for position, rung in enumerate(ladder):
        if rung == asked or (here is not None and rules.book.find(rung) == here):
            return ladder[position + 1 :]
    return ()


class _Weigher:
    """One request, priced on one model after another."""

    def __init__(self, errand: Errand, rules: Rules, estimates: Estimates, size: RequestSize, day: date) -> None:
        self._errand, self._rules, self._estimates = errand, rules, estimates
        self._size, self._day = size, day
        self.rates: dict[str, Rates] = {}

    def candidate(self, model: str, *, asked: bool) -> Candidate:
        found = self._rates_of(model) or (self._dearest() if asked else None)
        misfit = None if asked else self._misfit(model)
        if found is None:
            return Candidate(model, worst=None, least=0, expected=0, misfit=misfit)
        self.rates[model] = found
        if self._errand.linked:
            return Candidate(model, worst=0, least=0, expected=0, misfit=misfit)
        size, route = self._size, self._errand.route
        output, longest = self._estimates.outputs(route, model)
        worst = bound(size, found)
        floor = self._floor(longest)
        least = worst if size.max_tokens <= floor else bound(size, found, max_tokens=floor)
        output_tokens = FLOOR_OUTPUT_TOKENS if output is None else output
        # A conversation under way has its prefix cached where it is, and nowhere else.
        likely = expected(size, found, output_tokens=output_tokens, warm=asked and size.turns > 0)
        return Candidate(model, worst, least, likely, misfit)

    def _floor(self, longest: int | None) -> int:
        """The fewest `max_tokens` this route can work with: its usual longest answer, its thinking, a page."""
        thinking = self._errand.body.get("thinking")
        if thinking is None:
            return max(FLOOR_OUTPUT_TOKENS, longest or 0)
        budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None  # pyright: ignore
        thought = budget if isinstance(budget, int) else 0
        return max(FLOOR_OUTPUT_TOKENS + thought, longest or 0)

    def _rates_of(self, model: str) -> Rates | None:
        body: Mapping[str, Any] = self._errand.body
        return rates(
            model,
            self._day,
            self._rules.book,
            prompt_tokens=self._size.input_bound,
            fast=body.get("speed") == "fast",
            geo=str(geo) if (geo := body.get("inference_geo")) else None,
            region=self._errand.region,
        )

    def _dearest(self) -> Rates | None:
        """
        For a model without a price: the dearest of its ladder, as the policy's `unknown_price` says.

        Where no rung has a price it is the dearest of all, so that nothing is ever held at zero.
        """
        policy: Policy | None = self._rules.policy
        if policy is None or policy.unknown_price == "refuse":
            return None
        ladder = [found for rung in policy.ladder_for(self._errand.route) if (found := self._rates_of(rung))]
        known = ladder or [found for model in self._rules.book.models if (found := self._rates_of(model.id))]
        return max(known, key=lambda found: bound(self._size, found), default=None)

    def _misfit(self, model: str) -> plan.Misfit | None:
        book, asked = self._rules.book, self._errand.asked
        facts = book.find(model)
        retired = facts is not None and facts.retirement is not None and facts.retirement <= self._day
        body = self._errand.body if self._errand.betas is None else {**self._errand.body, "betas": self._errand.betas}
        return plan.misfit(body, self._size, book.find(asked), plan.Target(model, facts, retired))
