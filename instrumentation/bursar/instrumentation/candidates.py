"""What each model that could serve a call would cost it: bounds, expectations, and whether the request fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple

from bursar.instrumentation.errand import Errand, utc_day
from bursar.instrumentation.estimates import Estimates
from bursar.instrumentation.rules import Rules
from bursar.policies.book import Rates
from bursar.policies.capabilities import capabilities
from bursar.policies.changes import changed
from bursar.policies.decision import Candidate, Facts
from bursar.policies.estimate import (
    FLOOR_OUTPUT_TOKENS,
    Density,
    RequestSize,
    bound,
    counted,
    expected,
    measure,
)
from bursar.policies.features import Features, features
from bursar.policies.moving import later
from bursar.policies.plan import Misfit, Plan, Rung, milder, plan
from bursar.policies.policy import Policy
from bursar.policies.prices import rates
from bursar.policies.values import value

LESS_OUTPUT = Fraction(3, 4)
"""What a lower level of effort leaves of an answer; argued: the pages tell of more than half."""


@value
class Candidates:
    """A call weighed: the engine's facts, and what is needed to carry its verdict out."""

    facts: Facts
    size: RequestSize
    rates: Mapping[str, Rates]


def weigh(
    errand: Errand, rules: Rules, estimates: Estimates, *, ladder: bool = True, moved_to: str = "", exact: int = 0
) -> Candidates:
    """
    Size the request and price it on every model it may be served by.

    Without `ladder` only on the one asked for: enough while no step is due that could move it to another. `moved_to` is
    the model that its conversation was moved to before; `exact` its input tokens, where they were counted. For a batch
    always that one alone, at batch prices.
    """
    if errand.batch:
        ladder, moved_to = False, ""
    size = _whole(measure(errand.body), errand.context_tokens)
    if exact:
        size = counted(size, exact)
    day = utc_day(errand.at_ns)
    asked = errand.settled_model or errand.asked
    # Where nothing is known of what is to come, only this call is counted.
    to_come = (estimates.to_come(errand.route, size.turns) or 1) if ladder else 1
    weigher = _Weigher(errand, rules, estimates, size, day, here=moved_to or asked, to_come=to_come)
    candidates: tuple[Candidate, ...] = (weigher.candidate(asked, asked=True),)
    less: Candidate | None = None
    if ladder and rules.policy is not None and errand.settled_model is None:
        below = _below(asked, rules.policy.ladder_for(errand.route), rules)
        candidates = (*candidates, *(weigher.candidate(model, asked=model == asked) for model in below))
        less = weigher.milder(candidates[0]) if rules.policy.lowers_effort else None
    facts = Facts(errand.route, candidates, size.unbounded, errand.labels, less, moved_to)
    return Candidates(facts, size, weigher.rates)


def _whole(size: RequestSize, context_tokens: int | None) -> RequestSize:
    """The size with what the API holds of the conversation; where nobody knows how much that is, nothing bounds it."""
    if context_tokens == 0:
        return size
    if context_tokens is None:
        return replace(size, unbounded=(*size.unbounded, "thread"))
    return replace(size, fixed_tokens=size.fixed_tokens + context_tokens)


def _below(asked: str, ladder: tuple[str, ...], rules: Rules) -> tuple[str, ...]:
    """The rungs under the model asked for; a model that is not on the ladder has none."""
    here = rules.book.find(asked)
    for position, rung in enumerate(ladder):
        if rung == asked or (here is not None and rules.book.find(rung) == here):
            return ladder[position + 1 :]
    return ()


class _Likely(NamedTuple):
    """What a request is likely to come to on one model."""

    output: int
    """Tokens."""
    floor: int
    """The fewest `max_tokens` that its route can work with."""
    density: Density
    warm: bool
    cached: bool
    """Whether the model caches a prompt of this length at all."""


class _Weigher:
    """One request, priced on one model after another."""

    def __init__(
        self,
        errand: Errand,
        rules: Rules,
        estimates: Estimates,
        size: RequestSize,
        day: date,
        *,
        here: str,
        to_come: int,
    ) -> None:
        self._errand, self._rules, self._estimates = errand, rules, estimates
        self._size, self._day = size, day
        self._here = here
        """The model that the conversation is on."""
        self._to_come = to_come
        """The calls that it has to come, this one included."""
        self._used: Features | None = None
        self.rates: dict[str, Rates] = {}

    def candidate(self, model: str, *, asked: bool) -> Candidate:
        planned = self._errand.settled_plan if asked else self._plan(model)
        if isinstance(planned, Misfit):
            return replace(self._priced(model, None, asked=False), misfit=planned)
        return self._priced(model, planned, asked=asked)

    def milder(self, asked: Candidate) -> Candidate:
        """
        The model asked for with less effort, whose answer is taken to be a quarter shorter.

        Its cache is another: effort and thinking are part of the prefix, so a conversation under way is written anew.
        """
        rung, allowed = self._rung(asked.model), self._lossy_allowed
        planned = milder(self._errand.body, rung, lossy_allowed=allowed, used=self._features())
        if isinstance(planned, Misfit):
            return replace(asked, misfit=planned)
        return self._priced(asked.model, planned, asked=True, warm=False, less=LESS_OUTPUT)

    def _priced(
        self, model: str, planned: Plan | None, *, asked: bool, warm: bool = True, less: Fraction = Fraction(1)
    ) -> Candidate:
        body, size = self._errand.body, self._size
        if planned is not None and planned.changes:
            body = changed(body, planned.changes)
            size = replace(size, max_tokens=int(body.get("max_tokens") or 0))
        output, longest = self._estimates.outputs(self._errand.route, model)
        # By the request as it was asked: a plan's budget for thinking bounds an answer, and makes none longer.
        usual = _floor(self._errand.body, None) if output is None else output
        there = _Likely(
            output=min(usual if less == 1 else int(usual * less), size.max_tokens),
            floor=min(_floor(body, longest), size.max_tokens),
            density=self._density(model),
            # A conversation under way has its prefix cached where it is, and nowhere else.
            # In a batch that is luck.
            warm=warm and size.turns > 0 and model == self._here and not self._errand.batch,
            cached=planned is None or planned.cache_works,
        )
        worst, least, hoped = self._money(model, body, size, there, asked=asked)
        return Candidate(
            model,
            worst=worst,
            least=least,
            expected=hoped,
            later=self._later(model, there),
            worst_tokens=size.input_bound + size.max_tokens,
            least_tokens=size.input_bound + there.floor,
            expected_tokens=there.density.tokens(size) + there.output,
            plan=planned if planned is not None and planned.notes else None,
        )

    def _money(
        self, model: str, body: Mapping[str, Any], size: RequestSize, there: _Likely, *, asked: bool
    ) -> tuple[int | None, int, int]:
        """Worst, least and expected cost; nothing where another organisation pays, and no worst without a price."""
        found = self._rates_of(model, body) or (self._dearest() if asked else None)
        if found is None:
            return None, 0, 0
        self.rates[model] = found
        if self._errand.linked:
            return 0, 0, 0
        worst = bound(size, found)
        least = worst if size.max_tokens <= there.floor else bound(size, found, max_tokens=there.floor)
        hoped = expected(
            size, found, output_tokens=there.output, density=there.density, warm=there.warm, cached=there.cached
        )
        return worst, least, hoped

    def _later(self, model: str, there: _Likely) -> int:
        """What the calls to come will cost; nothing where nobody knows."""
        found = self.rates.get(model)
        if found is None or self._errand.linked or self._to_come <= 1:
            return 0
        calls = self._to_come - 1
        return later(self._size, found, calls=calls, output_tokens=there.output, density=there.density)

    def _density(self, model: str) -> Density:
        facts = self._rules.book.find(model)
        new = facts is None or facts.tokenizer != "old"
        return self._estimates.density(self._errand.route, model, new_tokenizer=new)

    def _rates_of(self, model: str, body: Mapping[str, Any] | None = None) -> Rates | None:
        body = self._errand.body if body is None else body
        return rates(
            model,
            self._day,
            self._rules.book,
            prompt_tokens=self._size.input_bound,
            batch=self._errand.batch,
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

    def _plan(self, model: str) -> Plan | Misfit:
        errand = self._errand
        source, target = self._rung(errand.asked), self._rung(model)
        longest = self._estimates.outputs(errand.route, source.model)[1]
        return plan(
            errand.body,
            errand.betas,
            self._size,
            source,
            target,
            lossy_allowed=self._lossy_allowed,
            floor=_floor(errand.body, longest),
            used=self._features(),
        )

    def _features(self) -> Features:
        if self._used is None:
            self._used = features(self._errand.body)
        return self._used

    def _rung(self, model: str) -> Rung:
        facts = self._rules.book.find(model)
        can = capabilities(facts.id if facts is not None else model, model)
        if facts is None:
            return Rung(model, None, can)
        retired = facts.retirement is not None and facts.retirement <= self._day
        return Rung(model, facts, can, retired, facts.has_fast(self._day))

    @property
    def _lossy_allowed(self) -> bool:
        policy: Policy | None = self._rules.policy
        return policy is not None and policy.lossy_for(self._errand.route)


def _floor(body: Mapping[str, Any], longest: int | None) -> int:
    """The fewest `max_tokens` a route can work with: its usual longest answer, its thinking, a page."""
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None  # pyright: ignore
    thought = budget if isinstance(budget, int) else 0
    return max(FLOOR_OUTPUT_TOKENS + thought, longest or 0)
