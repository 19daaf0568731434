"""
What happens to one call: the only place where a verdict is made.

`decide` judges steps on the share of a limit that is spent or expected; whether the money for a worst case is there
is asked of the leases afterwards, with the `need` that the decision names. docs/engine.md has the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any

from bursar.policies.jsontext import Encoded, array, encode, quoted
from bursar.policies.plan import Misfit
from bursar.policies.policy import Budget, Mode, Step
from bursar.policies.protocol import BalanceView
from bursar.policies.values import value
from bursar.policies.windows import Window


class Action(StrEnum):
    """What is done with a call, from the mildest to the strictest."""

    GO = "go"
    DOWNGRADE = "downgrade"
    BLOCK = "block"


class Reason(StrEnum):
    """Why. The same word stands in the error, on the span, in the log, the ledger and the tests."""

    NO_BUDGET = "no_budget"
    OBSERVED = "observed"
    WITHIN = "within"
    STEP = "step"
    SPENT = "spent"
    HELD = "held"
    LENT = "lent"
    UNBOUNDED = "unbounded"
    UNREACHABLE = "unreachable"
    UNKNOWN_PRICE = "unknown_price"


class Skipped(StrEnum):
    """Why a step that was due was not taken, beside the misfits of `plan`."""

    DEARER = "dearer"
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


@value
class Facts:
    """All that a verdict may depend on about the call itself. The first candidate is the model asked for."""

    route: str
    candidates: tuple[Candidate, ...]
    unbounded: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def asked(self) -> Candidate:
        return self.candidates[0]


@dataclass(frozen=True, slots=True)
class Standing:
    """One matching budget, with its balance as last seen; `view` is None before the agent ever told."""

    budget: Budget
    key: str
    window: Window
    mode: Mode
    view: BalanceView | None = None

    @property
    def share(self) -> Fraction:
        """Spent and expected, as a share of the limit. A limit of zero is always used up."""
        if self.view is None:
            return Fraction(0)
        if self.view.limit <= 0:
            return Fraction(1)
        return Fraction(self.view.spent + self.view.expected, self.view.limit)

    def due(self) -> Iterator[Step]:
        """The steps whose share is reached."""
        share = self.share
        return (step for step in self.budget.steps if step.share is not None and share >= step.share)


class Survey:
    """
    The budgets that calls of one kind meet, and what can be said of them before any such call is seen.

    Kept from call to call for as long as no figure in it changes.
    """

    __slots__ = (
        *("_verdicts", "as_asked", "balances", "calm", "enforcing"),
        *("hard", "lenders", "observing", "standings", "text"),
    )

    def __init__(self, standings: Iterable[Standing]) -> None:
        self.standings = tuple(standings)
        self.enforcing = tuple(s for s in self.standings if s.mode is Mode.ENFORCE)
        self.observing = tuple(s for s in self.standings if s.mode is Mode.OBSERVE)
        self.hard = tuple(s for s in self.enforcing if s.budget.hard)
        self.lenders = tuple(s.key for s in self.hard)
        """The balances that must lend money before such a call may leave."""
        self.as_asked = any(s.budget.fit == "asked" for s in self.hard)
        """Whether one of them lends the whole bound or nothing."""
        self.balances = tuple(s.key for s in self.standings)
        """Every balance that such a call counts against."""
        self.calm = not self.observing and not any(
            action.kind == "downgrade" for s in self.enforcing for step in s.due() for action in step.actions
        )
        """Whether no step that changes a call is due: then only its money is still to be had."""
        self.text = encode([_standing(s) for s in self.standings])
        """The figures as JSON, for the journal."""
        self._verdicts: dict[str, Verdict] = {}

    def passed(self, model: str) -> Verdict:
        """The verdict for a call that no budget asks anything of: it goes as it is."""
        found = self._verdicts.get(model)
        if found is None:
            reason = Reason.WITHIN if self.enforcing else Reason.OBSERVED if self.standings else Reason.NO_BUDGET
            found = self._verdicts[model] = Verdict(Action.GO, reason, model)
        return found


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
    that must lend between `least` and `most` nano-dollars before the call may leave.
    """

    verdict: Verdict
    candidate: Candidate
    observed: Verdict | None = None
    hard: tuple[str, ...] = ()
    most: int = 0
    least: int = 0
    skipped: tuple[tuple[str, str], ...] = ()
    survey: Survey = field(default_factory=lambda: Survey(()))

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every budget that was asked."""
        return self.survey.standings

    @property
    def balances(self) -> tuple[str, ...]:
        """Every balance this call counts against."""
        return self.survey.balances

    def figures(self) -> Encoded:
        """The numbers behind the decision, as JSON: amounts in nano-dollars, shares as percent with two decimals."""
        verdict = self.verdict
        skipped = array([f"{step}: {why}" for step, why in self.skipped]) if self.skipped else "[]"
        observed = encode(_observed(self.observed)) if self.observed is not None else "null"
        return Encoded(
            f'{{"budget":{quoted(verdict.budget)},"balance":{quoted(verdict.balance)},"step":{quoted(verdict.step)},'
            f'"most":{self.most},"least":{self.least},"expected":{self.candidate.expected},'
            f'"skipped":{skipped},"observed":{observed},"balances":{self.survey.text}}}'
        )


def decide(facts: Facts, met: Survey | Iterable[Standing], *, refuse_unknown_price: bool = False) -> Decision:
    """The verdict for a call over all matching budgets: each must admit it, the strictest step wins and is named."""
    survey = met if isinstance(met, Survey) else Survey(met)
    skipped: list[tuple[str, str]] = []
    if survey.enforcing:
        verdict = _strictest(facts, survey, refuse_unknown_price=refuse_unknown_price, skipped=skipped)
    else:
        verdict = survey.passed(facts.asked.model)
    observed = None
    if survey.observing:
        observed = _would_have(facts, survey.observing, refuse_unknown_price=refuse_unknown_price)
    candidate = _chosen(facts, verdict.model)
    reserve = 0
    if facts.unbounded:
        reserve = max((_reserve(candidate, standing.budget) for standing in survey.hard), default=0)
    worst = candidate.worst or 0
    least = worst if survey.as_asked else min(candidate.least, worst)
    # By place: by keyword, values take twice as long to make.
    return Decision(
        verdict, candidate, observed, survey.lenders, worst + reserve, least + reserve, tuple(skipped), survey
    )


def _chosen(facts: Facts, model: str) -> Candidate:
    for candidate in facts.candidates:
        if candidate.model == model:
            return candidate
    return facts.asked


def refused(decision: Decision, reason: Reason, balance: str) -> Decision:
    """The decision once a balance could not lend: blocked by that balance's budget."""
    standing = next((s for s in decision.standings if s.key == balance), None)
    verdict = Verdict(
        action=Action.BLOCK,
        reason=reason,
        model=decision.candidate.model,
        budget=standing.budget.name if standing else "",
        balance=balance,
        step=_block_label(standing.budget) if standing else "",
        share=standing.share if standing else Fraction(0),
    )
    return Decision(
        verdict=verdict,
        candidate=decision.candidate,
        observed=decision.observed,
        most=decision.most,
        least=decision.least,
        skipped=decision.skipped,
        survey=decision.survey,
    )


def _strictest(facts: Facts, survey: Survey, *, refuse_unknown_price: bool, skipped: list[tuple[str, str]]) -> Verdict:
    barred = _barred(facts, survey, refuse_unknown_price=refuse_unknown_price)
    if barred is not None:
        return barred
    chosen: Verdict | None = None
    if not survey.calm:
        for standing, step in ((s, step) for s in survey.enforcing for step in s.due()):
            verdict = _downgrade(facts, standing, step, skipped)
            if verdict is not None and (chosen is None or _rank(facts, verdict) > _rank(facts, chosen)):
                chosen = verdict
    return chosen or survey.passed(facts.asked.model)


def _barred(facts: Facts, survey: Survey, *, refuse_unknown_price: bool) -> Verdict | None:
    """Refusals that no money can lift: a call without a price or without a bound, where the policy says so."""
    if facts.asked.worst is not None and not facts.unbounded:
        return None
    for standing in survey.hard:
        if facts.asked.worst is None and refuse_unknown_price:
            return _verdict(Action.BLOCK, Reason.UNKNOWN_PRICE, facts.asked.model, standing)
        if facts.unbounded and standing.budget.unbounded.kind == "refuse":
            return _verdict(Action.BLOCK, Reason.UNBOUNDED, facts.asked.model, standing)
    return None


def _downgrade(facts: Facts, standing: Standing, step: Step, skipped: list[tuple[str, str]]) -> Verdict | None:
    for action in step.actions:
        if action.kind != "downgrade":
            continue
        below = facts.candidates[1:]
        if not below:
            skipped.append((f"{standing.budget.name} {step.label}", Skipped.NO_RUNG))
            continue
        for candidate in reversed(below) if action.target == "cheapest" else below[:1]:
            why = candidate.misfit or (Skipped.DEARER if candidate.expected >= facts.asked.expected else None)
            if why is None:
                return _verdict(Action.DOWNGRADE, Reason.STEP, candidate.model, standing, step)
            skipped.append((f"{standing.budget.name} {step.label} to {candidate.model}", why))
    return None


def _would_have(facts: Facts, standings: tuple[Standing, ...], *, refuse_unknown_price: bool) -> Verdict | None:
    """What budgets that only observe would have done; None when they would have let the call go as it is."""
    for standing in standings:
        view = standing.view
        spent = view.spent + view.expected if view is not None else 0
        if standing.budget.hard and spent + facts.asked.expected > standing.budget.ceiling:
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
    """How far down the ladder a verdict goes."""
    return next(i for i, candidate in enumerate(facts.candidates) if candidate.model == verdict.model)


def _reserve(candidate: Candidate, budget: Budget) -> int:
    """What is held on top of the bound for what the request does not bound."""
    if budget.unbounded.kind == "reserve":
        return budget.unbounded.amount_nano or 0
    return max(candidate.expected - (candidate.worst or 0), 0)


def _block_label(budget: Budget) -> str:
    return next((step.label for step in budget.steps if any(a.kind == "block" for a in step.actions)), "")


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):.2f}%"


def _observed(verdict: Verdict) -> dict[str, str]:
    return {"action": verdict.action, "reason": verdict.reason, "budget": verdict.budget, "step": verdict.step}


def _standing(standing: Standing) -> dict[str, Any]:
    view = standing.view
    return {
        "balance": standing.key,
        "mode": standing.mode.value,
        "share": _percent(standing.share),
        "limit": view.limit if view else standing.budget.limit.amount,
        "spent": view.spent if view else None,
        "expected": view.expected if view else None,
        "lent": view.lent if view else None,
    }
