"""What is seen at one instant: budgets, routes, the last decisions, and what it comes to?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import tzinfo
from typing import Any

from bursar.agent.ledger.balances import iso
from bursar.policies.amounts import Unit

MINUTES = 60
"""How many minutes back routes are looked at one by one."""


@dataclass(frozen=True, slots=True)
class BudgetNow:
    """A balance, in its unit: nano-dollars where that is `usd`. Instants in nanoseconds since the epoch."""

    budget: str
    scope: str
    unit: Unit
    limit: int
    spent: int
    held: int
    window: str
    ends_ns: int | None = None
    """None for a window without an end."""
    forecast: int | None = None
    """What it will have spent at the window's end; None where nobody knows yet."""
    exhausted_ns: int | None = None
    """When the limit will be reached by that forecast."""

    @property
    def percent(self) -> int:
        """What is spent and held, of the limit."""
        return (self.spent + self.held) * 100 // self.limit if self.limit else 100


@dataclass(frozen=True, slots=True)
class RouteNow:
    """A route: its last hour, and today. Money in nano-dollars."""

    route: str
    models: tuple[str, ...]
    """Those of today, the dearest first."""
    hour_calls: int
    hour_nano: int
    minutes: tuple[int, ...]
    """What each of the last `MINUTES` minutes cost, the present one last."""
    today_calls: int
    today_nano: int
    unknown: int
    """Charges of today whose cost nobody knows."""
    cache_read: int
    """Tokens of today's prompts that were read from the cache,"""
    prompt: int
    """and all of them."""


@dataclass(frozen=True, slots=True)
class DecisionNow:
    """What was decided of calls that did not simply go as they were: the same of several stands there once."""

    at_ns: int
    """Of the newest of them."""
    route: str
    model: str
    action: str
    reason: str
    budget: str
    step: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums. Money in nano-dollars."""

    today_calls: int = 0
    today_nano: int = 0
    unknown: int = 0
    in_flight: int = 0
    held_nano: int = 0
    processes: int = 0
    waiting_alerts: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it. `zone` is the policy's: by it days turn and times are written."""

    at_ns: int
    zone: tzinfo
    ledger: str
    policy: bool
    """Whether the agent told a process rules with budgets."""
    totals: Totals = Totals()
    budgets: tuple[BudgetNow, ...] = ()
    routes: tuple[RouteNow, ...] = ()
    decisions: tuple[DecisionNow, ...] = ()
    """The newest first."""


def to_json(picture: Picture) -> dict[str, Any]:
    """The same for programs: amounts as they are, instants as text in UTC."""
    return {
        "at": iso(picture.at_ns),
        "ledger": picture.ledger,
        "policy": picture.policy,
        "totals": asdict(picture.totals),
        "budgets": [_with_instants(asdict(budget), "ends", "exhausted") for budget in picture.budgets],
        "routes": [asdict(route) for route in picture.routes],
        "decisions": [_with_instants(asdict(decision), "at") for decision in picture.decisions],
    }


def _with_instants(row: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        at_ns = row.pop(f"{name}_ns")
        row[name] = None if at_ns is None else iso(at_ns)
    return row
