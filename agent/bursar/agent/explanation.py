"""Would a decision be made again by the rules and figures of then, and what does it come to in words?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger import overridebook
from bursar.agent.ledger.cases import Decided
from bursar.policies.hindsight import Hindsight, reproduce
from bursar.policies.overrides import from_text, with_overrides
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.protocol import Snapshot
from bursar.policies.sentence import sentence

_UNJUDGED = "No budget was asked: the process knew no rules then, or none that met this call."


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision, and what it looks like in hindsight."""

    decision: Decided
    hindsight: Hindsight | None
    """None where there was nothing to judge by."""
    why_not: str = ""
    """Why it cannot be reproduced."""

    @property
    def sentence(self) -> str:
        """What was done and why, in one sentence."""
        return plainly(self.decision)


def plainly(decision: Decided) -> str:
    """What was done with a call and why, in one sentence."""
    known = {"asked": decision.model, "planned": decision.planned}
    return sentence(decision.action, decision.reason, decision.figures, **known)


def explain(ledger: Database, decision: Decided) -> Explained:
    """Make a decision again by the rules and figures of then."""
    if not decision.figures.get("balances"):
        return Explained(decision, None, _UNJUDGED)
    snapshot = overridebook.rules(ledger, str(decision.figures.get("rules", "")))
    if snapshot is None:
        return Explained(decision, None, "The rules that it was made by are not in this ledger.")
    if decision.action == "go" and "candidates" not in decision.figures:
        figures = {**decision.figures, "unbounded": (), "candidates": [_asked(decision)]}
    else:
        figures = dict(decision.figures)
    try:
        policy = _policy(snapshot)
        hindsight = reproduce(figures, policy, action=decision.action, reason=decision.reason, model=decision.planned)
        return Explained(decision, hindsight)
    except (KeyError, TypeError, ValueError, PolicyError, StopIteration) as error:
        return Explained(decision, None, f"What the ledger keeps of it is not enough ({error}).")


def _asked(decision: Decided) -> dict[str, Any]:
    """A call that went as it was asked: what it may cost is all there is to say of it."""
    figures = decision.figures
    bounds = {name: figures.get(name, 0) for name in ("least", "expected")}
    return {"model": decision.model, "worst": figures.get("most", 0), **bounds}


def _policy(snapshot: Snapshot) -> Policy:
    if snapshot.policy is None:
        raise ValueError("no policy was in force")
    policy = parse_policy(snapshot.policy, file=snapshot.file)
    return with_overrides(policy, from_text(snapshot.overrides or "[]"))
