"""What did each day use and cost, model by model, as the maker of the models would bill it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger.rollups import DAY_NS, HOUR_NS

_CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
WHOLE = "whole"
"""The label of a charge that has no lines."""


@dataclass(frozen=True, slots=True)
class Entry:
    """So much of one kind, used on a day by one model. Money in nano-dollars."""

    day: int
    """In UTC, since the epoch, by when the attempt was sent."""
    model: str
    """Of the line: one charge may have lines of several."""
    requested_model: str
    label: str
    """Of a charge's line, or `whole`; sums of old days carry their cost under `whole`, beside their tokens."""
    linked: bool
    """Billed to somebody else's organisation."""
    priority: bool
    """Drawn from a prepaid commitment."""
    estimated: bool
    fresh: bool
    """Sent since the instant that was asked about."""
    workspace: str
    """What a label that was asked for says; empty where it says nothing."""
    quantity: int
    nano: int
    unknown: int
    """Charges without a price; told under `whole`."""


_WORKSPACE = "coalesce((SELECT value FROM json_each(labels) WHERE key = :label), '')"
_FLAGS = f"""
    coalesce(modifiers, '') LIKE '%"linked"%' AS linked, coalesce(missing, '') LIKE '%priority tier:%' AS priority,
    coalesce(basis, '') = 'estimate' AS estimated, at_ns >= :fresh AS fresh, {_WORKSPACE} AS workspace
"""
_COUNTED = (
    "state IN ('settled', 'orphaned') AND duplicate_of IS NULL AND at_ns >= :since AND at_ns < :until "
    "AND coalesce(modifiers, '') NOT LIKE '%\"refused\"%'"
)
_LINED = "lines IS NOT NULL AND lines != '[]'"
_LINES = f"""
    SELECT at_ns / {DAY_NS} AS day, json_extract(line.value, '$.model') AS model, requested_model,
        json_extract(line.value, '$.label') AS label, {_FLAGS}, sum(json_extract(line.value, '$.quantity')),
        sum(CASE WHEN cost_nano IS NOT NULL THEN json_extract(line.value, '$.nano_usd') ELSE 0 END), 0
    FROM attempts, json_each(attempts.lines) AS line
    WHERE {_COUNTED} AND {_LINED}
    GROUP BY day, json_extract(line.value, '$.model'), requested_model, json_extract(line.value, '$.label'),
        linked, priority, estimated, fresh, workspace
"""
_WHOLE = f"""
    SELECT at_ns / {DAY_NS} AS day, model, requested_model, {_FLAGS},
        sum(CASE WHEN {_LINED} THEN 0 ELSE coalesce(cost_nano, 0) END), count(*) - count(cost_nano),
        {", ".join(f"sum(CASE WHEN {_LINED} THEN 0 ELSE coalesce({name}, 0) END)" for name in _CLASSES)}
    FROM attempts WHERE {_COUNTED} AND (cost_nano IS NULL OR NOT ({_LINED}))
    GROUP BY day, model, requested_model, linked, priority, estimated, fresh, workspace
"""
_OLD = f"""
    SELECT slot * {HOUR_NS} / {DAY_NS} AS day, model, requested_model, 0, 0, basis = 'estimate' AS estimated,
        slot * {HOUR_NS} >= :fresh AS fresh, {_WORKSPACE} AS workspace, sum(nano), sum(unknown),
        {", ".join(f"sum({n})" for n in _CLASSES)}
    FROM rollups WHERE slot * {HOUR_NS} >= :since AND slot * {HOUR_NS} < :until
    GROUP BY day, model, requested_model, estimated, fresh, workspace
"""


def entries(db: Database, since_ns: int, until_ns: int, *, fresh_ns: int, label: str = "") -> list[Entry]:
    """
    All that counts in a stretch of time; `fresh_ns` is from when on the other side may not know of it yet, and
    `label` the one that names a call's workspace.

    Of days whose attempts are rolled up, neither linked billing nor the priority tier is told apart any more.
    """
    named = {"since": since_ns, "until": until_ns, "fresh": fresh_ns, "label": label}
    found = [_entry(row[:4], row[4:9], *row[9:]) for row in db.conn.execute(_LINES, named).fetchall()]
    for sql in (_WHOLE, _OLD):
        for day, model, requested, *rest in db.conn.execute(sql, named).fetchall():
            flags, (nano, unknown, *counts) = rest[:5], rest[5:]
            found.append(_entry((day, model, requested, WHOLE), flags, 0, nano, unknown))
            found += [
                _entry((day, model, requested, label), flags, count, 0, 0)
                for label, count in zip(_CLASSES, counts, strict=True)
                if count
            ]
    return found


def _entry(names: Sequence[Any], flags: Sequence[Any], quantity: int, nano: int, unknown: int) -> Entry:
    day, model, requested_model, label = names
    linked, priority, estimated, fresh = map(bool, flags[:4])
    place = (day, model, requested_model, label)
    return Entry(*place, linked, priority, estimated, fresh, str(flags[4]), quantity, nano, unknown)
