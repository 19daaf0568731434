"""What does a balance stand at: its limit, what is spent, held and lent, and what may still be lent?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger import flows
from bursar.agent.ledger.flows import Flow
from bursar.policies.amounts import Unit, parse_duration
from bursar.policies.balancekey import Kind, kind_of, parse_balance_key, reserve_of, told_of
from bursar.policies.policy import Budget, Policy, zone_of
from bursar.policies.protocol import BalanceView
from bursar.policies.windows import CALENDAR_WINDOWS, OWN_WINDOWS, ROLLING, Anchor, Window, window_at

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Balance:
    """One row. Amounts in the balance's unit, nano-dollars where that is USD; instants in nanoseconds."""

    key: str
    window_end: int | None
    limit: int | None
    """None, as the ceiling, where no policy ever said: such a balance counts, and lends nothing."""
    ceiling: int | None
    spent: int
    out: int
    """
    What processes may still cost out of their leases: granted, not returned, not charged.

    One that spent more than it was lent counts as nothing here: its overrun is in `spent`, and is nobody's to lend.
    """

    @property
    def pool(self) -> int | None:
        """What may still be lent; below zero after an overrun or a lowered limit."""
        return None if self.ceiling is None else self.ceiling - self.spent - self.out

    @property
    def unspent(self) -> int | None:
        """What could be lent if every lease came back unused."""
        return None if self.ceiling is None else self.ceiling - self.spent


def matching(policy: Policy, *, at_ns: int, route: str, model: str, labels: dict[str, str]) -> tuple[str, ...]:
    """
    Keys of every balance that a call sent at an instant counts against, in the order of the policy's budgets.

    Budgets of conversations and runs are left out: which one a call belongs to only its own process can tell.
    """
    at = _instant(at_ns)
    return tuple(
        budget.balance_key(budget.window(at, policy.zone), budget.scope(labels, route, model))
        for budget in policy.budgets
        if budget.every not in OWN_WINDOWS and budget.matches(route=route, model=model, labels=labels)
    )


def ensure(db: Database, key: str, policy: Policy | None) -> None:
    """
    A row for this balance, at the policy's present limit.

    Where the policy has no such budget (any more) the row keeps its numbers, and a new one has none.
    """
    base = told_of(key)
    ruled = _ruled(base, policy)
    # Looked at first: nearly always it is there, and what would write takes several times as long.
    row = db.conn.execute("SELECT limit_amount, ceiling, soft_ceiling FROM balances WHERE key = ?", [base]).fetchone()
    if row is not None and (ruled is None or row == ruled.limits):
        return
    if ruled is None:
        db.conn.execute(
            "INSERT INTO balances (key, budget, scope, window_start, unit) VALUES (?, ?, ?, ?, ?)",
            [base, *_named(base)],
        )
        return
    db.conn.execute(
        """
        INSERT INTO balances
            (key, budget, scope, window_start, window_end, limit_amount, ceiling, soft_ceiling, unit)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE
            SET limit_amount = excluded.limit_amount, ceiling = excluded.ceiling,
                soft_ceiling = excluded.soft_ceiling, window_end = excluded.window_end
            WHERE limit_amount IS NOT excluded.limit_amount OR ceiling IS NOT excluded.ceiling
                OR soft_ceiling IS NOT excluded.soft_ceiling
        """,
        [base, *ruled.place, *ruled.limits, parse_balance_key(base).unit],
    )


def budget_of(key: str, policy: Policy | None) -> Budget | None:
    """The budget that the policy has for this balance; None where it has no such budget or window."""
    ruled = _ruled(told_of(key), policy)
    return None if ruled is None else ruled.budget


def known(key: str, policy: Policy | None) -> bool:
    """Whether the policy has the budget and the window of this balance."""
    return _ruled(told_of(key), policy) is not None


_READ = """
SELECT budget, scope, window_end, limit_amount, CASE WHEN :by_expectation THEN soft_ceiling ELSE ceiling END,
    CASE unit WHEN 'tokens' THEN spent_tokens WHEN 'calls' THEN calls ELSE spent_nano END,
    (SELECT coalesce(sum(max(granted - returned - charged, 0)), 0) FROM leases WHERE balance IN (:key, :reserve))
FROM balances WHERE key = :base
"""


def read(db: Database, key: str, now_ns: int) -> Balance | None:
    """
    A balance as it stands at an instant; None where nothing was ever counted or asked of it.

    Of the second currency of a budget that may be overdrawn: the same balance, with the ceiling and the leases of that.
    """
    kind = kind_of(key)
    named = {"key": key, "reserve": reserve_of(key), "base": told_of(key), "by_expectation": kind is Kind.EXPECTED}
    row = db.conn.execute(_READ, named).fetchone()
    if row is None:
        return None
    budget, scope, window_end, limit, ceiling, spent, out = row
    seconds = rolls(key)
    if seconds is not None:
        spent = flows.spent(db, Flow(budget, scope), flows.back(now_ns, seconds), flows.FOR_EVER)[_COUNTED[kind]]
    return Balance(key, window_end, limit, ceiling, spent, out)


_COUNTED = {Kind.USD: Kind.USD, Kind.TOKENS: Kind.TOKENS, Kind.CALLS: Kind.CALLS, Kind.EXPECTED: Kind.USD}


def expected(db: Database, key: str) -> int:
    """What the attempts in flight are expected to cost this balance, in its unit."""
    total: int = db.conn.execute("SELECT coalesce(sum(expected), 0) FROM holds WHERE balance = ?", [key]).fetchone()[0]
    return total


Look = Callable[[str], Balance | None]
"""Reads a balance; one that was read before may be remembered, where nothing has changed since."""


def views(
    db: Database, keys: Iterable[str], policy: Policy | None, now_ns: int, look: Look | None = None
) -> tuple[BalanceView, ...]:
    """The balances of these keys as a guard sees them; those that no policy ever gave a limit are left out."""
    found = (_view(db, key, policy, now_ns, look) for key in dict.fromkeys(told_of(key) for key in keys))
    return tuple(view for view in found if view is not None)


def _view(db: Database, key: str, policy: Policy | None, now_ns: int, look: Look | None) -> BalanceView | None:
    row = read(db, key, now_ns) if look is None else look(key)
    if row is None or row.limit is None or row.ceiling is None:
        return None
    return BalanceView(
        key=key,
        limit=row.limit,
        ceiling=row.ceiling,
        spent=row.spent,
        expected=expected(db, key),
        lent=row.out,
        window_end=None if row.window_end is None else iso(row.window_end),
        recent=_recent(db, key, policy, now_ns),
    )


def _recent(db: Database, key: str, policy: Policy | None, now_ns: int) -> dict[str, int]:
    """What was spent, or is in flight, within the seconds of each velocity of the balance's budget."""
    budget = budget_of(key, policy)
    if budget is None or not budget.velocities:
        return {}
    flow = flows.flow_of(parse_balance_key(key))
    flying = expected(db, key) if budget.limit.unit == "usd" else 0
    return {
        velocity.span: flows.spent(db, flow, flows.back(now_ns, velocity.seconds), flows.FOR_EVER).usd + flying
        for velocity in budget.velocities
    }


def window_of(key: str) -> str:
    """The id of the window that a key names; empty for a key that is none of ours."""
    try:
        return parse_balance_key(key).window_id
    except ValueError:
        return ""


def iso(at_ns: int) -> str:
    """An instant as text in UTC, to the second."""
    return f"{_instant(at_ns).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


class _Ruled(NamedTuple):
    """What a policy says of a balance."""

    budget: Budget
    place: tuple[str, str, int | None, int | None]
    """Budget, scope, and the window's start and end in nanoseconds."""
    limits: tuple[int, int, int]
    """Limit, ceiling, and ceiling by expectation, in the limit's unit."""


_KEPT = 4096


def _ruled(key: str, policy: Policy | None) -> _Ruled | None:
    """The budget that the policy has for a key, with its figures; None where it has no such budget or window."""
    if policy is None:
        return None
    kept = policy.kept
    if key in kept:
        found: _Ruled | None = kept[key]
        return found
    if len(kept) >= _KEPT:
        policy.kept.clear()
    found = kept[key] = _rule(key, policy)
    return found


def _rule(key: str, policy: Policy) -> _Ruled | None:
    try:
        parsed = parse_balance_key(key)
    except ValueError:
        return None
    budget = next((budget for budget in policy.budgets if budget.name == parsed.budget), None)
    if budget is None or budget.limit.unit != parsed.unit:
        return None
    zone = policy.zone if budget.timezone is None else zone_of(budget.timezone)
    window = _window(budget.every, budget.begins, parsed.window_id, zone)
    if window is None:
        return None
    scope = parsed.scope
    return _Ruled(
        budget,
        (budget.name, scope, _nanoseconds(window.start), _nanoseconds(window.end)),
        (budget.limit_of(scope), budget.ceiling_of(scope), budget.soft_ceiling_of(scope)),
    )


@lru_cache(maxsize=4096)
def _window(every: str, begins: Anchor, window_id: str, zone: tzinfo) -> Window | None:
    """The window of this id; None for an id at which no such window begins, such as a daily budget's former hour."""
    if every not in CALENDAR_WINDOWS:
        named = window_id == every or (every in OWN_WINDOWS and window_id.startswith(f"{every} "))
        return Window(every, None, None, window_id) if named else None
    start = _start(window_id)
    window = window_at(every, start, zone, begins) if start is not None else None
    return window if window is not None and window.start == start else None


def _named(key: str) -> tuple[str, str, int | None, Unit]:
    """What a row of a key that no policy knows is given: budget, scope, start and unit, as far as they can be told."""
    try:
        parsed = parse_balance_key(key)
    except ValueError:
        return key, "", None, "usd"
    start = _start(parsed.window_id)
    return parsed.budget, parsed.scope, None if start is None else _nanoseconds(start), parsed.unit


@lru_cache(maxsize=4096)
def rolls(key: str) -> int | None:
    """How many seconds a rolling balance looks back, rounded up; None for any other."""
    try:
        window_id = parse_balance_key(key).window_id
        return math.ceil(parse_duration(window_id.removeprefix(ROLLING))) if window_id.startswith(ROLLING) else None
    except ValueError:
        return None


def _start(window_id: str) -> datetime | None:
    try:
        start = datetime.fromisoformat(window_id)
    except ValueError:
        return None
    return start.astimezone(UTC) if start.tzinfo is not None else None


def _instant(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // _SECOND, UTC)


def _nanoseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp()) * _SECOND
