"""What is a table of balances: how full is each, until when, and what is in force in it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

from bursar.agent.dashboard import words
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.page import Now
from bursar.agent.dashboard.table import Column, Kind, Row, Table
from bursar.agent.ledger.balancebook import Standing
from bursar.policies.overrides import EVERY_BUDGET, Override, OverrideKind

_NEARLY = 0.8
"""From this share on a balance is shown as one to look at."""
_COLUMNS: Final = (
    Column("budget", "Budget"),
    Column("scope", "For"),
    Column("used", "Used", Kind.METER, "Spent, of its limit"),
    Column("spent", "Spent", Kind.AMOUNT),
    Column("flying", "In flight", Kind.AMOUNT, "What calls under way are expected to cost"),
    Column("limit", "Limit", Kind.AMOUNT),
    Column("lent", "Lent", Kind.AMOUNT, "What processes may still spend without asking"),
    Column("calls", "Calls", Kind.COUNT),
    Column("ends", "Window ends", Kind.UNTIL),
    Column("steps", "In force"),
    Column("override", "Override"),
    Column("unit", "Unit"),
)


def balance_table(
    standings: Sequence[Standing], asked: Asked, now: Now, overrides: Sequence[Override], *, empty: str, of_one: bool
) -> Table:
    """These balances, the fullest first; `of_one` budget says nothing of which."""
    rows = tuple(_row(one, asked, now, overrides) for one in standings)
    columns = _COLUMNS[1:] if of_one else _COLUMNS
    return Table("balances" if of_one else "budgets", "Balances of now", columns, rows, empty).sorted_by(
        asked.sort, "-used"
    )


def address(budget: str, asked: Asked) -> str:
    """Where a budget's page is."""
    return asked.link(f"/budgets/{quote(budget, safe='')}")


def _row(one: Standing, asked: Asked, now: Now, overrides: Sequence[Override]) -> Row:
    steps = list(one.in_force)
    if one.ceiling is not None and one.spent >= one.ceiling and _refuses(one, now):
        steps.append("refuses calls")
    full = one.share is not None and one.share >= 1
    badge = "bad" if full else "warn" if one.share is not None and one.share >= _NEARLY else ""
    return Row(
        {
            "budget": one.budget,
            "scope": one.scope or "all",
            "used": one.share,
            "spent": one.spent,
            "flying": one.flying,
            "limit": one.limit,
            "lent": one.lent,
            "calls": one.calls,
            "ends": one.window_end,
            "steps": ", ".join(steps) or None,
            "override": "; ".join(override_words(each, now) for each in concerning(overrides, one)) or None,
            "unit": one.unit,
        },
        href="",
        badges={"used": badge} if badge else {},
        links={"budget": address(one.budget, asked)},
        unit=one.unit,
    )


def _refuses(one: Standing, now: Now) -> bool:
    budgets = () if now.policy is None else now.policy.budgets
    return any(budget.hard for budget in budgets if budget.name == one.budget)


def concerning(overrides: Iterable[Override], one: Standing) -> list[Override]:
    """Those of overrides that are about a balance."""
    names = (EVERY_BUDGET, one.budget, one.budget.partition(":")[0])
    return [each for each in overrides if each.budget in names and each.scope in (None, one.scope)]


def override_words(override: Override, now: Now) -> str:
    """What an override does, until when, by whom, and why."""
    what = "paused" if override.kind is OverrideKind.PAUSE else f"raised by {_amount(override)}"
    by = f" by {override.by}" if override.by else ""
    why = f": {override.reason}" if override.reason else ""
    return f"{what} until {words.at(override.until_ns, now.tz)}{by}{why}"


def _amount(override: Override) -> str:
    return words.exact_amount(override.amount, override.unit)
