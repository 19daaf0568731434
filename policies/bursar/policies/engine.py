"""
What happens to one call: the only place where a verdict is made.

`decide` judges steps on the share of a limit that is spent or expected; whether the money for a worst case is there
is asked of the leases afterwards, with the `need` that the decision names. docs/engine.md has the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from bursar.policies.decision import Action, Candidate, Decision, Facts, Reason, Skipped, Verdict
from bursar.policies.policy import Budget, Mode, Step
from bursar.policies.standing import Standing, Survey


def decide(facts: Facts, met: Survey | Iterable[Standing], *, refuse_unknown_price: bool = False) -> Decision:
    """The verdict for a call over all matching budgets: each must admit it, the strictest step wins and is named."""
    survey = met if isinstance(met, Survey) else Survey(met)
    skipped: list[tuple[str, str]] = []
    asked = facts.candidates[0]
    if survey.calm and asked.worst is not None and not facts.unbounded and not facts.moved_to:
        # Nearly every call: `_strictest` would look at each of these again.
        verdict = survey.passed.get(asked.model) or _passed(survey, asked.model)
    elif survey.enforcing:
        verdict = _strictest(facts, survey, refuse_unknown_price=refuse_unknown_price, skipped=skipped)
    else:
        verdict = _passed(survey, asked.model)
    if facts.to_be_batched:
        verdict = _as_asked(facts, verdict, skipped)
    observed = None
    if survey.observing:
        observed = _would_have(facts, survey.observing, refuse_unknown_price=refuse_unknown_price)
    candidate = asked if verdict.model == asked.model else _chosen(facts, verdict.model)
    if verdict.action is Action.EFFORT and facts.milder is not None:
        candidate = facts.milder
    elif verdict.action is Action.BATCH and facts.batched is not None:
        candidate = facts.batched
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
            if step.share is None and step.does("block"):
                return _verdict(Action.BLOCK, _of_pace(standing, step), facts.asked.model, standing, step)
            for judge in (_effort, _downgrade, _batch):
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


def _of_pace(standing: Standing, step: Step) -> Reason:
    """Why a step refuses that stands at no share of the limit."""
    if step.loop is None:
        return Reason.VELOCITY
    return Reason.LOOP if step.label in standing.looping else Reason.UNUSUAL


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
            dearer = Skipped.DEARER if _dear(candidate) >= _dear(here) else None
            why = candidate.misfit or candidate.unlicensed or dearer
            if why is None:
                return _verdict(Action.DOWNGRADE, Reason.STEP, candidate.model, standing, step)
            skipped.append((f"{standing.budget.name} {step.label} to {candidate.model}", why))
    return None


def _batch(facts: Facts, standing: Standing, step: Step, skipped: list[tuple[str, str]]) -> Verdict | None:
    if not step.does("batch"):
        return None
    if facts.batched is not None:
        return _verdict(Action.BATCH, Reason.STEP, facts.batched.model, standing, step)
    if facts.unbatched:
        skipped.append((f"{standing.budget.name} {step.label} batch", facts.unbatched))
    return None


def _as_asked(facts: Facts, verdict: Verdict, skipped: list[tuple[str, str]]) -> Verdict:
    """The verdict on a call that the application would have put off: only a refusal is stricter."""
    if verdict.action in (Action.BATCH, Action.BLOCK):
        return verdict
    if facts.batched is not None:
        return replace(verdict, action=Action.BATCH, reason=Reason.ASKED, model=facts.batched.model)
    skipped.append(("asked: batch", facts.unbatched))
    return verdict


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
    """How far down the ladder a verdict goes: less effort is milder than any other model, to be put off is stricter."""
    if verdict.action is Action.BATCH:
        return len(facts.candidates)
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
