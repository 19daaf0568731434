"""Where does a call stand with the budgets that it meets, before anything of the call itself is looked at?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bursar.policies.balancekey import expectation_of, parse_balance_key
from bursar.policies.jsontext import encode
from bursar.policies.policy import Budget, Mode, Step
from bursar.policies.protocol import BalanceView
from bursar.policies.windows import Window

HYSTERESIS = Fraction(1, 10)
"""So far below its share a step is left again: at the share itself calls would be moved to and fro."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One matching budget, with its balance as last seen; `view` is None before the agent ever told."""

    budget: Budget
    key: str
    window: Window
    mode: Mode
    view: BalanceView | None = None
    looping: tuple[str, ...] = ()
    """The steps at a loop, by label, that take this very call for part of one: it was made again and again."""

    @property
    def share(self) -> Fraction:
        """Spent and expected, as a share of the limit. A limit of zero is always used up."""
        if self.view is None:
            return Fraction(0)
        if self.view.limit <= 0:
            return Fraction(1)
        return Fraction(self.view.spent + self.view.expected, self.view.limit)

    def due(self) -> Iterator[Step]:
        """The steps that are reached: their share of the limit, their amount in so many seconds, or a loop."""
        share = self.share
        return (step for step in self.budget.steps if self._reached(step, share))

    def _reached(self, step: Step, share: Fraction) -> bool:
        if step.share is not None:
            return share >= step.share or self._in_force(step, share)
        if step.loop is not None:
            # Whether the hour is out of the ordinary says the agent, which knows what is usual.
            return step.label in self.looping or (self.view is not None and step.label in self.view.in_force)
        velocity = step.velocity
        if velocity is None or self.view is None:
            return False
        return self.view.recent.get(velocity.span, 0) >= velocity.amount_nano

    def _in_force(self, step: Step, share: Fraction) -> bool:
        """Whether a step that was reached once is not left yet."""
        assert step.share is not None
        return self.view is not None and step.label in self.view.in_force and share >= step.share - HYSTERESIS

    @property
    def scope(self) -> str:
        """The scope value of its balance."""
        return parse_balance_key(self.key).scope

    @property
    def ceiling(self) -> int:
        """What may be spent in all, in the limit's unit."""
        return self.budget.ceiling_of(self.scope) if self.view is None else self.view.ceiling

    @property
    def purses(self) -> tuple[str, ...]:
        """The balances that lend for it: where it may be overdrawn, one by worst cases and one by expectations."""
        return (self.key, expectation_of(self.key)) if self.budget.overdraft_nano else (self.key,)


class Survey:
    """
    The budgets that calls of one kind meet, and what can be said of them before any such call is seen.

    Kept from call to call for as long as no figure in it changes.
    """

    __slots__ = (
        *("as_asked", "balances", "calm", "enforcing", "hard", "observing"),
        *("passed", "purses", "rules", "standings", "text"),
    )

    def __init__(self, standings: Iterable[Standing], rules: str = "") -> None:
        """`rules`: the id of the policy that they are of."""
        self.standings = tuple(standings)
        self.rules = rules
        self.enforcing = tuple(s for s in self.standings if s.mode is Mode.ENFORCE)
        self.observing = tuple(s for s in self.standings if s.mode is Mode.OBSERVE)
        self.hard = tuple(s for s in self.enforcing if s.budget.hard)
        self.balances = tuple(s.key for s in self.standings)
        """Every balance that such a call counts against."""
        self.purses = tuple(purse for s in self.hard for purse in s.purses)
        """Every balance that must lend for such a call."""
        self.as_asked = any(s.budget.fit == "asked" for s in self.hard)
        """Whether one of them lends the whole bound or nothing: then `max_tokens` stays."""
        self.calm = not self.observing and not any(_changes(step) for s in self.enforcing for step in s.due())
        """Whether no step that changes a call is due: then only its money is still to be had."""
        self.text = encode([_standing(s) for s in self.standings])
        """The figures as JSON, for the journal."""
        self.passed: dict[str, Any] = {}
        """The engine's own: its verdict, by model, on calls that nothing is asked of."""


_CHANGING = ("downgrade", "effort", "throttle", "batch")
"""Kinds of actions that change a call."""


def _changes(step: Step) -> bool:
    """Whether a step does something to calls by itself; a block at a share is the lending's to do."""
    return any(action.kind in _CHANGING for action in step.actions) or (step.share is None and step.does("block"))


def _standing(standing: Standing) -> dict[str, Any]:
    view = standing.view
    figures: dict[str, Any] = {
        "balance": standing.key,
        "mode": standing.mode.value,
        "unit": standing.budget.limit.unit,
        "share": _percent(standing.share),
        "limit": view.limit if view else standing.budget.limit.amount,
        "spent": view.spent if view else None,
        "expected": view.expected if view else None,
        "lent": view.lent if view else None,
        "ceiling": standing.ceiling,
        "recent": dict(view.recent) if view else {},
    }
    if standing.looping:
        figures["looping"] = list(standing.looping)
    if view is not None and view.in_force:
        figures["in_force"] = list(view.in_force)
    if view is not None and view.unusual is not None:
        figures.update(usual=view.usual, unusual=view.unusual)
    return figures


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):.2f}%"
