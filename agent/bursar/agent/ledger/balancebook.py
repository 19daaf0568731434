"""Which balances stand at what now, the fullest first, however many there are?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlite_utils import Database

from bursar.agent.ledger import balances
from bursar.policies.amounts import Unit
from bursar.policies.balancekey import parse_balance_key

SHOWN = 50
"""Balances of one page."""
_ENDLESS = 500
"""Balances without an end that are looked at: those that moved last."""
_DAY_NS = 86_400 * 10**9
_KEPT_NS = 40 * _DAY_NS
_SPENT = "CASE unit WHEN 'tokens' THEN spent_tokens WHEN 'calls' THEN calls ELSE spent_nano END"
_SHARE = f"CAST({_SPENT} AS REAL) / max(limit_amount, 1)"


@dataclass(frozen=True, slots=True)
class Standing:
    """One balance of now; amounts in its unit."""

    key: str
    budget: str
    scope: str
    unit: Unit
    limit: int | None
    """None where no policy ever gave it one."""
    ceiling: int | None
    spent: int
    flying: int
    """What calls in flight are expected to cost."""
    lent: int
    calls: int
    window: str
    window_end: int | None
    in_force: tuple[str, ...]
    """Labels of the steps that are reached and not left yet."""

    @property
    def share(self) -> float | None:
        """How full it is: spent, of its limit."""
        return None if not self.limit else self.spent / self.limit

    @property
    def left(self) -> int | None:
        """What is neither spent nor expected to be."""
        return None if self.limit is None else max(self.limit - self.spent - self.flying, 0)


@dataclass(frozen=True, slots=True)
class Standings:
    """A page of them, and how many there are in all."""

    shown: tuple[Standing, ...]
    total: int


def standings(db: Database, now_ns: int, *, budget: str = "", find: str = "", page: int = 1) -> Standings:
    """
    The balances whose window holds an instant: of one budget, or of those whose name or scope has a text in it.

    Windows without an end are shown while something is in flight in them, and for a day after they last moved;
    rolling ones for as long as they look back.
    """
    wanted, values = _wanted(budget, find)
    most = page * SHOWN
    turning = f"FROM balances WHERE window_end > ? AND window_start <= ? {wanted}"
    (total,) = db.conn.execute(f"SELECT count(*) {turning}", [now_ns, now_ns, *values]).fetchone()
    keys = db.conn.execute(
        f"SELECT key, {_SHARE} {turning} ORDER BY 2 DESC, key LIMIT ?", [now_ns, now_ns, *values, most]
    ).fetchall()
    found = [(share, key) for key, share in keys]
    endless = [(_share(db, key, now_ns), key) for key in _endless(db, now_ns, wanted, values)]
    ordered = sorted([*found, *endless], key=lambda pair: (-pair[0] if pair[0] is not None else 1.0, pair[1]))
    shown = (standing(db, key, now_ns) for _, key in ordered[most - SHOWN : most])
    return Standings(tuple(one for one in shown if one is not None), total + len(endless))


def standing(db: Database, key: str, now_ns: int) -> Standing | None:
    """What one balance stands at; None where there is none."""
    balance = balances.read(db, key, now_ns)
    row = db.conn.execute("SELECT budget, scope, unit, calls, in_force FROM balances WHERE key = ?", [key]).fetchone()
    if balance is None or row is None:
        return None
    budget, scope, unit, calls, in_force = row
    return Standing(
        *(key, budget, scope, unit, balance.limit, balance.ceiling, balance.spent),
        flying=balances.expected(db, key),
        lent=balance.out,
        calls=calls,
        window=balances.window_of(key),
        window_end=balance.window_end,
        in_force=tuple(json.loads(in_force)),
    )


def _wanted(budget: str, find: str) -> tuple[str, list[str]]:
    """A filter, with a leading AND."""
    terms, values = "", list[str]()
    if budget:
        terms, values = "AND budget = ?", [budget]
    if find:
        terms, values = f"{terms} AND instr(lower(budget || ' ' || scope), lower(?)) > 0", [*values, find]
    return terms, values


def _endless(db: Database, now_ns: int, wanted: str, values: Iterable[str]) -> list[str]:
    rows = db.conn.execute(
        "SELECT key, moved_ns, EXISTS (SELECT 1 FROM holds WHERE balance = key) FROM balances "
        f"WHERE window_end IS NULL AND moved_ns > ? {wanted} ORDER BY moved_ns DESC, key LIMIT ?",
        [now_ns - _KEPT_NS, *values, _ENDLESS],
    ).fetchall()
    return [key for key, moved_ns, flies in rows if flies or now_ns - moved_ns < _shown_ns(key)]


def _shown_ns(key: str) -> int:
    return max(_DAY_NS, (balances.rolls(key) or 0) * 10**9)


def _share(db: Database, key: str, now_ns: int) -> float | None:
    balance = balances.read(db, key, now_ns)
    return None if balance is None or not balance.limit else balance.spent / balance.limit


def budget_known(db: Database, budget: str) -> bool:
    """Whether anything was ever counted in a budget of this name."""
    low, high = keys_of(budget)
    return (
        db.conn.execute("SELECT 1 FROM balances WHERE key >= ? AND key < ? LIMIT 1", [low, high]).fetchone() is not None
    )


def keys_of(budget: str) -> tuple[str, str]:
    """Between which texts the keys of all its balances lie: from the first up to, not including, the second."""
    return f"{budget}|", f"{budget}}}"


def unit_of(key: str) -> Unit:
    """The unit of a balance; dollars for a key that is none of ours."""
    try:
        return parse_balance_key(key).unit
    except ValueError:
        return "usd"
