"""How much more than it needs is a process lent, so that its next calls need not ask; and when is it wanted back?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlite_utils import Database

from bursar.agent.ledger.balances import Look
from bursar.policies.balancekey import Amounts, is_reserve, kind_of, reserve_of, told_of

ROOMY = 256
"""A balance is roomy for a need if it holds this many; only then does anything stay with a process."""
NEEDS, MOST_NEEDS = 4, 256
"""
A first bonus is so many needs, what a few calls in flight at once hold; it doubles with every ask that follows, since
who asks again and again spends what it holds.
"""
PART = 10
"""All bonuses together are at most this part of what may be lent."""
REGULAR = 3
"""From which ask on a process gets a bonus: a tenant that is seen once leaves nothing lying about."""
WANTED_NS = 10 * 10**9
"""How long after somebody went away without money nobody keeps any."""


def lend(db: Database, holder: str, amounts: Mapping[str, int], most: Amounts) -> int:
    """
    Lend for an ask, and note it; which one it is of the balance that was asked least often.

    What the process overran is lent as well: it counts as spent already, and until it is made up nothing can be held.
    """
    times: list[int] = []
    for key, amount in amounts.items():
        row = db.conn.execute(_LEND, [key, holder, amount, most[kind_of(key)]]).fetchone()
        times.append(row[0])
    return min(times, default=0)


_LEND = """
INSERT INTO leases (balance, holder, granted, asks, asked_nano) VALUES (?, ?, ?, 1, ?)
ON CONFLICT (balance, holder) DO UPDATE SET granted = max(granted, charged + returned) + excluded.granted,
    asks = asks + 1, asked_nano = max(asked_nano, excluded.asked_nano)
RETURNING asks
"""


def bonuses(db: Database, pools: Mapping[str, int], most: Amounts, times: int) -> dict[str, int]:
    """What each balance lends on top of a need, in its unit: nothing as soon as one of them is not roomy."""
    needs = {key: most[kind_of(key)] for key in pools}
    if times < REGULAR or any(pool < ROOMY * needs[key] for key, pool in pools.items()):
        return {}
    processes: int = db.conn.execute("SELECT count(*) FROM holders WHERE state = 'active'").fetchone()[0]
    times_needed = min(NEEDS << min(times - REGULAR, 10), MOST_NEEDS)
    return {key: min(pool // PART // max(processes, 1), times_needed * needs[key]) for key, pool in pools.items()}


def want(db: Database, keys: Iterable[str], now_ns: int) -> None:
    """Somebody got no money out of these balances: what lies idle in them is to come back."""
    for key in keys:
        db.conn.execute("UPDATE balances SET wanted_ns = ? WHERE key = ?", [now_ns, told_of(key)])


def wanted(db: Database, key: str, now_ns: int) -> bool:
    """Whether somebody went away from a balance without money a moment ago."""
    row = db.conn.execute("SELECT wanted_ns FROM balances WHERE key = ?", [told_of(key)]).fetchone()
    return row is not None and 0 <= now_ns - row[0] < WANTED_NS


def idle(db: Database, key: str) -> int:
    """What lies idle of a balance with processes, as far as the agent knows: lent, and held for no attempt."""
    total: int = db.conn.execute(f"SELECT coalesce(sum(max(idle, 0)), 0) FROM ({_IDLE})", _purse(key)).fetchone()[0]
    return total


def idlers(db: Database, keys: Iterable[str]) -> dict[str, set[str]]:
    """By process, those of the balances that it has idle money of."""
    found: dict[str, set[str]] = {}
    for key in keys:
        for (holder,) in db.conn.execute(f"SELECT holder FROM ({_IDLE}) WHERE idle > 0", _purse(key)).fetchall():
            found.setdefault(holder, set()).add(told_of(key))
    return found


_IDLE = """
SELECT leases.holder AS holder, granted - returned - charged - (
    SELECT coalesce(sum(lent), 0) FROM holds WHERE holds.balance = leases.balance AND holds.holder = leases.holder
) AS idle
FROM leases JOIN holders ON id = leases.holder
WHERE leases.balance IN (:key, :reserve) AND state = 'active'
"""


def _purse(key: str) -> dict[str, str]:
    return {"key": key, "reserve": reserve_of(key)}


def kept(db: Database, holder: str, keys: Iterable[str], now_ns: int, look: Look) -> tuple[str, ...]:
    """Those of the balances whose free money a process may keep."""
    return tuple(key for key in keys if not is_reserve(key) and _may_keep(db, holder, key, now_ns, look))


def _may_keep(db: Database, holder: str, key: str, now_ns: int, look: Look) -> bool:
    row = db.conn.execute(
        "SELECT asked_nano, asks, wanted_ns FROM leases JOIN balances ON key = ? WHERE balance = ? AND holder = ?",
        [told_of(key), key, holder],
    ).fetchone()
    balance = look(key)
    if row is None or balance is None or balance.pool is None:
        return False
    most, times, wanted_ns = row
    return times >= REGULAR and balance.pool >= ROOMY * most and not 0 <= now_ns - wanted_ns < WANTED_NS
