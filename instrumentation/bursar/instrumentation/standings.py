"""Which budgets does a call meet, and where do their balances stand as far as this process knows?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from bursar.instrumentation.errand import Errand
from bursar.policies.policy import Budget, Mode, Policy
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import Standing, Survey
from bursar.policies.windows import Window

FRESH_SECONDS = 1.0
"""How long the state of a balance may be judged by without asking."""
WATCHED_SECONDS = 5.0
"""How long after a call the state of its balances is kept fresh for the next one."""
VIEWS = 10_000
"""Balances remembered; beyond that the stale ones are forgotten, which costs the next call that meets one an ask."""
KINDS = 4_096
"""Kinds of calls remembered: by route, model and labels."""
_NEVER = float("-inf")
_FOR_EVER = 1 << 63

Entry = tuple[Budget, str, Window, Mode]
"""One matching budget, the key of its balance, its window, and whether it acts."""


class Met:
    """The budgets that calls of one kind meet within one window, with their balances as last seen."""

    __slots__ = ("entries", "fresh_until", "from_ns", "policy", "survey", "until_ns", "used_at", "version")

    def __init__(self, policy: Policy, entries: tuple[Entry, ...]) -> None:
        self.policy = policy
        self.entries = entries
        self.from_ns = max((_nanoseconds(start) for _, _, w, _ in entries if (start := w.start)), default=0)
        self.until_ns = min((_nanoseconds(end) for _, _, w, _ in entries if (end := w.end)), default=_FOR_EVER)
        self.survey = Survey(())
        self.fresh_until = float("inf")
        """Until when, by the monotonic clock, none of the balances needs to be asked for."""
        self.used_at = _NEVER
        self.version = -1


class Standings:
    """What the agent told of balances, and for each kind of call the budgets that it meets."""

    def __init__(self, clock: Callable[[], float], *, enforce: bool) -> None:
        self._clock = clock
        self._enforce = enforce
        self._views: dict[str, tuple[BalanceView, float]] = {}
        self._version = 0
        self._kinds: dict[tuple[object, ...], Met] = {}

    def see(self, views: Iterable[BalanceView]) -> None:
        """Take over the state of balances as the agent told it."""
        now = self._clock()
        for view in views:
            self._views[view.key] = (view, now)
        if len(self._views) > VIEWS:
            kept = [(key, seen) for key, seen in tuple(self._views.items()) if now - seen[1] <= FRESH_SECONDS]
            self._views = dict(kept)
        self._version += 1

    def met(self, policy: Policy, errand: Errand, model: str) -> Met:
        """Every budget that a call for this model meets, with its balance in the window of the moment it was made."""
        kind = (errand.route, model, errand.conversation, errand.run, *errand.labels.items())
        met = self._kinds.get(kind)
        if met is None or met.policy is not policy or not met.from_ns <= errand.at_ns < met.until_ns:
            if len(self._kinds) >= KINDS:
                self._kinds.clear()
            met = Met(policy, self._entries(policy, errand, model))
            self._kinds[kind] = met
        if met.version != self._version:
            self._look(met)
        met.used_at = self._clock()
        return met

    def stale(self, keys: Iterable[str]) -> bool:
        """Whether one of the balances must be asked for before a call is judged by it."""
        now = self._clock()
        return any((seen := self._views.get(key)) is None or now - seen[1] > FRESH_SECONDS for key in keys)

    def watched(self) -> set[str]:
        """The balances that calls met of late."""
        since = self._clock() - WATCHED_SECONDS
        kinds = tuple(self._kinds.values())
        return {key for met in kinds if met.used_at >= since for _, key, _, _ in met.entries}

    def _look(self, met: Met) -> None:
        # Read first: views that come in between are looked at by the next call.
        version = self._version
        seen = [self._views.get(key) for _, key, _, _ in met.entries]
        standings = (
            Standing(budget, key, window, mode, view[0] if view else None)
            for (budget, key, window, mode), view in zip(met.entries, seen, strict=True)
        )
        met.survey = Survey(standings, met.policy.id)
        met.fresh_until = min((view[1] + FRESH_SECONDS if view else _NEVER for view in seen), default=float("inf"))
        met.version = version  # last: from here on other threads judge by it

    def _entries(self, policy: Policy, errand: Errand, model: str) -> tuple[Entry, ...]:
        at = datetime.fromtimestamp(errand.at_ns // 10**9, UTC)
        route, labels = errand.route, errand.labels
        entries: list[Entry] = []
        for budget in policy.budgets:
            if not budget.matches(route=route, model=model, labels=labels):
                continue
            window = budget.window(at, policy.zone, conversation=errand.conversation, run=errand.run)
            key = budget.balance_key(window, budget.scope(labels, route, model))
            entries.append((budget, key, window, (budget.mode or policy.mode) if self._enforce else Mode.OBSERVE))
        return tuple(entries)


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 10**9
