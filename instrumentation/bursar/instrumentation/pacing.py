"""How long does a call wait that a budget wants spread?"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from bursar.instrumentation.errand import Admission
from bursar.policies.decision import Action, Candidate, Reason
from bursar.policies.throttle import MOST_SECONDS, Pace, interval

MEMORY = 10_000
"""Balances remembered; beyond that all are forgotten, and the next calls of each leave at once."""


def having_waited(admission: Admission, seconds: float) -> Admission:
    """The admission of a call that was made to wait, which says so."""
    decision = admission.decision
    if decision is None:
        return admission
    verdict = decision.verdict
    if verdict.action is Action.GO:
        verdict = replace(verdict, reason=Reason.THROTTLE)
    return replace(admission, decision=replace(decision, verdict=verdict, waited=seconds))


class Pacing:
    """When the next call of each balance may leave. Calls are given their turns in the order in which they come."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, paces: Iterable[Pace], call: Candidate, now: float) -> float:
        """The seconds until it is a call's turn in every one of its balances, at most ten; the turn is taken."""
        seconds = 0.0
        with self._lock:
            if len(self._next) > MEMORY:
                self._next.clear()
            for pace in paces:
                turn = min(max(self._next.get(pace.balance, now), now), now + MOST_SECONDS)
                self._next[pace.balance] = turn + interval(pace, call.expected_in(pace.unit))
                seconds = max(seconds, turn - now)
        return seconds
