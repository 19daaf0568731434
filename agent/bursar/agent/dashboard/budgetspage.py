"""What does every budget stand at, on one page?"""

from __future__ import annotations

from urllib.parse import quote

from sqlite_utils import Database

from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.page import Now, Page
from bursar.agent.dashboard.table import Column, Kind, Row, Table
from bursar.agent.ledger import reports

_COLUMNS = (
    Column("budget", "Budget"),
    Column("scope", "For"),
    Column("calls", "Calls", Kind.COUNT),
    Column("spent", "Spent", Kind.MONEY),
    Column("limit", "Limit", Kind.MONEY),
    Column("used", "Used", Kind.SHARE),
)
_EMPTY = "No budget counts anything now. Write one into a policy file and start the agent with --policy."


def budgets_page(db: Database, asked: Asked, now: Now) -> Page:
    """Every balance of now, the fullest first."""
    rows = [_row(balance, asked) for balance in reports.budgets(db, now.ns)]
    table = Table("budgets", "Balances of now", _COLUMNS, tuple(rows), _EMPTY).sorted_by(asked.sort, "-used")
    return Page("budgets", "Budgets", tables=(table,))


def _row(balance: reports.Row, asked: Asked) -> Row:
    limit, spent = balance["limit"], balance["spent"]
    cells = {name: balance[name] for name in ("budget", "calls", "spent", "limit")}
    used = None if not limit else spent / limit
    return Row(
        {**cells, "scope": balance["scope"] or "all", "used": used}, asked.link(f"/budgets/{quote(balance['budget'])}")
    )
