"""What does every budget stand at, on one page?"""

from __future__ import annotations

from sqlite_utils import Database

from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.balancetable import address, balance_table
from bursar.agent.dashboard.page import Now, Page
from bursar.agent.dashboard.table import Column, Row, Table
from bursar.agent.ledger import balancebook, overridebook
from bursar.policies.policyfile.describe import of_budget

_EMPTY = "No budget counts anything now. Write one into a policy file and start the agent with --policy."
_UNFOUND = "No balance of now has that in its budget or in what it is for. Search for less, or for nothing."
_NO_POLICY = "The agent has no policy, so there is no budget: start it with --policy bursar.toml."


def budgets_page(db: Database, asked: Asked, now: Now) -> Page:
    """Every balance of now, the fullest first, and what the policy says of each budget."""
    found = balancebook.standings(db, now.ns, find=asked.find, page=asked.page)
    overrides = overridebook.standing(db, now.ns)
    empty = _UNFOUND if asked.find else _EMPTY
    balances = balance_table(found.shown, asked, now, overrides, empty=empty, of_one=False)
    data = {"total": found.total, "size": balancebook.SHOWN, "overrides": [str(override) for override in overrides]}
    return Page("budgets", "Budgets", data, (balances, _ruled(asked, now)))


def _ruled(asked: Asked, now: Now) -> Table:
    """The budgets of the policy, also those that nothing was counted in yet."""
    budgets = () if now.policy is None else now.policy.budgets
    rows = [
        Row({"name": budget.name, "says": _said(next(of_budget(budget)), budget.name)}, address(budget.name, asked))
        for budget in budgets
    ]
    columns = (Column("name", "Budget", sortable=False), Column("says", "What the policy says", sortable=False))
    return Table("policy", "Budgets of the policy", columns, tuple(rows), _NO_POLICY)


def _said(sentence: str, name: str) -> str:
    return sentence.removeprefix(f'Budget "{name}": ')
