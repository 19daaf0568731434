"""What does the ledger know around an alert, at the moment it is told?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

from bursar.policies.outlook.forecast import Forecast


class RouteCost(NamedTuple):
    """What a route has cost a balance, in nano-dollars."""

    route: str
    nano: int
    before: int | None = None
    """The same a week earlier, up to the same moment of it; None where the ledger does not reach back so far."""


@dataclass(frozen=True, slots=True)
class Deeds:
    """What was done to the calls of a balance so far. Amounts in nano-dollars."""

    downgraded: int = 0
    saved: int = 0
    """What the downgraded calls would have cost more at the model asked for, with the same tokens."""
    blocked: int = 0
    held_back: int = 0
    """What the refused calls might have cost at most."""
    would_block: int = 0
    """Calls that a budget which only observes would have refused; they were sent."""
    would_block_nano: int = 0
    """And what those did cost."""
    would_downgrade: int = 0


class InForce(NamedTuple):
    """A step that is reached, and what it does beside telling."""

    step: str
    does: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Background:
    """All that is told beside the alert itself."""

    routes: tuple[RouteCost, ...] = ()
    forecast: Forecast | None = None
    deeds: Deeds | None = None
    in_force: tuple[InForce, ...] = ()
    zone: tzinfo = UTC

    def to_data(self) -> Mapping[str, Any]:
        """For programs."""
        return {
            "routes": [route._asdict() for route in self.routes],
            "forecast": None if self.forecast is None else asdict(self.forecast),
            "bursar": None if self.deeds is None else asdict(self.deeds),
            "in_force": [step._asdict() for step in self.in_force],
        }


NOTHING = Background()
