"""What do the accounts say of each route's prompts?"""

from __future__ import annotations

from array import array
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlite_utils import Database

from bursar.agent.advice.usage import RouteUsage

# Batches are left out: their calls have no order that a cache would see. So are bounds, whose tokens nobody counted.
_CALLS = """
    SELECT route, model, at_ns, input + cache_read + cache_write_5m + cache_write_1h, cache_read,
        cache_write_5m + cache_write_1h
    FROM attempts
    WHERE state = 'settled' AND basis IN ('usage', 'span') AND duplicate_of IS NULL
        AND NOT EXISTS (SELECT 1 FROM json_each(modifiers) WHERE value = 'batch')
        AND at_ns >= ? AND at_ns < ?
    ORDER BY route, model, at_ns
"""


def route_usage(db: Database, since_ns: int, until_ns: int) -> list[RouteUsage]:
    """The calls of a stretch of time by route and model; from `since_ns` up to, and without, `until_ns`."""
    calls = db.conn.execute(_CALLS, [since_ns, until_ns])
    return [_usage(route, model, rows) for (route, model), rows in groupby(calls, key=itemgetter(0, 1))]


def _usage(route: str, model: str, rows: Any) -> RouteUsage:
    at_ns, prompts = array("q"), array("q")
    read = written = 0
    for _, _, sent_ns, prompt, cache_read, cache_write in rows:
        at_ns.append(sent_ns)
        prompts.append(prompt)
        read += cache_read
        written += cache_write
    return RouteUsage(route, model, at_ns, prompts, read, written)
