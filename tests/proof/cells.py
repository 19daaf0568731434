"""What becomes of a request, valid for one model, that is planned onto another: and does the sandbox take it there?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from tests.proof.requests import REQUESTS, Asking, Json

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.request import parse_request
from bursar.agent.sandbox.tables import MODELS
from bursar.policies.capabilities import capabilities
from bursar.policies.changes import changed, without_betas
from bursar.policies.features import features
from bursar.policies.plan import Misfit, Plan, Rung, plan
from bursar.policies.pricefile import shipped_book
from bursar.policies.requestsize import measure

DAY = date(2026, 11, 22)
NAMES = tuple(MODELS)
"""Every model that the sandbox serves, the retired ones too: clouds keep some of them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One request on its way from one model to another."""

    asking: Asking
    source: str
    target: str
    outcome: Plan | Misfit
    """On a route that may lose something."""
    refusal: str | None
    """What the sandbox says to the planned request; None: it takes it, or nothing was planned."""

    @property
    def lossy(self) -> bool:
        """Whether the plan loses anything, so that a strict route has none."""
        return isinstance(self.outcome, Plan) and any(note.lossy for note in self.outcome.notes)


@lru_cache(maxsize=64)
def rung(model: str) -> Rung:
    """A model with all that is shipped of it; none counts as retired, so that more pairs are tried."""
    facts = shipped_book().find(model)
    assert facts is not None
    return Rung(model, facts, capabilities(facts.id, model), fast=facts.has_fast(DAY))


def refusal(body: Json, betas: str | None) -> str | None:
    """What the sandbox says to a request."""
    try:
        parse_request(body, betas or None)
    except ApiError as error:
        return error.message
    return None


class Mover:
    """One request, planned from model to model; what is sent twice in the same form is refused or taken but once."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        body = asking.body(NAMES[0])
        self._size, self._used = measure(body), features(body)
        self._said: dict[tuple[str, str, tuple[str, ...]], str | None] = {}

    def planned(self, source: str, target: str, *, lossy: bool = True) -> Plan | Misfit:
        """The plan for it."""
        body, betas = self._asking.body(source), self._asking.betas
        here, there = rung(source), rung(target)
        return plan(body, betas, self._size, here, there, lossy_allowed=lossy, used=self._used)

    def refused(self, target: str, planned: Plan) -> str | None:
        """What the sandbox says to it as planned."""
        key = (target, repr(planned.changes), planned.dropped_betas)
        if key not in self._said:
            body = {**changed(self._asking.body(target), planned.changes), "model": target}
            self._said[key] = refusal(body, without_betas(self._asking.betas or "", planned.dropped_betas))
        return self._said[key]


def sources(asking: Asking) -> list[str]:
    """The models for which a request is valid."""
    return [name for name in NAMES if refusal(asking.body(name), asking.betas) is None]


def cells_of(asking: Asking) -> Iterator[Cell]:
    """One request from every model that takes it to every other."""
    mover = Mover(asking)
    for source in sources(asking):
        for target in NAMES:
            if target != source:
                outcome = mover.planned(source, target)
                said = mover.refused(target, outcome) if isinstance(outcome, Plan) else None
                yield Cell(asking, source, target, outcome, said)


@lru_cache(maxsize=1)
def cells() -> tuple[Cell, ...]:
    """The whole matrix."""
    return tuple(cell for asking in REQUESTS for cell in cells_of(asking))
