"""What does a balance stand at: its limit, what is spent, held and lent, and what may still be lent?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from sqlite_utils import Database

from bursar.policies.policy import Budget, Policy, parse_balance_key
from bursar.policies.protocol import BalanceView
from bursar.policies.windows import Window, window_at

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Balance:
    """One row. Amounts in nano-dollars, instants in nanoseconds since the epoch."""

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
    """Keys of every balance that a call sent at an instant counts against, in the order of the policy's budgets."""
    at = _instant(at_ns)
    return tuple(
        budget.balance_key(window_at(budget.every, at, policy.zone), budget.scope(labels, route, model))
        for budget in policy.budgets
        if budget.kept and budget.matches(route=route, model=model, labels=labels)
    )


def ensure(db: Database, key: str, policy: Policy | None) -> None:
    """
    A row for this balance, at the policy's present limit.

    Where the policy has no such budget (any more) the row keeps its numbers, and a new one has none.
    """
    budget, window = _rule(key, policy)
    if budget is None or window is None:
        db.conn.execute(
            "INSERT INTO balances (key, budget, scope, window_start) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [key, *_named(key)],
        )
        return
    db.conn.execute(
        """
        INSERT INTO balances (key, budget, scope, window_start, window_end, limit_nano, ceiling_nano)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE
            SET limit_nano = excluded.limit_nano, ceiling_nano = excluded.ceiling_nano, window_end = excluded.window_end
            WHERE limit_nano IS NOT excluded.limit_nano OR ceiling_nano IS NOT excluded.ceiling_nano
        """,
        [
            key,
            budget.name,
            parse_balance_key(key).scope,
            _nanoseconds(window.start),
            _nanoseconds(window.end),
            budget.limit.amount,
            budget.ceiling,
        ],
    )


def known(key: str, policy: Policy | None) -> bool:
    """Whether the policy has the budget and the window of this balance."""
    return None not in _rule(key, policy)


def read(db: Database, key: str) -> Balance | None:
    """A balance as it stands; None where nothing was ever counted or asked of it."""
    row = db.conn.execute(
        """
        SELECT key, window_end, limit_nano, ceiling_nano, spent_nano,
            (SELECT coalesce(sum(max(granted - returned - charged, 0)), 0) FROM leases WHERE balance = key)
        FROM balances WHERE key = ?
        """,
        [key],
    ).fetchone()
    return None if row is None else Balance(*row)


def expected(db: Database, key: str) -> int:
    """What the attempts in flight are expected to cost this balance, in nano-dollars."""
    total: int = db.conn.execute(
        "SELECT coalesce(sum(expected_nano), 0) FROM holds WHERE balance = ?", [key]
    ).fetchone()[0]
    return total


def views(db: Database, keys: Iterable[str]) -> tuple[BalanceView, ...]:
    """The balances of these keys as a guard sees them; those that no policy ever gave a limit are left out."""
    rows = (read(db, key) for key in dict.fromkeys(keys))
    return tuple(
        BalanceView(
            key=row.key,
            limit=row.limit,
            ceiling=row.ceiling,
            spent=row.spent,
            expected=expected(db, row.key),
            lent=row.out,
            window_end=None if row.window_end is None else iso(row.window_end),
        )
        for row in rows
        if row is not None and row.limit is not None and row.ceiling is not None
    )


def iso(at_ns: int) -> str:
    """An instant as text in UTC, to the second."""
    return f"{_instant(at_ns).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _rule(key: str, policy: Policy | None) -> tuple[Budget | None, Window | None]:
    """The budget that the policy has for a key, and the window that the key names."""
    budget_name, window_id, _ = _parts(key)
    budgets = policy.budgets if policy is not None else ()
    budget = next((budget for budget in budgets if budget.name == budget_name and budget.kept), None)
    if policy is None or budget is None:
        return None, None
    window = _window(budget.every, window_id, policy.zone)
    return (budget, window) if window is not None else (None, None)


@lru_cache(maxsize=4096)
def _window(every: str, window_id: str, zone: tzinfo) -> Window | None:
    """The window of this id; None for an id at which no such window begins, such as a daily budget's former hour."""
    start = _start(window_id)
    window = window_at(every, start, zone) if start is not None else None
    return window if window is not None and window.start == start else None


def _named(key: str) -> tuple[str, str, int | None]:
    budget, window_id, scope = _parts(key)
    start = _start(window_id)
    return budget, scope, None if start is None else _nanoseconds(start)


def _parts(key: str) -> tuple[str, str, str]:
    try:
        return parse_balance_key(key)
    except ValueError:
        return key, "", ""


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
