"""What has a balance spent in the last hour, beside what it usually spends in one like it?"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger import flows, history
from bursar.agent.ledger.flows import HOUR, Flow
from bursar.agent.ledger.history import Purse
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.outlook.usual import LOOKED_BACK, far_above, usual_hour
from bursar.policies.policy import Budget
from bursar.policies.protocol import BalanceView

_SLOT_NS = HOUR * 10**9


class Kept(NamedTuple):
    """What is kept of the usual hour in a balance's row: for which hour since the epoch, and what it comes to."""

    slot: int = 0
    nano: int | None = None


def told(db: Database, view: BalanceView, budget: Budget, kept: Kept, now_ns: int) -> BalanceView:
    """
    The view with what its last hour cost, what is usual, and what is far above that: all in nano-dollars.

    As it was in the balance's first week, in which nobody knows what is usual.
    """
    flow = flows.flow_of(parse_balance_key(view.key))
    slot = now_ns // _SLOT_NS
    usual = kept.nano if kept.slot == slot else _worked_out(db, view.key, flow, slot)
    if usual is None:
        return view
    flying = view.expected if budget.limit.unit == "usd" else 0
    recent = {**view.recent, str(HOUR): flows.last_hour(db, flow, now_ns) + flying}
    return replace(view, recent=recent, usual=usual, unusual=far_above(usual, budget, view.limit))


def _worked_out(db: Database, key: str, flow: Flow, slot: int) -> int | None:
    """The usual hour, to be kept for as long as the hour lasts: eight weeks are read for it."""
    purse = Purse(flow.budget, flow.scope)
    first = history.first_hour(db, purse)
    hours = {} if first is None else history.hourly(db, purse, slot - LOOKED_BACK, slot)
    usual = None if first is None else usual_hour(hours, first, slot)
    db.conn.execute("UPDATE balances SET usual_slot = ?, usual_nano = ? WHERE key = ?", [slot, usual, key])
    return usual
