"""A plan in the making: what has been changed so far, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from bursar.policies.changes import REMOVED, Change, Why
from bursar.policies.features import Features
from bursar.policies.rungs import Rung


class Draft:
    """One request on its way to another model. What is not told to change stays as it is."""

    def __init__(self, body: Mapping[str, Any], used: Features, source: Rung, target: Rung) -> None:
        self.body, self.used, self.source, self.target = body, used, source, target
        self.changes: dict[str, Any] = {}
        self.dropped_betas: list[str] = []
        self.notes: list[Change] = []

    def now(self, name: str) -> Any:
        """A parameter as it would be sent; None where it is absent."""
        planned = self.changes.get(name, self.body.get(name))
        return None if planned is REMOVED else planned

    def table(self, name: str) -> Mapping[str, Any]:
        """A parameter that is an object; empty where it is absent, or none."""
        planned = self.now(name)
        return cast("Mapping[str, Any]", planned) if isinstance(planned, Mapping) else {}

    @property
    def max_tokens(self) -> int:
        """The output asked for."""
        planned = self.now("max_tokens")
        return planned if isinstance(planned, int) else 0

    def put(self, name: str, planned: Any, why: Why, *, lossy: bool = False) -> None:
        """Set a parameter, or leave it out."""
        self.note(name, self.now(name), None if planned is REMOVED else planned, why, lossy=lossy)
        self.changes[name] = planned

    def note(self, parameter: str, before: Any, after: Any, why: Why, *, lossy: bool = False) -> None:
        """Record what becomes different."""
        self.notes.append(Change(parameter, before, after, why, lossy))
