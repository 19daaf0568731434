"""Which steps of a balance are in force: reached, and not left yet?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from sqlite_utils import Database

from bursar.agent.ledger import balances, hours, reserves
from bursar.agent.ledger.flows import HOUR
from bursar.agent.ledger.hours import Kept
from bursar.policies.policy import Policy, Step
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import HYSTERESIS


def keep(db: Database, views: Iterable[BalanceView], policy: Policy | None, now_ns: int) -> tuple[BalanceView, ...]:
    """
    The views with the steps that are in force, noted so that every process, now and after a restart, sees the same.

    A step comes into force at its share, and is left ten points below it; a step at a loop at an hour far above the
    usual, and is left ten points below that. An alert is told once, and a block is the lending's to do: neither is
    kept.
    """
    return tuple(_kept(db, view, policy, now_ns) for view in views)


def _kept(db: Database, view: BalanceView, policy: Policy | None, now_ns: int) -> BalanceView:
    budget = balances.budget_of(view.key, policy)
    if budget is None:
        return view
    if any(step.does("throttle") for step in budget.steps):
        view = replace(view, processes=max(reserves.processes(db, view.key, now_ns), 1))
    steps = [step for step in budget.steps if _lasts(step)]
    loops = budget.loops
    if not steps and not loops:
        return view
    before, usual = _kept_before(db, view.key)
    if loops:
        view = hours.told(db, view, budget, usual, now_ns)
    share = Fraction(view.spent + view.expected, view.limit) if view.limit > 0 else Fraction(1)
    now = [step.label for step in steps if _is_in_force(step.label, share, step.share or Fraction(0), before)]
    if view.unusual:
        hour = Fraction(view.recent.get(str(HOUR), 0), view.unusual)
        now += [step.label for step in loops if _is_in_force(step.label, hour, Fraction(1), before)]
    in_force = tuple(now)
    if in_force != before:
        db.conn.execute("UPDATE balances SET in_force = ? WHERE key = ?", [json.dumps(in_force), view.key])
    return replace(view, in_force=in_force)


def _lasts(step: Step) -> bool:
    return step.share is not None and step.changes


def _is_in_force(label: str, share: Fraction, mark: Fraction, before: tuple[str, ...]) -> bool:
    return share >= mark or (label in before and share >= mark - HYSTERESIS)


def _kept_before(db: Database, key: str) -> tuple[tuple[str, ...], Kept]:
    row = db.conn.execute("SELECT in_force, usual_slot, usual_nano FROM balances WHERE key = ?", [key]).fetchone()
    return (tuple(json.loads(row[0])), Kept(*row[1:])) if row is not None else ((), Kept())
