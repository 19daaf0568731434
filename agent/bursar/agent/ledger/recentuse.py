"""What did the recent calls of a route use on a model: those sent at once, and those in batches?"""

from __future__ import annotations

from sqlite_utils import Database

from bursar.policies.batchpays import Used


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
