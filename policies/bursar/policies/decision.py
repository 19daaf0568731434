"""What is decided about one call, the words it is told in, and what it was decided on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from fractions import Fraction
from typing import Any

from bursar.policies.amounts import Unit
from bursar.policies.balancekey import Amounts
from bursar.policies.changes import Change, changes_json
from bursar.policies.jsontext import Encoded, array, encode, quoted
from bursar.policies.plan import Misfit, Plan
from bursar.policies.standing import Standing, Survey
from bursar.policies.values import value


class Action(StrEnum):
    """What is done with a call, from the mildest to the strictest."""

    GO = "go"
    EFFORT = "effort"
    DOWNGRADE = "downgrade"
    BATCH = "batch"
    """Put off to a Message Batch."""
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
    UNUSUAL = "unusual"
    THROTTLE = "throttle"
    LATE = "late"
    ASKED = "asked"
    """The application asked for it."""


class Skipped(StrEnum):
    """Why a step that was due was not taken, beside the misfits of `plan` and the reasons of `unbatched`."""

    DEARER = "dearer"
    NO_RUNG = "no_rung"
    NO_EVAL = "no_eval"
    """The route's rules ask for an eval of that model, and nobody made one; so for the two that follow."""
    FAILED_EVAL = "failed_eval"
    """The newest did not pass."""
    OLD_EVAL = "old_eval"
    """It passed so long ago that it vouches for nothing."""


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
    unlicensed: Skipped | None = None
    """Why no eval vouches for it, where the route's rules ask for one; see `licence`."""

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
    batched: Candidate | None = None
    """The model it would be asked of, at batch prices; None where it cannot be put off, or nothing asks that it is."""
    unbatched: str = ""
    """Why it cannot be put off."""
    to_be_batched: bool = False
    """Whether the application asks that it is put off."""

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
        hoped, most = candidate.expected, self.most
        return Amounts(most, candidate.worst_tokens, 1, min(most, hoped))

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
        """What else a decision is reproduced from that did not let the call go as it was, or passed over a step."""
        went = self.verdict.action is Action.GO and self.observed is None and not self.skipped
        if self.facts is None or went:
            return ""
        return (
            f',"model":{quoted(self.verdict.model)},"unbounded":{array(self.facts.unbounded)},'
            f'"candidates":{encode([_kept(candidate) for candidate in self.facts.candidates])},'
            f'"milder":{encode(None if self.facts.milder is None else _kept(self.facts.milder))}'
            f"{_of_batch(self.facts)}"
        )


def _observed(verdict: Verdict) -> dict[str, str]:
    return {"action": verdict.action, "reason": verdict.reason, "budget": verdict.budget, "step": verdict.step}


def _of_batch(facts: Facts) -> str:
    """What is kept of putting a call off, written only where that was thought of."""
    if facts.batched is None and not facts.unbatched and not facts.to_be_batched:
        return ""
    batched = None if facts.batched is None else _kept(facts.batched)
    asked = "true" if facts.to_be_batched else "false"
    return f',"batched":{encode(batched)},"unbatched":{quoted(facts.unbatched)},"to_be_batched":{asked}'


_KEPT = ("model", "worst", "least", "expected", "misfit", "worst_tokens", "least_tokens", "expected_tokens")


def _kept(candidate: Candidate) -> dict[str, Any]:
    """What of a candidate a verdict depends on."""
    kept = {name: getattr(candidate, name) for name in _KEPT}
    return kept if candidate.unlicensed is None else {**kept, "unlicensed": candidate.unlicensed}
