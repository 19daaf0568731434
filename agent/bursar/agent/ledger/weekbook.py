"""What was each model used for in a stretch of time, class by class?"""

from __future__ import annotations

from sqlite_utils import Database

from bursar.agent.alerting.causes import Cell, ModelUse, Week

_KNOWN = """
    state IN ('settled', 'orphaned') AND duplicate_of IS NULL AND cost_nano IS NOT NULL AND at_ns >= ? AND at_ns < ?
"""


def week_of(db: Database, since_ns: int, until_ns: int) -> Week:
    """
    By model served; charges of unknown cost are left out.

    A charge of which only the sum is known, such as a bound, is one of class `other`.
    """
    stretch = [since_ns, until_ns]
    cells: dict[str, dict[str, Cell]] = {}
    for model, label, count, nano in db.conn.execute(_CELLS, [*stretch, *stretch]).fetchall():
        cells.setdefault(model, {})[label] = (count, nano)
    calls = db.conn.execute(f"SELECT model, count(*) FROM attempts WHERE {_KNOWN} GROUP BY model", stretch).fetchall()
    return {model: ModelUse(count, cells.get(model, {})) for model, count in calls}


# A line without a price is in no cost; what the lines leave of a charge's cost is told as one of its own.
_CELLS = f"""
    SELECT model, json_extract(line.value, '$.label') AS label, sum(json_extract(line.value, '$.quantity')),
        sum(json_extract(line.value, '$.nano_usd'))
    FROM attempts, json_each(coalesce(lines, '[]')) AS line WHERE {_KNOWN} GROUP BY 1, 2
    UNION ALL
    SELECT model, 'other', count(*), sum(rest) FROM (
        SELECT model, cost_nano - coalesce(
            (SELECT sum(json_extract(value, '$.nano_usd')) FROM json_each(coalesce(lines, '[]'))), 0
        ) AS rest
        FROM attempts WHERE {_KNOWN}
    ) WHERE rest != 0 GROUP BY 1
"""
