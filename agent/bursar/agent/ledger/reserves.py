"""What is set aside of a balance for the time when the agent is away, and how do processes share it?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlite_utils import Database

from bursar.agent.ledger import balances, holders, slices
from bursar.policies.balancekey import expectation_of, is_reserve, reserve_of, told_of
from bursar.policies.policy import Budget, Mode, Policy

MOST = 256
"""So many reserves a process keeps at most: beyond that a label's value that it meets has none until others go back."""


MET_NS = 600 * 10**9
"""A process that met no call of a balance for so long has nothing of it set aside."""
_AGAIN_NS = 30 * 10**9
"""How old the note of it may become before it is made again."""


@dataclass(frozen=True, slots=True)
class _Allowance:
    """What all processes together may spend of one purse while the agent is away, and what each may keep of it."""

    whole: int
    each: int


_NOTHING = _Allowance(0, 0)


def renew(db: Database, holder: str, keys: Iterable[str], policy: Policy | None, now_ns: int) -> dict[str, int]:
    """
    Bring a process's reserves of these balances up to its part; by reserve, the most of it that may stay there.

    Money is set aside only where the process was lent some before, and never more than the allowance in all. A reserve
    shrinks with what is left of its balance, and goes back altogether at the end of the window, or while somebody
    goes away from the balance without money: an ordinary call comes before one that may never be made.
    """
    _note(db, holder, keys, now_ns)
    out = _out(db, holder)
    allowances = {key: _allowances(db, key, policy, now_ns) for key in _met(db, holder, now_ns)}
    room = MOST - len(out)
    for purses in allowances.values():
        missing = {purse: a.each - out.get(reserve_of(purse), 0) for purse, a in purses.items()}
        if max(missing.values(), default=0) <= 0 or (room <= 0 and not any(reserve_of(p) in out for p in purses)):
            continue
        granted = _grant(db, holder, purses, missing, now_ns)
        room -= len(granted)
        out |= {reserve: out.get(reserve, 0) + amount for reserve, amount in granted.items()}
    parts = {reserve_of(purse): a.each for purses in allowances.values() for purse, a in purses.items()}
    return {reserve: parts.get(reserve, 0) for reserve in out}


def _grant(
    db: Database, holder: str, purses: Mapping[str, _Allowance], missing: Mapping[str, int], now_ns: int
) -> dict[str, int]:
    """Lend what is missing, in every purse of a balance or in none, as far as the others and the balance leave it."""
    granted: dict[str, int] = {}
    for purse, allowance in purses.items():
        balance = balances.read(db, purse, now_ns)
        pool = balance.pool if balance is not None else None
        left = allowance.whole - _out_of(db, reserve_of(purse))
        granted[reserve_of(purse)] = max(min(missing[purse], left, pool or 0), 0)
    if not all(granted.values()):
        return {}
    for reserve, amount in granted.items():
        holders.grant(db, holder, reserve, amount)
    return granted


def _allowances(db: Database, key: str, policy: Policy | None, now_ns: int) -> dict[str, _Allowance]:
    """By purse of a balance, its allowance; none where its budget sets nothing aside."""
    budget = balances.budget_of(key, policy)
    amount = _amount(budget, policy)
    if amount is None or budget is None:
        return {}
    purses = (key, expectation_of(key)) if budget.overdraft_nano else (key,)
    shared = processes(db, key, now_ns)
    return {purse: _allowance(db, purse, amount, shared, now_ns) for purse in purses}


def _amount(budget: Budget | None, policy: Policy | None) -> int | None:
    """What each balance of a budget may cost in an outage, in nano-dollars; None where nothing is set aside."""
    if budget is None or policy is None or not budget.hard or budget.limit.unit != "usd":
        return None
    choice = budget.on_unreachable or policy.on_unreachable
    acts = (budget.mode or policy.mode) is Mode.ENFORCE
    return choice.amount_nano if choice.kind == "limited" and acts else None


def _allowance(db: Database, purse: str, amount: int, shared: int, now_ns: int) -> _Allowance:
    balance = balances.read(db, purse, now_ns)
    over = balance is None or (balance.window_end is not None and balance.window_end <= now_ns)
    if balance is None or balance.unspent is None or over or slices.wanted(db, purse, now_ns):
        return _NOTHING
    # Half of what is left stays for the calls that are made while the agent is here.
    whole = max(min(amount, balance.unspent // 2), 0)
    return _Allowance(whole, whole // max(shared, 1))


def processes(db: Database, key: str, now_ns: int) -> int:
    """How many processes that live have met calls of a balance of late."""
    count: int = db.conn.execute(
        "SELECT count(*) FROM leases JOIN holders ON id = holder WHERE balance = ? AND state = 'active' AND met_ns > ?",
        [key, now_ns - MET_NS],
    ).fetchone()[0]
    return count


def _note(db: Database, holder: str, keys: Iterable[str], now_ns: int) -> None:
    """Calls of these balances are met."""
    met = list(dict.fromkeys(map(told_of, keys)))
    if met:
        db.conn.execute(
            "UPDATE leases SET met_ns = ? WHERE balance IN (SELECT value FROM json_each(?)) AND holder = ? "
            "AND met_ns < ?",
            [now_ns, json.dumps(met), holder, now_ns - _AGAIN_NS],
        )


def _met(db: Database, holder: str, now_ns: int) -> list[str]:
    """The balances that a process was lent something of, and met calls of, of late; the latest first."""
    rows = db.conn.execute(
        "SELECT balance FROM leases WHERE holder = ? AND met_ns > ? AND granted > 0 ORDER BY met_ns DESC LIMIT ?",
        [holder, now_ns - MET_NS, MOST],
    ).fetchall()
    return [key for (key,) in rows]


def _out(db: Database, holder: str) -> dict[str, int]:
    """By reserve, what a process has of it."""
    rows = db.conn.execute(
        "SELECT balance, granted - returned - charged AS out FROM leases WHERE holder = ? AND out > 0", [holder]
    ).fetchall()
    return {key: out for key, out in rows if is_reserve(key)}


def _out_of(db: Database, reserve: str) -> int:
    """What is out of a reserve in all."""
    out: int = db.conn.execute(
        "SELECT coalesce(sum(max(granted - returned - charged, 0)), 0) FROM leases WHERE balance = ?", [reserve]
    ).fetchone()[0]
    return out
