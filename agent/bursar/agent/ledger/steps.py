"""Which steps of a balance are in force: reached, and not left yet?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from sqlite_utils import Database

from bursar.agent.ledger import balances, reserves
from bursar.policies.policy import Policy, Step
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import HYSTERESIS


def keep(db: Database, views: Iterable[BalanceView], policy: Policy | None, now_ns: int) -> tuple[BalanceView, ...]:
    """
    The views with the steps that are in force, noted so that every process, now and after a restart, sees the same.

    A step comes into force at its share, and is left ten points below it. An alert is told once, and a block is the
    lending's to do: neither is kept.
    """
    return tuple(_kept(db, view, policy, now_ns) for view in views)


def _kept(db: Database, view: BalanceView, policy: Policy | None, now_ns: int) -> BalanceView:
    budget = balances.budget_of(view.key, policy)
    steps = [step for step in budget.steps if _lasts(step)] if budget is not None else []
    if budget is not None and any(step.does("throttle") for step in budget.steps):
        view = replace(view, processes=max(reserves.processes(db, view.key, now_ns), 1))
    if not steps:
        return view
    before = _before(db, view.key)
    share = Fraction(view.spent + view.expected, view.limit) if view.limit > 0 else Fraction(1)
    now = tuple(step.label for step in steps if _is_in_force(step, share, before))
    if now != before:
        db.conn.execute("UPDATE balances SET in_force = ? WHERE key = ?", [json.dumps(now), view.key])
    return replace(view, in_force=now)


def _lasts(step: Step) -> bool:
    return step.share is not None and step.changes


def _is_in_force(step: Step, share: Fraction, before: tuple[str, ...]) -> bool:
    assert step.share is not None
    return share >= step.share or (step.label in before and share >= step.share - HYSTERESIS)


def _before(db: Database, key: str) -> tuple[str, ...]:
    row = db.conn.execute("SELECT in_force FROM balances WHERE key = ?", [key]).fetchone()
    return tuple(json.loads(row[0])) if row is not None else ()
