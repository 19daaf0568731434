"""Which charges are there, one by one, or as a bill lists them: by period, model and kind of usage?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger.rollups import HOUR_NS
from bursar.policies.usage import Usage

_TOKENS = tuple(Usage.__dataclass_fields__)
_COUNTED = "state IN ('settled', 'orphaned') AND duplicate_of IS NULL AND at_ns >= :since AND at_ns < :until"


@dataclass(frozen=True, slots=True)
class Sold:
    """So much of one kind at one price, in one period. Money in nano-dollars."""

    start_ns: int
    """Of the period."""
    route: str
    requested_model: str
    labels: str
    """A JSON object."""
    basis: str
    model: str
    label: str
    """Of a charge's line; empty for a cost that has none."""
    price_id: str
    pico: int
    """Pico-dollars each, as the line has it."""
    modifiers: str
    """A JSON list."""
    quantity: int
    nano: int
    charges: int


@dataclass(frozen=True, slots=True)
class Summed:
    """Charges of an hour that are rolled up: tokens by class, and one cost for all of them."""

    start_ns: int
    route: str
    requested_model: str
    labels: str
    basis: str
    model: str
    price_id: str
    usage: Usage
    nano: int
    charges: int


_LINES = f"""
    SELECT at_ns / :period * :period AS start, route, requested_model, labels, coalesce(basis, ''),
        json_extract(line.value, '$.model'), json_extract(line.value, '$.label'),
        json_extract(line.value, '$.price_id'), json_extract(line.value, '$.pico_usd_each'),
        coalesce(modifiers, '[]'), sum(json_extract(line.value, '$.quantity')),
        sum(json_extract(line.value, '$.nano_usd')), count(*)
    FROM attempts, json_each(attempts.lines) AS line
    WHERE {_COUNTED} AND cost_nano IS NOT NULL AND lines IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
"""
_REST = "cost_nano - coalesce((SELECT sum(json_extract(value, '$.nano_usd')) FROM json_each(lines)), 0)"
_RESTS = f"""
    SELECT start, route, requested_model, labels, basis, model, '', price_id, 0, modifiers, count(*), sum(rest),
        count(*)
    FROM (
        SELECT at_ns / :period * :period AS start, route, requested_model, labels, coalesce(basis, '') AS basis, model,
            coalesce(price_id, '') AS price_id, coalesce(modifiers, '[]') AS modifiers, {_REST} AS rest
        FROM attempts WHERE {_COUNTED} AND cost_nano IS NOT NULL
    )
    WHERE rest != 0 GROUP BY 1, 2, 3, 4, 5, 6, 8, 10 ORDER BY 1, 2, 3, 4, 5, 6, 8, 10
"""
_SUMS = f"""
    SELECT slot * {HOUR_NS} / :period * :period AS start, route, requested_model, labels, basis, model, price_id,
        sum(nano), sum(charges - unknown), {", ".join(f"sum({name})" for name in _TOKENS)}
    FROM rollups WHERE slot * {HOUR_NS} >= :since AND slot * {HOUR_NS} < :until AND charges > unknown
    GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
"""


def extent(db: Database, since_ns: int, until_ns: int) -> tuple[int, int] | None:
    """From when to when there is anything in a stretch of time; None where there is nothing."""
    first, last = db.conn.execute(
        f"""
        SELECT min(first), max(last) FROM (
            SELECT min(at_ns) AS first, max(at_ns) AS last FROM attempts WHERE {_COUNTED}
            UNION ALL SELECT min(slot) * {HOUR_NS}, max(slot) * {HOUR_NS} FROM rollups
                WHERE slot * {HOUR_NS} >= :since AND slot * {HOUR_NS} < :until
        )
        """,
        {"since": since_ns, "until": until_ns},
    ).fetchone()
    return None if first is None else (first, last + 1)


def sold(db: Database, since_ns: int, until_ns: int, *, period_ns: int) -> Iterator[Sold]:
    """All that has a known cost, by period; what has no lines, or not enough of them, under an empty label."""
    named = {"since": since_ns, "until": until_ns, "period": period_ns}
    for sql in (_LINES, _RESTS):
        yield from (Sold(*row) for row in db.conn.execute(sql, named).fetchall())


def summed(db: Database, since_ns: int, until_ns: int, *, period_ns: int) -> Iterator[Summed]:
    """What is rolled up, by period."""
    named = {"since": since_ns, "until": until_ns, "period": period_ns}
    for row in db.conn.execute(_SUMS, named).fetchall():
        *names, nano, charges = row[: -len(_TOKENS)]
        start_ns, route, requested_model, labels, basis, model, price_id = names
        usage = Usage(*row[-len(_TOKENS) :])
        yield Summed(start_ns, route, requested_model, labels, basis, model, price_id, usage, nano, charges)


def unknown(db: Database, since_ns: int, until_ns: int) -> int:
    """How many charges of a stretch of time have no known cost."""
    count: int = db.conn.execute(
        f"""
        SELECT (SELECT count(*) FROM attempts WHERE {_COUNTED} AND cost_nano IS NULL) + coalesce((
            SELECT sum(unknown) FROM rollups WHERE slot * {HOUR_NS} >= :since AND slot * {HOUR_NS} < :until), 0)
        """,
        {"since": since_ns, "until": until_ns},
    ).fetchone()[0]
    return count


COLUMNS = (
    *("at_ns", "route", "requested_model", "model", "labels", "basis", "action", "source", "price_id", "modifiers"),
    *("missing", "charges", "nano_usd", *_TOKENS),
    *("attempt_id", "call_id", "request_id", "response_id"),
)
"""What is told of each charge, in this order."""

_EACH = f"""
    SELECT at_ns, route, requested_model, model, labels, basis, action, source, price_id, coalesce(modifiers, '[]'),
        coalesce(nullif(missing, ''), '[]'), 1, cost_nano, {", ".join(_TOKENS)}, attempt_id, nullif(call_id, ''),
        request_id, response_id
    FROM attempts WHERE {_COUNTED}
    UNION ALL
    SELECT slot * {HOUR_NS}, route, requested_model, model, labels, basis, action, source, nullif(price_id, ''), NULL,
        NULL, charges, CASE WHEN charges > unknown THEN nano END, {", ".join(_TOKENS)}, NULL, NULL, NULL, NULL
    FROM rollups WHERE slot * {HOUR_NS} >= :since AND slot * {HOUR_NS} < :until
    ORDER BY 1, route, attempt_id
"""


def each(db: Database, since_ns: int, until_ns: int) -> Iterator[dict[str, Any]]:
    """Every charge as it is; an hour of those that are rolled up is one row for each kind, with how many they are."""
    for row in db.conn.execute(_EACH, {"since": since_ns, "until": until_ns}):
        yield dict(zip(COLUMNS, row, strict=True))
