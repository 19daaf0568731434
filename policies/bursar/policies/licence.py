"""May calls of a route be moved to a model, where its rules ask for an eval of that model first?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bursar.policies.decision import Skipped
from bursar.policies.models import canonical

DAYS = 90
"""So long an eval vouches for a model: models and prompts change."""
_DAY_NS = 86_400 * 10**9


class LicenceError(ValueError):
    """Licences that cannot be understood; the text says why."""


@dataclass(frozen=True, slots=True)
class Licence:
    """What the newest eval of a model on a route's calls said."""

    route: str
    model: str
    """The candidate, under any of its ids."""
    at_ns: int
    passed: bool


Licences = Mapping[tuple[str, str], Licence]
"""By route, and canonical name of the model."""


def licences(found: Iterable[Licence]) -> Licences:
    """By what they are asked for; of two for one pair the newer counts, also where it is the one that failed."""
    newest: dict[tuple[str, str], Licence] = {}
    for one in found:
        pair = one.route, canonical(one.model).id
        if pair not in newest or one.at_ns >= newest[pair].at_ns:
            newest[pair] = one
    return newest


def objection(known: Licences, *, route: str, model: str, at_ns: int) -> Skipped | None:
    """Why a call of this moment may not be moved; None where a passing eval of this very pair is not too old."""
    licence = known.get((route, canonical(model).id))
    if licence is None:
        return Skipped.NO_EVAL
    if not licence.passed:
        return Skipped.FAILED_EVAL
    return Skipped.OLD_EVAL if at_ns - licence.at_ns > DAYS * _DAY_NS else None


def to_text(found: Iterable[Licence]) -> str:
    """As they cross the wall, in the snapshot."""
    return json.dumps([asdict(one) for one in found])


def from_text(text: str) -> Licences:
    """Raises `LicenceError`."""
    try:
        told: Any = json.loads(text)
        return licences(_licence(one) for one in told)
    except (ValueError, KeyError, TypeError) as error:
        raise LicenceError(f"the licences cannot be read: {error}") from error


def _licence(told: Mapping[str, Any]) -> Licence:
    return Licence(str(told["route"]), str(told["model"]), int(told["at_ns"]), told["passed"] is True)
