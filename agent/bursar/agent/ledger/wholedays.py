"""Of which whole days, and hours before and after them, is a stretch of time made?"""

from __future__ import annotations

from collections.abc import Mapping

from bursar.agent.ledger.rollups import HOUR_NS
from bursar.agent.ledger.sumtables import DAY, HOUR

PARTS = f"""
    (
        SELECT {HOUR} AS part, :since AS since, :head AS until
        UNION ALL SELECT {DAY}, :first_day, :last_day
        UNION ALL SELECT {HOUR}, :tail, :until
    )
"""
"""For a query: the length of a row's slot (`part`, in seconds), and from which slot up to which."""


def parts(since_ns: int, until_ns: int) -> Mapping[str, int]:
    """The hours that begin in a stretch, since the epoch, and the whole days among them."""
    since, until = -(-since_ns // HOUR_NS), -(-until_ns // HOUR_NS)
    first, last = -(-since // 24), until // 24
    if first >= last:
        return {"since": since, "head": until, "first_day": 0, "last_day": 0, "tail": until, "until": until}
    return {
        "since": since,
        "head": first * 24,
        "first_day": first,
        "last_day": last,
        "tail": last * 24,
        "until": until,
    }
