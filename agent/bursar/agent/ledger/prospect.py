"""Where would a policy's budgets stand at this moment, by what the ledger has?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlite_utils import Database

from bursar.agent.ledger import balances
from bursar.policies.amounts import Unit
from bursar.policies.balancekey import KIND_OF_UNIT, Amounts, parse_balance_key
from bursar.policies.policy import Budget, Mode, Policy
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import Standing
from bursar.policies.windows import OWN_WINDOWS, ROLLING, Window

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Prospect:
    """One balance under a policy that is not in force yet. Amounts in its unit."""

    budget: str
    scope: str
    unit: Unit
    spent: int
    limit: int
    counted: bool
    """
    Whether the ledger counts this balance already, so that it will stand so at once.

    Else it begins at nothing, and `spent` is what it would have counted in this window.
    """
    due: tuple[str, ...]
    """The steps that are reached."""
    refuses: bool
    """Whether it would refuse the next call."""


def prospects(db: Database, policy: Policy, now_ns: int) -> list[Prospect]:
    """Every balance that something was, or would have been, spent of; windows of conversations and runs left out."""
    found: list[Prospect] = []
    for budget in policy.budgets:
        if budget.every not in OWN_WINDOWS:
            window = budget.window(_instant(now_ns), policy.zone)
            found += [_prospect(budget, policy, window, row) for row in _spent(db, budget, window, now_ns)]
    return sorted(found, key=lambda one: (not one.refuses, one.budget, one.scope))


def _prospect(budget: Budget, policy: Policy, window: Window, row: tuple[str, int, bool]) -> Prospect:
    scope, spent, counted = row
    limit, ceiling = budget.limit_of(scope), budget.ceiling_of(scope)
    key = budget.balance_key(window, scope)
    view = BalanceView(key=key, limit=limit, ceiling=ceiling, spent=spent, expected=0, lent=0)
    standing = Standing(budget, key, window, budget.mode or policy.mode, view)
    due = tuple(step.label for step in standing.due())
    refuses = counted and budget.hard and standing.mode is Mode.ENFORCE and spent >= ceiling
    return Prospect(budget.name, scope, budget.limit.unit, spent, limit, counted, due, refuses)


def _spent(db: Database, budget: Budget, window: Window, now_ns: int) -> Iterator[tuple[str, int, bool]]:
    """By scope value: what is spent, and whether the ledger counts it already."""
    known: set[str] = set()
    for (key,) in db.conn.execute("SELECT key FROM balances WHERE budget = ? ORDER BY key", [budget.name]).fetchall():
        parsed = parse_balance_key(key)
        if parsed.window_id == window.window_id and parsed.unit == budget.limit.unit:
            balance = balances.read(db, key, now_ns)
            known.add(parsed.scope)
            yield parsed.scope, 0 if balance is None else balance.spent, True
    for scope, amounts in sorted(_replayed(db, budget, window, now_ns).items()):
        if scope not in known:
            yield scope, amounts[KIND_OF_UNIT[budget.limit.unit]], False


def _replayed(db: Database, budget: Budget, window: Window, now_ns: int) -> dict[str, Amounts]:
    """What calls of this window that the budget matches have cost, by scope value."""
    rows = db.conn.execute(
        """
        SELECT route, requested_model, labels, coalesce(cost_nano, 0),
            coalesce(input + cache_read + cache_write_5m + cache_write_1h + output, 0)
        FROM attempts WHERE state IN ('settled', 'orphaned') AND duplicate_of IS NULL AND at_ns >= ?
        """,
        [_since(window, now_ns)],
    )
    sums: dict[str, Amounts] = {}
    for route, model, labels, nano, tokens in rows:
        names: dict[str, str] = json.loads(labels)
        if budget.matches(route=route, model=model, labels=names):
            scope = budget.scope(names, route, model)
            so_far = sums.get(scope, Amounts(calls=0))
            sums[scope] = Amounts(so_far.usd + nano, so_far.tokens + tokens, so_far.calls + 1)
    return sums


def _since(window: Window, now_ns: int) -> int:
    if window.start is not None:
        return int(window.start.timestamp()) * _SECOND
    seconds = balances.rolls(f"|{window.window_id}|") if window.window_id.startswith(ROLLING) else None
    return now_ns - (seconds or 0) * _SECOND


def _instant(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // _SECOND, UTC)
