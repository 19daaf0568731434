"""What each model that could serve a call would cost it: bounds, expectations, and whether the request fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

from bursar.instrumentation.errand import Errand, utc_day
from bursar.instrumentation.estimates import Estimates
from bursar.instrumentation.rules import Rules
from bursar.policies.book import Rates
from bursar.policies.capabilities import capabilities
from bursar.policies.changes import changed
from bursar.policies.decision import Candidate, Facts
from bursar.policies.estimate import FLOOR_OUTPUT_TOKENS, Density, bound, figures
from bursar.policies.features import Features, features
from bursar.policies.licence import objection
from bursar.policies.moving import later
from bursar.policies.plan import Misfit, Plan, Rung, milder, plan
from bursar.policies.policy import Policy
from bursar.policies.prices import rates
from bursar.policies.rates import fitting
from bursar.policies.requestsize import RequestSize, counted, measure
from bursar.policies.unbatched import Unbatched
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
    size = measure(errand.body)
    if errand.context_tokens != 0:
        size = _whole(size, errand.context_tokens)
    if exact:
        size = counted(size, exact)
    day = utc_day(errand.at_ns)
    asked = errand.settled_model or errand.asked
    # Where nothing is known of what is to come, only this call is counted.
    to_come = (estimates.to_come(errand.route, size.turns) or 1) if ladder else 1
    weigher = _Weigher(errand, rules, estimates, size, day, moved_to or asked, to_come)
    candidates: tuple[Candidate, ...] = (weigher.priced(asked, errand.settled_plan, asked=True),)
    less: Candidate | None = None
    if ladder and rules.policy is not None and errand.settled_model is None:
        below = _below(asked, rules.policy.ladder_for(errand.route), rules)
        candidates = (*candidates, *(weigher.candidate(model, asked=model == asked) for model in below))
        less = weigher.milder(candidates[0]) if rules.policy.lowers_effort else None
    batched, unbatched, to_be_batched = _put_off(weigher, errand, rules, candidates, moved_to) if ladder else _AT_ONCE
    facts = Facts(
        errand.route,
        candidates,
        size.unbounded,
        errand.labels,
        less,
        moved_to,
        batched,
        unbatched,
        to_be_batched,
    )
    return Candidates(facts, size, weigher.rates)


def weigh_asked(errand: Errand, rules: Rules, estimates: Estimates) -> Candidates:
    """
    What `weigh` says without the ladder, of the first attempt of a call, by the shortest way.

    That is what is on every call's path: whatever is unusual of a request's price `weigh` itself looks at.
    """
    body, model = errand.body, errand.asked
    offered = rules.offered(model, errand.region, errand.at_ns)
    if offered is None or errand.linked or errand.batch or not _DEARER.isdisjoint(body):
        return weigh(errand, rules, estimates, ladder=False)
    size = measure(body)
    if errand.context_tokens != 0:
        size = _whole(size, errand.context_tokens)
    tiers = offered.tiers
    prompt, most = size.text_bytes + size.fixed_tokens, size.max_tokens
    found = (tiers[0] if len(tiers) == 1 else fitting(tiers, prompt)).rates
    output, longest, density = estimates.likely(errand.route, model, new_tokenizer=offered.new_tokenizer)
    thought = _thought(body) if "thinking" in body else 0
    output = min(FLOOR_OUTPUT_TOKENS + thought if output is None else output, most)
    floor, tokens = min(_floor(thought, longest), most), density.tokens(size)
    worst, least, hoped = figures(
        size, found, tokens=tokens, output=output, floor=floor, warm=size.turns > 0, cached=True
    )
    candidate = Candidate(model, worst, least, hoped, None, 0, prompt + most, prompt + floor, tokens + output)
    facts = Facts(errand.route, (candidate,), size.unbounded, errand.labels)
    return Candidates(facts, size, {model: found})


_DEARER = frozenset({"speed", "inference_geo"})
"""Parameters that a price depends on."""


def not_put_off(weighed: Candidates, errand: Errand) -> Candidates:
    """The same call once the agent would not have it put off."""
    why = errand.deferring.why if errand.deferring is not None else ""
    return replace(weighed, facts=replace(weighed.facts, batched=None, unbatched=why))


_AT_ONCE: tuple[Candidate | None, str, bool] = (None, "", False)


def _put_off(
    weigher: _Weigher, errand: Errand, rules: Rules, candidates: tuple[Candidate, ...], moved_to: str
) -> tuple[Candidate | None, str, bool]:
    """The model it would be asked of in a batch, or why it cannot be put off; and whether the application asks."""
    deferring = errand.deferring
    if deferring is None or not (deferring.asked or rules.puts_off):
        return _AT_ONCE
    why = deferring.obstacle(errand, rules)
    if why:
        return None, why, deferring.asked
    here = next((c for c in candidates[1:] if c.model == moved_to and c.misfit is None), candidates[0])
    batched = weigher.batched(here)
    if here.worst is None or batched.worst is None:
        return None, Unbatched.PRICE.value, deferring.asked
    if batched.expected + batched.later >= here.expected + here.later:
        return None, Unbatched.DEARER.value, deferring.asked
    return batched, "", deferring.asked


def _whole(size: RequestSize, context_tokens: int | None) -> RequestSize:
    """The size with what the API holds of the conversation; where nobody knows how much that is, nothing bounds it."""
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


class _Weigher:
    """One request, priced on one model after another."""

    def __init__(
        self,
        errand: Errand,
        rules: Rules,
        estimates: Estimates,
        size: RequestSize,
        day: date,
        here: str,
        to_come: int,
    ) -> None:
        self._errand, self._rules, self._estimates = errand, rules, estimates
        self._size, self._day = size, day
        self._here = here
        """The model that the conversation is on."""
        self._to_come = to_come
        """The calls that it has to come, this one included."""
        self._thought = _thought(errand.body)
        """The tokens that the request gives to thinking."""
        self._used: Features | None = None
        self.rates: dict[str, Rates] = {}

    def candidate(self, model: str, *, asked: bool) -> Candidate:
        planned = self._errand.settled_plan if asked else self._plan(model)
        if isinstance(planned, Misfit):
            return replace(self.priced(model, None, asked=False), misfit=planned)
        priced = self.priced(model, planned, asked=asked)
        return priced if asked else self._licensed(priced)

    def _licensed(self, candidate: Candidate) -> Candidate:
        """With why no eval vouches for it, where the route's rules ask for one."""
        errand, policy = self._errand, self._rules.policy
        if policy is None or not policy.requires_eval_for(errand.route):
            return candidate
        known, model = self._rules.licences, candidate.model
        unlicensed = objection(known, route=errand.route, model=model, at_ns=errand.at_ns)
        return candidate if unlicensed is None else replace(candidate, unlicensed=unlicensed)

    def milder(self, asked: Candidate) -> Candidate:
        """
        The model asked for with less effort, whose answer is taken to be a quarter shorter.

        Its cache is another: effort and thinking are part of the prefix, so a conversation under way is written anew.
        """
        rung, allowed = self._rung(asked.model), self._lossy_allowed
        planned = milder(self._errand.body, rung, lossy_allowed=allowed, used=self._features())
        if isinstance(planned, Misfit):
            return replace(asked, misfit=planned)
        return self.priced(asked.model, planned, asked=True, warm=False, less=LESS_OUTPUT)

    def batched(self, candidate: Candidate) -> Candidate:
        """
        The same model at batch prices. The rates of the book are halved; its fees, as for a search, are not.

        Cold: a batch begins whenever it does, and the cache of a conversation under way is gone by then.
        """
        return self.priced(candidate.model, candidate.plan, asked=False, warm=False, batch=True)

    def priced(
        self,
        model: str,
        planned: Plan | None,
        *,
        asked: bool,
        warm: bool = True,
        less: Fraction | None = None,
        batch: bool = False,
    ) -> Candidate:
        """
        What the request costs on a model, changed as `planned`; `warm`: its cache may be, `less` is left of its answer.

        Nothing where another organisation pays; no worst case without a price, and of one that is not asked no figure.
        """
        errand, size, body = self._errand, self._size, self._errand.body
        thought = self._thought
        if planned is not None and planned.changes:
            body = changed(body, planned.changes)
            size, thought = replace(size, max_tokens=int(body.get("max_tokens") or 0)), _thought(body)
        likely = self._estimates.likely(errand.route, model, new_tokenizer=self._rules.new_tokenizer(model))
        most, longest, density = size.max_tokens, likely.longest, likely.density
        # By the request as it was asked: a plan's budget for thinking bounds an answer, and makes none longer.
        usual = FLOOR_OUTPUT_TOKENS + self._thought if likely.output is None else likely.output
        output = min(usual if less is None else int(usual * less), most)
        floor, tokens = min(_floor(thought, longest), most), density.tokens(size)
        found = self._rates_of(model, body, batch=batch) or (self._dearest() if asked else None)
        worst: int | None = None
        least = hoped = then = 0
        if found is not None:
            if not batch:
                self.rates[model] = found
            # A conversation under way has its prefix cached where it is, and nowhere else; in a batch that is luck.
            there = warm and size.turns > 0 and model == self._here and not errand.batch
            cached = planned is None or planned.cache_works
            worst, least, hoped = figures(
                size, found, tokens=tokens, output=output, floor=floor, warm=there, cached=cached
            )
            then = self._later(found, output, density)
        if errand.linked and found is not None:
            worst = least = hoped = then = 0
        prompt = size.text_bytes + size.fixed_tokens
        notable = planned if planned is not None and planned.notes else None
        # By place: by keyword, values take twice as long to make.
        return Candidate(
            model, worst, least, hoped, None, then, prompt + most, prompt + floor, tokens + output, notable
        )

    def _later(self, found: Rates, output: int, density: Density) -> int:
        """What the calls to come will cost; nothing where nobody knows."""
        if self._to_come <= 1:
            return 0
        return later(self._size, found, calls=self._to_come - 1, output_tokens=output, density=density)

    def _rates_of(self, model: str, body: Mapping[str, Any] | None = None, *, batch: bool = False) -> Rates | None:
        body = self._errand.body if body is None else body
        return rates(
            model,
            self._day,
            self._rules.book,
            prompt_tokens=self._size.input_bound,
            batch=batch or self._errand.batch,
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
            floor=_floor(self._thought, longest),
            used=self._features(),
        )

    def _features(self) -> Features:
        if self._used is None:
            self._used = features(self._errand.body)
        return self._used

    def _rung(self, model: str) -> Rung:
        facts = self._rules.book.find(model)
        can = capabilities(facts.id if facts is not None else model, model, self._rules.known)
        if facts is None:
            return Rung(model, None, can)
        retired = facts.retirement is not None and facts.retirement <= self._day
        return Rung(model, facts, can, retired, facts.has_fast(self._day))

    @property
    def _lossy_allowed(self) -> bool:
        policy: Policy | None = self._rules.policy
        return policy is not None and policy.lossy_for(self._errand.route)


def _thought(body: Mapping[str, Any]) -> int:
    """The tokens that a request gives to thinking."""
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None  # pyright: ignore
    return budget if isinstance(budget, int) else 0


def _floor(thought: int, longest: int | None) -> int:
    """The fewest `max_tokens` a route can work with: its usual longest answer, its thinking, a page."""
    return max(FLOOR_OUTPUT_TOKENS + thought, longest or 0)
