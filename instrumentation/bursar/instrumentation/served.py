"""What served a response: for the application that asks what it got, and why."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bursar.policies.cascade import StageName
from bursar.policies.changes import Change
from bursar.policies.charge import Charge

MEMORY = 1_024
"""Responses remembered; who wants to know asks soon."""


@dataclass(frozen=True, slots=True)
class PutOff:
    """That an answer came from a Message Batch, and how long it took."""

    deferral_id: str
    batch_id: str
    """Empty where it came from no batch: none would have made it in time, and it was sent at once."""
    seconds: float
    """From the call to its answer; for a call that was rejoined, from there on."""


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
    put_off: PutOff | None = None
    """None: it was answered at once."""

    @property
    def stage(self) -> str | None:
        """Which part of a cascade answered: `cheap` or `strong`; None for a call that is part of none."""
        return self.charge.stage.name if self.charge.stage is not None else None

    @property
    def escalated(self) -> bool:
        """Whether it is a cascade's strong model that answered, since the cheap one's answer was not enough."""
        return self.stage == StageName.STRONG


class Servings:
    """The charges of the last responses of this process, by message id."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._recent: dict[str, _Kept] = {}

    def keep(self, charge: Charge, changes: tuple[Change, ...] = (), put_off: PutOff | None = None) -> None:
        """Remember a charge by its response, with what was changed of its request."""
        if charge.response_id is None:
            return
        with self._lock:
            self._recent[charge.response_id] = (charge, changes, put_off)
            if len(self._recent) > MEMORY:
                del self._recent[next(iter(self._recent))]

    def find(self, response: Any) -> Served | None:
        """
        What served a response; None when it is too long ago, or was never seen here.

        A response is a message, as an object of the SDK's or as JSON, or what the SDK wraps one in: a raw or streaming
        response, or a stream that was read.
        """
        response_id, request_id = _ids(response)
        with self._lock:
            kept = self._recent.get(response_id) if response_id is not None else None
            if kept is None and request_id is not None:
                kept = self._of_request(request_id)
        if kept is None:
            return None
        charge, changes, put_off = kept
        return Served(charge.requested_model, charge.model, charge.action, charge.reason, charge, changes, put_off)

    def _of_request(self, request_id: str) -> _Kept | None:
        """By the HTTP request: only asked for, so it may take its time. The results of a batch share theirs."""
        found = [kept for kept in self._recent.values() if kept[0].request_id == request_id]
        return found[0] if len(found) == 1 else None


_Kept = tuple[Charge, tuple[Change, ...], PutOff | None]


def _ids(response: Any) -> tuple[str | None, str | None]:
    """A message's id, and that of the request which brought what has none."""
    if isinstance(response, Mapping):
        return _text(response.get("id")), None  # pyright: ignore[reportUnknownArgumentType,reportUnknownMemberType]
    # By attribute: what the SDK wraps a message in has these as properties.
    headers = getattr(getattr(response, "response", None), "headers", None)
    request_id = getattr(response, "request_id", None) or (headers.get("request-id") if headers is not None else None)
    return _text(getattr(response, "id", None)), _text(request_id)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
