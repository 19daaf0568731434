"""Which cache marks does a request get before it is judged, and what is told of them?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from bursar.instrumentation.rules import Rules
from bursar.policies.changes import Change
from bursar.policies.marking import Marked, held_out, marked
from bursar.policies.models import canonical
from bursar.policies.values import value


@value
class Marks:
    """What became of a marking at one request."""

    told: str
    """As in `Sent.marking`."""
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Parameters with the marks in them."""
    notes: tuple[Change, ...] = ()


def marks_for(rules: Rules, route: str, model: str, body: Mapping[str, Any], at_ns: int) -> Marks | None:
    """The marks of a request, or that it is held out; None where nothing is advised, or it cannot be marked so."""
    marking = rules.markings.get((route, canonical(model).id))
    if marking is None:
        return None
    found = marked(body, marking)
    if not isinstance(found, Marked):
        return None
    if held_out(marking, body, at_ns):
        return Marks(f"-{marking.id}")
    return Marks(marking.id, found.changes, (found.note,))
