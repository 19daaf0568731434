"""
What happens to one call: the only place where a verdict is made.

`decide` judges steps on the share of a limit that is spent or expected; whether the money for a worst case is there
is asked of the leases afterwards, with the `need` that the decision names. docs/engine.md has the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any

from bursar.policies.amounts import Unit
from bursar.policies.balancekey import Amounts
from bursar.policies.changes import Change, changes_json
from bursar.policies.jsontext import Encoded, array, encode, quoted
from bursar.policies.plan import Misfit, Plan
from bursar.policies.policy import Budget, Mode, Step
from bursar.policies.standing import Standing, Survey
from bursar.policies.values import value


class Action(StrEnum):
    """What is done with a call, from the mildest to the strictest."""

    GO = "go"
    EFFORT = "effort"
    DOWNGRADE = "downgrade"
    BLOCK = "block"


class Reason(StrEnum):
    """Why. The same word stands in the error, on the span, in the log, the ledger and the tests."""

    NO_BUDGET = "no_budget"
    OBSERVED = "observed"
    WITHIN = "within"
    STEP = "step"
    CONVERSATION = "conversation"
    SPENT = "spent"
    HELD = "held"
    LENT = "lent"
    UNBOUNDED = "unbounded"
    UNREACHABLE = "unreachable"
    UNKNOWN_PRICE = "unknown_price"
    VELOCITY = "velocity"
    LOOP = "loop"
    THROTTLE = "throttle"


class Skipped(StrEnum):
    """Why a step that was due was not taken, beside the misfits of `plan`."""

    DEARER = "dearer"
    NOT_YET = "not_yet"
    """No release acts on it yet."""
    NO_RUNG = "no_rung"


@value
class Candidate:
    """A model that could serve the call. Amounts in nano-dollars."""

    model: str
    worst: int | None
    """Bound of the request on this model; None without a price."""
    least: int
    """The same bound, fitted as far as the route allows."""
    expected: int
    """Its likely cost on this very call: warm where the conversation already is, cold elsewhere."""
    misfit: Misfit | None = None
    later: int = 0
    """What the calls that follow in its conversation will likely cost there; zero where nobody knows."""
    worst_tokens: int = 0
    """The most tokens it can use, in and out."""
    least_tokens: int = 0
    """The same, fitted as far as the route allows."""
    expected_tokens: int = 0
    plan: Plan | None = None
    """How the request changes for it; None: not at all, or it was not asked."""

    def expected_in(self, unit: Unit) -> int:
        """What the call is expected to use of a unit."""
        if unit == "usd":
            return self.expected
        return self.expected_tokens if unit == "tokens" else 1


@value
class Facts:
    """All that a verdict may depend on about the call itself. The first candidate is the model asked for."""

    route: str
    candidates: tuple[Candidate, ...]
    unbounded: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    milder: Candidate | None = None
    """The model asked for, with less effort; None where no step asks for it."""
    moved_to: str = ""
    """The model that the call's conversation was moved to before; empty where it was not."""

    @property
    def asked(self) -> Candidate:
        return self.candidates[0]


@value
class Verdict:
    """One action with the budget and step that asked for it."""

    action: Action
    reason: Reason
    model: str
    budget: str = ""
    balance: str = ""
    step: str = ""
    share: Fraction = Fraction(0)


@value
class Decision:
    """
    The engine's answer for one call.

    `verdict` is carried out; `observed` is what the budgets that only observe would have done. `hard` are the balances
    that must lend between `least` and `most` before the call may leave, each in its unit.
    """

    verdict: Verdict
    candidate: Candidate
    observed: Verdict | None = None
    hard: tuple[str, ...] = ()
    most: int = 0
    """Nano-dollars."""
    least: int = 0
    reserve: int = 0
    """The part of both that is set aside for what the request does not bound."""
    skipped: tuple[tuple[str, str], ...] = ()
    fit: Change | None = None
    """How `max_tokens` was lowered to what the money lent bounds; no retry keeps it."""
    waited: float = 0.0
    """Seconds that it was made to wait for its turn."""
    survey: Survey = field(default_factory=lambda: Survey(()))
    facts: Facts | None = None
    """What it was decided on, beside the survey."""

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every budget that was asked."""
        return self.survey.standings

    @property
    def balances(self) -> tuple[str, ...]:
        """Every balance this call counts against."""
        return self.survey.balances

    @property
    def whole(self) -> Amounts:
        """What is held of each kind where nothing has to be fitted."""
        candidate = self.candidate
        return Amounts(self.most, candidate.worst_tokens, 1, min(candidate.expected, self.most))

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every parameter that is changed, and why."""
        planned, fit = self.candidate.plan, self.fit
        notes = planned.notes if planned is not None else ()
        return notes if fit is None else (*(note for note in notes if note.parameter != fit.parameter), fit)

    def figures(self) -> Encoded:
        """The numbers behind the decision, as JSON: amounts in nano-dollars, shares as percent with two decimals."""
        verdict, changes = self.verdict, self.changes
        waited = f'"waited":{self.waited:g},' if self.waited else ""
        notes = f'"changes":{changes_json(changes)},' if changes else ""
        skipped = array([f"{step}: {why}" for step, why in self.skipped]) if self.skipped else "[]"
        observed = encode(_observed(self.observed)) if self.observed is not None else "null"
        return Encoded(
            f'{{"budget":{quoted(verdict.budget)},"balance":{quoted(verdict.balance)},"step":{quoted(verdict.step)},'
            f'"most":{self.most},"least":{self.least},"expected":{self.candidate.expected},{waited}'
            f'{notes}"skipped":{skipped},"observed":{observed},"rules":{quoted(self.survey.rules)},'
            f'"balances":{self.survey.text}{self._changed()}}}'
        )

    def _changed(self) -> str:
        """What else a decision is reproduced from that did not let the call go as it was."""
        if self.facts is None or (self.verdict.action is Action.GO and self.observed is None):
            return ""
        return (
            f',"model":{quoted(self.verdict.model)},"unbounded":{array(self.facts.unbounded)},'
            f'"candidates":{encode([_kept(candidate) for candidate in self.facts.candidates])},'
            f'"milder":{encode(None if self.facts.milder is None else _kept(self.facts.milder))}'
        )


def decide(facts: Facts, met: Survey | Iterable[Standing], *, refuse_unknown_price: bool = False) -> Decision:
    """The verdict for a call over all matching budgets: each must admit it, the strictest step wins and is named."""
    survey = met if isinstance(met, Survey) else Survey(met)
    skipped: list[tuple[str, str]] = []
    if survey.enforcing:
        verdict = _strictest(facts, survey, refuse_unknown_price=refuse_unknown_price, skipped=skipped)
    else:
        verdict = _passed(survey, facts.asked.model)
    observed = None
    if survey.observing:
        observed = _would_have(facts, survey.observing, refuse_unknown_price=refuse_unknown_price)
    candidate = _chosen(facts, verdict.model)
    if verdict.action is Action.EFFORT and facts.milder is not None:
        candidate = facts.milder
    reserve = 0
    if facts.unbounded:
        reserve = max((_reserve(candidate, standing.budget) for standing in survey.hard), default=0)
    worst = candidate.worst or 0
    least = worst if survey.as_asked else min(candidate.least, worst)
    # By place: by keyword, values take twice as long to make.
    return Decision(
        verdict,
        candidate,
        observed,
        survey.purses,
        worst + reserve,
        least + reserve,
        reserve,
        tuple(skipped),
        None,
        0.0,
        survey,
        facts,
    )


def _chosen(facts: Facts, model: str) -> Candidate:
    for candidate in facts.candidates:
        if candidate.model == model:
            return candidate
    return facts.asked


def refused(decision: Decision, reason: Reason, balance: str, step: Step | None = None) -> Decision:
    """The decision once a balance could not lend, or a `step` of its own refuses: blocked by that balance's budget."""
    standing = next((s for s in decision.standings if s.key == balance), None)
    verdict = Verdict(
        action=Action.BLOCK,
        reason=reason,
        model=decision.candidate.model,
        budget=standing.budget.name if standing else "",
        balance=balance,
        step=step.label if step is not None else _block_label(standing.budget) if standing else "",
        share=standing.share if standing else Fraction(0),
    )
    return Decision(
        verdict=verdict,
        candidate=decision.candidate,
        observed=decision.observed,
        most=decision.most,
        least=decision.least,
        reserve=decision.reserve,
        skipped=decision.skipped,
        survey=decision.survey,
        facts=decision.facts,
    )


def _passed(survey: Survey, model: str) -> Verdict:
    """The verdict for a call that no budget asks anything of: it goes as it is. Made once for a survey and model."""
    found: Verdict | None = survey.passed.get(model)
    if found is None:
        reason = Reason.OBSERVED if survey.standings else Reason.NO_BUDGET
        found = survey.passed[model] = Verdict(Action.GO, Reason.WITHIN if survey.enforcing else reason, model)
    return found


def _strictest(facts: Facts, survey: Survey, *, refuse_unknown_price: bool, skipped: list[tuple[str, str]]) -> Verdict:
    barred = _barred(facts, survey, refuse_unknown_price=refuse_unknown_price)
    if barred is not None:
        return barred
    chosen: Verdict | None = None
    if not survey.calm:
        for standing, step in ((s, step) for s in survey.enforcing for step in s.due()):
            if step.velocity is not None and step.does("block"):
                return _verdict(Action.BLOCK, Reason.VELOCITY, facts.asked.model, standing, step)
            if step.does("batch"):
                skipped.append((f"{standing.budget.name} {step.label} batch", Skipped.NOT_YET))
            for judge in (_effort, _downgrade):
                verdict = judge(facts, standing, step, skipped)
                if verdict is not None and (chosen is None or _rank(facts, verdict) > _rank(facts, chosen)):
                    chosen = verdict
    kept = _moved_to(facts)
    if kept is not None and (chosen is None or _rank(facts, chosen) <= facts.candidates.index(kept)):
        return Verdict(Action.DOWNGRADE, Reason.CONVERSATION, kept.model)
    return chosen or _passed(survey, facts.asked.model)


def _moved_to(facts: Facts) -> Candidate | None:
    """The model that a conversation stays on until its end, if it was moved and the request still fits there."""
    if not facts.moved_to:
        return None
    return next((c for c in facts.candidates[1:] if c.model == facts.moved_to and c.misfit is None), None)


def _barred(facts: Facts, survey: Survey, *, refuse_unknown_price: bool) -> Verdict | None:
    """Refusals that no money can lift: a call without a price or without a bound, where the policy says so."""
    if facts.asked.worst is not None and not facts.unbounded:
        return None
    for standing in survey.hard:
        if facts.asked.worst is None and refuse_unknown_price and standing.budget.limit.unit == "usd":
            return _verdict(Action.BLOCK, Reason.UNKNOWN_PRICE, facts.asked.model, standing)
        if facts.unbounded and standing.budget.unbounded.kind == "refuse":
            return _verdict(Action.BLOCK, Reason.UNBOUNDED, facts.asked.model, standing)
    return None


def _effort(facts: Facts, standing: Standing, step: Step, skipped: list[tuple[str, str]]) -> Verdict | None:
    milder = facts.milder
    if milder is None or not step.does("effort"):
        return None
    why = milder.misfit or (Skipped.DEARER if milder.expected >= facts.asked.expected else None)
    if why is None:
        return _verdict(Action.EFFORT, Reason.STEP, milder.model, standing, step)
    skipped.append((f"{standing.budget.name} {step.label} effort", why))
    return None


def _downgrade(facts: Facts, standing: Standing, step: Step, skipped: list[tuple[str, str]]) -> Verdict | None:
    for action in step.actions:
        if action.kind != "downgrade":
            continue
        below = facts.candidates[1:]
        here = _moved_to(facts) or facts.asked
        if not below:
            skipped.append((f"{standing.budget.name} {step.label}", Skipped.NO_RUNG))
            continue
        for candidate in reversed(below) if action.target == "cheapest" else below[:1]:
            if candidate is here:
                return None  # it is there already
            why = candidate.misfit or (Skipped.DEARER if _dear(candidate) >= _dear(here) else None)
            if why is None:
                return _verdict(Action.DOWNGRADE, Reason.STEP, candidate.model, standing, step)
            skipped.append((f"{standing.budget.name} {step.label} to {candidate.model}", why))
    return None


def _dear(candidate: Candidate) -> int:
    """What the rest of a conversation costs on a model, in nano-dollars."""
    return candidate.expected + candidate.later


def _would_have(facts: Facts, standings: tuple[Standing, ...], *, refuse_unknown_price: bool) -> Verdict | None:
    """What budgets that only observe would have done; None when they would have let the call go as it is."""
    for standing in standings:
        view = standing.view
        spent = view.spent + view.expected if view is not None else 0
        unit = standing.budget.limit.unit
        if standing.budget.hard and spent + facts.asked.expected_in(unit) > standing.budget.soft_ceiling_of(
            standing.scope
        ):
            return _verdict(Action.BLOCK, Reason.SPENT, facts.asked.model, standing)
    acting = Survey(replace(standing, mode=Mode.ENFORCE) for standing in standings)
    verdict = _strictest(facts, acting, refuse_unknown_price=refuse_unknown_price, skipped=[])
    return None if verdict.action is Action.GO else verdict


def _verdict(action: Action, reason: Reason, model: str, standing: Standing, step: Step | None = None) -> Verdict:
    return Verdict(
        action=action,
        reason=reason,
        model=model,
        budget=standing.budget.name,
        balance=standing.key,
        step=step.label if step is not None else _block_label(standing.budget),
        share=standing.share,
    )


def _rank(facts: Facts, verdict: Verdict) -> int:
    """How far down the ladder a verdict goes; less effort is milder than any other model."""
    return next(i for i, candidate in enumerate(facts.candidates) if candidate.model == verdict.model)


def _reserve(candidate: Candidate, budget: Budget) -> int:
    """What is held on top of the bound for what the request does not bound: money, where the budget is one of money."""
    if budget.limit.unit != "usd":
        return 0
    if budget.unbounded.kind == "reserve":
        return budget.unbounded.amount_nano or 0
    return max(candidate.expected - (candidate.worst or 0), 0)


def _block_label(budget: Budget) -> str:
    return next((step.label for step in budget.steps if any(a.kind == "block" for a in step.actions)), "")


def _observed(verdict: Verdict) -> dict[str, str]:
    return {"action": verdict.action, "reason": verdict.reason, "budget": verdict.budget, "step": verdict.step}


_KEPT = ("model", "worst", "least", "expected", "misfit", "worst_tokens", "least_tokens", "expected_tokens")


def _kept(candidate: Candidate) -> dict[str, Any]:
    """What of a candidate a verdict depends on."""
    return {name: getattr(candidate, name) for name in _KEPT}
