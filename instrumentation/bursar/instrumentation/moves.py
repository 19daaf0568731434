"""Which conversations were moved to another model, where they stay until their end?"""

from __future__ import annotations

import threading
from collections import OrderedDict

from bursar.instrumentation.errand import Errand
from bursar.policies.decision import Action, Decision

MEMORY = 10_000
"""Conversations remembered; beyond that the one that was silent the longest is forgotten, and judged as a new one."""


class Moves:
    """
    The model of each conversation that was moved, by the model that it asks for.

    While there is none, no call is asked which conversation it belongs to: that takes a walk over all it says.
    """

    def __init__(self) -> None:
        self._moved: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._moved)

    def of(self, errand: Errand) -> str:
        """The model that a call's conversation was moved to; empty where it was not, and for a retry."""
        if not self._moved or errand.settled_model is not None:
            return ""
        key = _key(errand)
        with self._lock:
            found = self._moved.get(key) if key[0] else None
            if found is not None:
                self._moved.move_to_end(key)
            return found or ""

    def note(self, errand: Errand, decision: Decision) -> None:
        """A call leaves on another model than it asked for: so do those that go on from it."""
        if decision.verdict.action is not Action.DOWNGRADE or errand.settled_model is not None:
            return
        key = _key(errand)
        if not key[0]:
            return
        with self._lock:
            self._moved[key] = decision.candidate.model
            if len(self._moved) > MEMORY:
                self._moved.popitem(last=False)


def _key(errand: Errand) -> tuple[str, str]:
    return errand.conversation or errand.converse(), str(errand.body.get("model") or "")
