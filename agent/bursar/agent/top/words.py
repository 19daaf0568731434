"""What does a decision's reason say in plain words?"""

from __future__ import annotations

from bursar.policies.decision import Reason

_WORDS = {
    Reason.NO_BUDGET: "no budget counts it",
    Reason.OBSERVED: "budgets only observe",
    Reason.WITHIN: "within every budget",
    Reason.STEP: "a step was reached",
    Reason.CONVERSATION: "its conversation was moved before",
    Reason.SPENT: "the money is spent",
    Reason.HELD: "calls in flight hold what is left",
    Reason.LENT: "what is left is lent to a process",
    Reason.UNBOUNDED: "nothing bounds what it may cost",
    Reason.UNREACHABLE: "the agent was away",
    Reason.UNKNOWN_PRICE: "no price is known for the model",
    Reason.VELOCITY: "too much within a short time",
    Reason.LOOP: "the same request again and again",
    Reason.UNUSUAL: "far above the usual hour",
    Reason.THROTTLE: "spread over the time that is left",
    Reason.LATE: "put off, and not answered in time",
    Reason.ASKED: "the application asked for it",
}


def said(reason: str) -> str:
    """The reason in plain words; a word that this version does not know stands for itself."""
    return _WORDS[Reason(reason)] if reason in set(Reason) else reason.replace("_", " ")
