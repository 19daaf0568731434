"""What was done to the calls of a balance: downgraded, refused, or what would have been?"""

from __future__ import annotations

from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.alerting.background import Deeds
from bursar.agent.alerting.savings import saved_by_downgrades
from bursar.agent.ledger import usagebook
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.prices import PriceBook


def deeds_of(db: Database, key: str, since_ns: int, until_ns: int, book: PriceBook | None) -> Deeds:
    """All of it, in a window; without a price book what downgrades saved is nothing."""
    blocked, held_back = _refusals(db, key, since_ns, until_ns)
    groups = usagebook.downgraded_of(db, key)
    observed = _observed(db, key)
    count, nano = observed.get("block", (0, 0))
    return Deeds(
        downgraded=sum(group.charges for group in groups),
        saved=0 if book is None else saved_by_downgrades(groups, book),
        blocked=blocked,
        held_back=held_back,
        would_block=count,
        would_block_nano=nano,
        would_downgrade=observed.get("downgrade", (0, 0))[0],
    )


def _refusals(db: Database, key: str, since_ns: int, until_ns: int) -> tuple[int, int]:
    """How many calls this balance refused, and what they might have cost at most, in nano-dollars."""
    count, nano = db.conn.execute(
        """
        SELECT count(*), coalesce(sum(json_extract(decision, '$.needed')), 0) FROM decisions
        WHERE at_ns >= ? AND at_ns < ? AND action = 'block' AND json_extract(decision, '$.balance') = ?
        """,
        [since_ns, until_ns, key],
    ).fetchone()
    return count, nano


def _observed(db: Database, key: str) -> dict[str, tuple[int, int]]:
    """By action, how many calls the balance's budget would have changed while it only observes, and what they cost."""
    rows = db.conn.execute(
        """
        SELECT json_extract(decision, '$.observed.action') AS action, count(*), coalesce(sum(cost_nano), 0)
        FROM postings JOIN attempts USING (attempt_id)
        WHERE balance = ? AND json_extract(decision, '$.observed.budget') = ? GROUP BY 1
        """,
        [key, parse_balance_key(key).budget],
    ).fetchall()
    return {action: (count, nano) for action, count, nano in rows}


MOST_READ = 1_000
"""Decisions that are read for what blocks kept back: more take too long for a page."""


class KeptBack(NamedTuple):
    """Calls that budgets refused, of any balance."""

    calls: int
    expected_nano: int
    """What they were expected to cost, in nano-dollars."""
    unknown: int
    """Those of which nobody knows that."""
    whole: bool
    """Whether these are all of them, or only those among the newest `MOST_READ` decisions."""


def kept_back(db: Database, since_ns: int, until_ns: int) -> KeptBack:
    """What was not spent since it was refused. A call that is refused and made again counts each time."""
    read, calls, nano, unknown = db.conn.execute(
        """
        SELECT count(*), coalesce(sum(blocked), 0), coalesce(sum(expected), 0),
            coalesce(sum(blocked AND expected IS NULL), 0)
        FROM (
            SELECT action = 'block' AS blocked,
                CASE action WHEN 'block' THEN json_extract(decision, '$.expected') END AS expected
            FROM decisions WHERE at_ns >= ? AND at_ns < ? ORDER BY at_ns DESC LIMIT ?
        )
        """,
        [since_ns, until_ns, MOST_READ],
    ).fetchone()
    return KeptBack(calls, nano, unknown, read < MOST_READ)
