"""What did somebody put aside or raise for a while, and what do the rules become by it?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from bursar.policies.amounts import Unit, written
from bursar.policies.policy import Budget, Mode, Policy, Raise

EVERY_BUDGET = "*"


class OverrideKind(StrEnum):
    """What an override does."""

    PAUSE = "pause"
    """The budget only observes."""
    RAISE = "raise"
    """The budget's limit is higher by an amount."""


@dataclass(frozen=True, slots=True)
class Override:
    """A change of the rules that ends by itself. Instants in nanoseconds since the epoch."""

    id: str
    kind: OverrideKind
    budget: str
    """Its name; that of a table with several limits means all of its windows, and `*` every budget."""
    since_ns: int
    until_ns: int
    amount: int = 0
    """What a raise adds to the limit, in `unit`."""
    unit: Unit = "usd"
    scope: str | None = None
    """The one scope value that a raise is for, such as `tenant=acme`; None: each."""
    reason: str = ""
    by: str = ""
    """Who asked for it."""

    def holds(self, now_ns: int) -> bool:
        """Whether it is in force at an instant."""
        return self.since_ns <= now_ns < self.until_ns

    def concerns(self, budget: Budget) -> bool:
        """Whether it is about this budget."""
        return self.budget in (EVERY_BUDGET, budget.name, budget.name.partition(":")[0])

    def __str__(self) -> str:
        """In words, without when and why."""
        name = "every budget" if self.budget == EVERY_BUDGET else f'budget "{self.budget}"'
        if self.kind is OverrideKind.PAUSE:
            return f"{name} is paused: it observes, and changes nothing"
        return f"{name}{f' ({self.scope})' if self.scope else ''} is raised by {written(self.amount, self.unit)}"


def with_overrides(policy: Policy, overrides: Iterable[Override]) -> Policy:
    """The policy as these overrides, all of them in force, leave it. One for a budget that it lacks does nothing."""
    standing = tuple(overrides)
    return replace(policy, budgets=tuple(_overridden(budget, standing) for budget in policy.budgets))


def to_text(overrides: Iterable[Override]) -> str:
    """Overrides as JSON, for a snapshot."""
    return json.dumps([asdict(override) for override in overrides], separators=(",", ":"))


def from_text(text: str) -> tuple[Override, ...]:
    """What `to_text` wrote; fields of a later version are passed over. Raises ValueError."""
    try:
        return tuple(from_json(value) for value in json.loads(text))
    except (TypeError, KeyError) as error:
        raise ValueError(f"these are no overrides: {error}") from error


def from_json(value: Any) -> Override:
    """An override from its JSON object. Raises ValueError, KeyError or TypeError."""
    known: dict[str, Any] = {name: value[name] for name in Override.__dataclass_fields__ if name in value}
    known["kind"] = OverrideKind(known["kind"])
    return Override(**known)


def _overridden(budget: Budget, overrides: tuple[Override, ...]) -> Budget:
    about = [override for override in overrides if override.concerns(budget)]
    raises = tuple(
        Raise(override.scope, override.amount)
        for override in about
        if override.kind is OverrideKind.RAISE and override.unit == budget.limit.unit
    )
    paused = any(override.kind is OverrideKind.PAUSE for override in about)
    if not raises and not paused:
        return budget
    return replace(budget, raises=raises, mode=Mode.OBSERVE if paused else budget.mode)
