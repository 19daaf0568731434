"""What becomes of a call whose money was not lent, and what is the application told?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bursar.instrumentation.errand import Errand
from bursar.policies.amounts import Unit
from bursar.policies.cascade import Stage
from bursar.policies.decision import Decision, Reason
from bursar.policies.errors import BudgetExceeded, RefusalReason
from bursar.policies.records import Decided
from bursar.policies.standing import Standing

_REMEDIES = {
    RefusalReason.SPENT: "raise the budget's limit, wait for its next window, or lower max_tokens",
    RefusalReason.HELD: "try again shortly, or send fewer calls at once",
    RefusalReason.LENT: "try again shortly, or stop the process that holds the money (`bursar holds`)",
    RefusalReason.UNBOUNDED: "give server tools a `max_uses`, or set the budget's `unbounded` to reserve an amount",
    RefusalReason.UNREACHABLE: "start `bursar agent`, or set the budget's `on_unreachable`",
    RefusalReason.LOOP: 'look for a loop in the code that makes this call, or raise the step: "loop 100 in 10m"',
    RefusalReason.UNUSUAL: "look for a loop (`bursar report --since 1h`), wait, or `bursar pause` the budget",
    RefusalReason.VELOCITY: "look for a loop (`bursar report --since 1h`), wait, or raise the step's amount",
    RefusalReason.LATE: "give the route a longer `may_wait`, and see `bursar batches` for what became of it",
    RefusalReason.UNKNOWN_PRICE: "add the model to your price file, or set `unknown_price` to dearest",
}


_WITHOUT_BOUND = (RefusalReason.UNBOUNDED, RefusalReason.UNKNOWN_PRICE)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no money was lent, and by which balance."""

    reason: Reason
    balance: str


def reason_of(word: str) -> Reason:
    """The agent's reason for a refusal; a word of a later version stands for the plainest."""
    return Reason(word) if word in _WORDS else Reason.SPENT


_WORDS = frozenset(RefusalReason)


def only_the_bound(decision: Decision, why: Refused) -> bool:
    """Whether a call that no money was lent for would pass by what it is expected to cost."""
    if why.reason not in (Reason.SPENT, Reason.HELD, Reason.LENT):
        return False
    asked = [s for s in decision.standings if s.key in decision.hard]
    return all(
        s.view is not None
        and s.view.spent + s.view.expected + decision.candidate.expected_in(s.budget.limit.unit) <= s.view.ceiling
        for s in asked
    )


def refusal(decision: Decision | None, errand: Errand, *, settles_in: float) -> BudgetExceeded:
    """
    The error for a decision to block; None stands for a process that never heard any rules and may not go on.

    `settles_in` is how long calls usually take, in seconds: it is worth trying again once those in flight are over.
    """
    reason = _reason(decision)
    standing = _standing(decision)
    view = standing.view if standing is not None else None
    unit = standing.budget.limit.unit if standing is not None else "usd"
    return BudgetExceeded(
        budget=standing.budget.name if standing else "",
        balance=standing.key if standing else "",
        window_start=standing.window.start if standing else None,
        window_end=standing.window.end if standing else None,
        limit=view.limit if view else standing.budget.limit.amount if standing else 0,
        spent=view.spent if view else 0,
        held=view.lent if view else 0,
        needed=_needed(decision, unit) if decision is not None and reason not in _WITHOUT_BOUND else None,
        unit=unit,
        reason=reason,
        remedy=_REMEDIES[reason],
        retry_after=settles_in if reason is RefusalReason.HELD else None,
        route=errand.route,
        model=decision.candidate.model if decision else str(errand.body.get("model") or ""),
        decision_id=errand.attempt_id,
        figures=json.loads(decision.figures().text) if decision is not None else None,
    )


def decided(
    refusal: BudgetExceeded,
    call_id: str,
    at_ns: int,
    model: str,
    labels: Mapping[str, str],
    stage: Stage | None = None,
) -> Decided:
    """The record of a refusal, so that it can be explained afterwards; `model` is the one asked for."""
    return Decided(
        call_id=call_id,
        at_ns=at_ns,
        route=refusal.route,
        model=model,
        action="block",
        reason=refusal.reason.value,
        labels=labels,
        decision={**refusal.figures, **_numbers(refusal)},
        stage=stage,
    )


def _numbers(refusal: BudgetExceeded) -> dict[str, Any]:
    return {
        "budget": refusal.budget,
        "balance": refusal.balance,
        "limit": refusal.limit,
        "spent": refusal.spent,
        "held": refusal.held,
        "needed": refusal.needed,
        "unit": refusal.unit,
        "model": refusal.model,
        "decision_id": refusal.decision_id,
    }


def _needed(decision: Decision, unit: Unit) -> int:
    """What the call may cost at least of what it needs, fitted as far as it can be."""
    if unit == "usd":
        return decision.least
    return decision.candidate.least_tokens if unit == "tokens" else 1


def _reason(decision: Decision | None) -> RefusalReason:
    if decision is None or decision.verdict.reason is Reason.UNREACHABLE:
        return RefusalReason.UNREACHABLE
    return RefusalReason(decision.verdict.reason.value)


def _standing(decision: Decision | None) -> Standing | None:
    if decision is None:
        return None
    return next((s for s in decision.standings if s.key == decision.verdict.balance), None)
