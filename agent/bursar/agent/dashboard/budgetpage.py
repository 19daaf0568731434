"""What does one budget stand at, what became of it before, and why did it decide as it did?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import zip_longest

from sqlite_utils import Database

from bursar.agent.dashboard import budgetrecords
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.balancetable import balance_table, override_words
from bursar.agent.dashboard.chart import Chart, Line, Measure, Shape
from bursar.agent.dashboard.page import NotThereError, Now, Page
from bursar.agent.ledger import balancebook, budgetpast, overridebook
from bursar.agent.ledger.balancebook import Standing
from bursar.agent.ledger.budgetpast import Pace
from bursar.agent.ledger.callbook import Cursor
from bursar.agent.ledger.flows import MINUTE
from bursar.policies.amounts import Unit
from bursar.policies.overrides import EVERY_BUDGET
from bursar.policies.policy import Budget
from bursar.policies.policyfile.describe import of_budget

_DRAWN = 7
"""Scope values that the chart tells apart: the fullest of now."""
_EMPTY = (
    "Nothing was counted in it in a window of now. As soon as a call is sent that it matches, its balance stands here."
)


def budget_page(db: Database, asked: Asked, now: Now) -> Page:
    """One budget. Raises `NotThereError` where neither the policy nor the ledger has it."""
    name = asked.name
    budget = _ruled(name, now)
    if budget is None and not balancebook.budget_known(db, name):
        raise NotThereError(
            f"There is no budget {name!r}: neither the policy nor the ledger has one of that name. "
            "The page of budgets lists them all."
        )
    found = balancebook.standings(db, now.ns, budget=name, find=asked.find, page=asked.page)
    names = (EVERY_BUDGET, name, name.partition(":")[0])
    overrides = [each for each in overridebook.standing(db, now.ns) if each.budget in names]
    decided = budgetpast.decisions(db, name, asked.since_ns, asked.until_ns, cursor_of(asked))
    alerts = budgetpast.alerts(db, name)
    tables = (
        balance_table(found.shown, asked, now, overrides, empty=_EMPTY, of_one=True),
        budgetrecords.decisions(decided, asked),
        budgetrecords.windows(budgetpast.windows(db, name, now.ns)).sorted_by(asked.sort),
        budgetrecords.holds(budgetpast.holds(db, name), asked).sorted_by(asked.sort),
        budgetrecords.alerts(alerts).sorted_by(asked.sort),
        budgetrecords.deliveries(alerts).sorted_by(asked.sort),
        budgetrecords.overrides(budgetpast.overrides(db, name), now).sorted_by(asked.sort),
    )
    data = {
        "said": [(line.strip(), line.startswith("  ")) for line in (of_budget(budget) if budget else ())],
        "overrides": [override_words(each, now) for each in overrides],
        "fullest": found.shown[0] if found.shown else None,
        "total": found.total,
        "size": balancebook.SHOWN,
        "chart": _chart(db, asked, found.shown),
        "decided": decided,
        "named": shlex.quote(name),
    }
    return Page("budget", name, data, tables)


def cursor_of(asked: Asked) -> Cursor | None:
    """Behind which row a list goes on; None for its beginning."""
    return None if asked.before is None else Cursor(*asked.before)


def _ruled(name: str, now: Now) -> Budget | None:
    budgets = () if now.policy is None else now.policy.budgets
    return next((budget for budget in budgets if budget.name == name), None)


def _chart(db: Database, asked: Asked, shown: Sequence[Standing]) -> Chart | None:
    """Spend over the span asked for, by scope value; None where there is nothing to draw."""
    scopes = list(dict.fromkeys(one.scope for one in shown))[:_DRAWN]
    if not scopes:
        return None
    unit: Unit = shown[0].unit
    step = budgetpast.step_for(asked.since_ns, asked.until_ns)
    paces = budgetpast.pace(db, shown[0].budget, scopes, asked.since_ns, asked.until_ns, step)
    first = asked.since_ns // (step * 10**9)
    x = [(first + place) * step for place in range(len(paces[0].nano))]
    every = "minute" if step == MINUTE else "hour"
    of = f", of the {_DRAWN} fullest balances" if len(shown) > _DRAWN else ""
    what = {"usd": "Spend", "tokens": "Tokens", "calls": "Calls"}[unit]
    return Chart(
        "pace", f"{what} per {every}{of}", x, [Line(pace.scope or "all", pace.of(unit)) for pace in paces],
        Shape.BARS, Measure.MONEY if unit == "usd" else Measure.COUNT, summary=_summary(paces, unit, every),
    )  # fmt: skip


def _summary(paces: Sequence[Pace], unit: Unit, every: str) -> str:
    totals = [sum(figures) for figures in zip_longest(*(pace.of(unit) for pace in paces), fillvalue=0)]
    return f"{len([1 for total in totals if total])} of {len(totals)} {every}s have spending in them."
