"""What served a response: for the application that asks what it got, and why."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from bursar.policies.changes import Change
from bursar.policies.charge import Charge

MEMORY = 1_024
"""Responses remembered; who wants to know asks soon."""


@dataclass(frozen=True, slots=True)
class Served:
    """What was asked, what answered, and the decision between them."""

    requested_model: str
    model: str
    action: str
    reason: str
    charge: Charge
    changes: tuple[Change, ...] = ()
    """Each parameter that was sent otherwise than asked: from what to what, why, and whether anything is lost by it."""


class Servings:
    """The charges of the last responses of this process, by message id."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._recent: dict[str, tuple[Charge, tuple[Change, ...]]] = {}

    def keep(self, charge: Charge, changes: tuple[Change, ...] = ()) -> None:
        """Remember a charge by its response, with what was changed of its request."""
        if charge.response_id is None:
            return
        with self._lock:
            self._recent[charge.response_id] = (charge, changes)
            if len(self._recent) > MEMORY:
                del self._recent[next(iter(self._recent))]

    def find(self, response_id: str) -> Served | None:
        """What served a response; None when it is too long ago, or was never seen here."""
        with self._lock:
            kept = self._recent.get(response_id)
        if kept is None:
            return None
        charge, changes = kept
        return Served(charge.requested_model, charge.model, charge.action, charge.reason, charge, changes)
