"""What did the recent calls of a route use on a model, at once and in batches, and how many does it have a day?"""

from __future__ import annotations

from fractions import Fraction

from sqlite_utils import Database

from bursar.policies.batchpays import Used

_DAY_NS = 86_400 * 10**9


def recent(db: Database, route: str, model: str, since_ns: int) -> tuple[Used, Used]:
    """Sums over the calls that were sent at once since an instant, and over those in batches."""
    rows = db.conn.execute(
        """
        SELECT modifiers LIKE '%"batch"%', count(*), sum(input), sum(cache_read), sum(cache_write_5m),
            sum(cache_write_1h), sum(output)
        FROM attempts WHERE route = ? AND at_ns >= ? AND requested_model = ? AND basis = 'usage'
            AND duplicate_of IS NULL
        GROUP BY 1
        """,
        [route, since_ns, model],
    ).fetchall()
    found = {bool(batched): Used(*sums) for batched, *sums in rows}
    return found.get(False, Used()), found.get(True, Used())


def calls_per_day(db: Database, route: str, now_ns: int, days: int = 7) -> Fraction:
    """
    The calls of a route in a day, over the last few.

    From its first call in that time on, one day at least: days before there was a ledger are no days without calls.
    """
    since_ns = now_ns - days * _DAY_NS
    count, first_ns = db.conn.execute(
        "SELECT count(*), min(at_ns) FROM attempts WHERE route = ? AND at_ns >= ? AND at_ns < ? AND state = 'settled' "
        "AND duplicate_of IS NULL",
        [route, since_ns, now_ns],
    ).fetchone()
    return Fraction(0) if not count else count / max(Fraction(now_ns - first_ns, _DAY_NS), Fraction(1))
