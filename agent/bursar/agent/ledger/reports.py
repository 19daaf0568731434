"""What was spent, by whom and on what, what do budgets stand at, and why was a call treated as it was?"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger import balances
from bursar.agent.ledger.rollups import HOUR_NS
from bursar.policies.usage import Usage

Row = dict[str, Any]
"""One line of a report, ready for JSON."""

KEYS = ("route", "model", "requested_model", "day", "basis", "action", "price_id", "service", "source")
"""What charges can be grouped by, beside `label:NAME`."""

_TOKENS = tuple(Usage.__dataclass_fields__)

_SUMS = ", ".join(
    (
        "count(DISTINCT call) + coalesce(sum(rolled_calls), 0) AS calls",
        "coalesce(sum(charges), 0) AS charges",
        "coalesce(sum(nano), 0) AS nano_usd",
        "coalesce(sum(estimated), 0) AS estimated_nano_usd",
        "coalesce(sum(unknown), 0) AS unknown_charges",
        "coalesce(sum(incomplete), 0) AS incomplete_charges",
        *(f'coalesce(sum("{name}"), 0) AS "{name}"' for name in _TOKENS),
        "coalesce(sum(told_nano), 0) AS told_nano_usd",
    )
)
_KINDS = "route, requested_model, model, labels, action"
_CHARGES = f"""
    FROM (
        SELECT at_ns, {_KINDS}, basis, price_id, service, source,
            CASE call_id WHEN '' THEN attempt_id ELSE call_id END AS call, 0 AS rolled_calls, 1 AS charges,
            cost_nano AS nano, CASE basis WHEN 'estimate' THEN cost_nano END AS estimated,
            cost_nano IS NULL AS unknown, cost_nano IS NOT NULL AND missing NOT IN ('', '[]') AS incomplete,
            {", ".join(_TOKENS)}, told_nano
        FROM attempts LEFT JOIN holders ON holders.id = attempts.holder
        WHERE attempts.state IN ('settled', 'orphaned') AND duplicate_of IS NULL
            AND at_ns >= :since AND at_ns < :until
        UNION ALL
        SELECT slot * {HOUR_NS}, {_KINDS}, basis, nullif(price_id, ''), nullif(service, ''), source,
            NULL, calls, charges, nano, estimated_nano, unknown, incomplete, {", ".join(_TOKENS)},
            told_nano
        FROM rollups WHERE slot * {HOUR_NS} >= :since AND slot * {HOUR_NS} < :until
    )
"""
"""Charges as they are, and the sums of those that are rolled up: an hour of these is in it where its beginning is."""


class ReportError(ValueError):
    """A report that cannot be made; the text says what can."""


def report(db: Database, keys: Sequence[str], *, since_ns: int, until_ns: int, tz: tzinfo = UTC) -> Row:
    """What was spent from one instant to (not including) another: in all, and by these keys. The shape is public."""
    return {
        "total": totals(db, since_ns, until_ns),
        "rows": by(db, keys, since_ns, until_ns, tz=tz),
        "since": balances.iso(since_ns),
        "until": balances.iso(until_ns),
    }


def anything(db: Database) -> bool:
    """Whether anybody ever told of a call, sent or refused."""
    tables = ("attempts", "decisions", "rollups")
    return any(db.conn.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)


def totals(db: Database, since_ns: int, until_ns: int) -> Row:
    """
    All charges of a stretch of time, by when they were sent.

    `nano_usd` is everything known, `estimated_nano_usd` the part of it that is a bound; `unknown_charges` are in
    neither, and of `incomplete_charges` something is not in their cost, such as a container's hours. `calls` counts
    calls with a charge, `charges` their attempts. `told_nano_usd` is what senders of telemetry say themselves.
    """
    return _rows(db, f"SELECT {_SUMS} {_CHARGES}", {"since": since_ns, "until": until_ns})[0]


def by(db: Database, keys: Sequence[str], since_ns: int, until_ns: int, *, tz: tzinfo = UTC) -> list[Row]:
    """
    The same figures for each combination of the keys' values, the dearest first.

    `day` is the day in `tz`; a label that a call lacks is None. Raises `ReportError` for a key there is none of.
    """
    if not keys:
        return []
    columns: list[str] = []
    labels: dict[str, str] = {}
    for key in dict.fromkeys(keys):
        hole = f"label{len(labels)}"
        columns.append(f'{_expression(key, hole)} AS "{_quoted(key)}"')
        if key.startswith("label:"):
            labels[hole] = key.removeprefix("label:")
    db.conn.create_function("local_day", 1, _local_day(tz), deterministic=True)
    groups = ", ".join(str(place + 1) for place in range(len(columns)))
    sql = f"SELECT {', '.join(columns)}, {_SUMS} {_CHARGES} GROUP BY {groups} ORDER BY nano_usd DESC, {groups}"
    return _rows(db, sql, {**labels, "since": since_ns, "until": until_ns})


IDLE_NS = 24 * 3600 * 10**9
"""How long a window without an end is still shown after it last moved."""


def budgets(db: Database, now_ns: int) -> list[Row]:
    """
    Every balance whose window holds this instant: limit, ceiling, spent, expected and lent, in its `unit`.

    That is nano-dollars where it is `usd`. Windows without an end are shown while something is in flight in them, and
    for a day after they last moved; rolling ones for as long as they look back.
    """
    rows = _rows(db, _BUDGETS, {"now": now_ns})
    return [
        {**row, **_standing(db, row["key"], now_ns)}
        for row in rows
        if row.pop("flies") or row["window_end"] is not None or now_ns - row["moved_ns"] < _shown_ns(row["key"])
    ]


_BUDGETS = """
SELECT key, budget, scope, unit, window_start, window_end, soft_ceiling, unknown_nano, calls, moved_ns,
    EXISTS (SELECT 1 FROM holds WHERE balance = key) AS flies
FROM balances
WHERE (window_start <= :now AND window_end > :now) OR window_end IS NULL
ORDER BY budget, scope, window_start, key
"""


def _shown_ns(key: str) -> int:
    return max(IDLE_NS, (balances.rolls(key) or 0) * 10**9)


def _standing(db: Database, key: str, now_ns: int) -> Row:
    balance = balances.read(db, key, now_ns)
    if balance is None:
        return {}
    return {
        "window": balances.window_of(key),
        "limit": balance.limit,
        "ceiling": balance.ceiling,
        "spent": balance.spent,
        "expected": balances.expected(db, key),
        "lent": balance.out,
    }


def holds(db: Database) -> list[Row]:
    """Every attempt in flight, the oldest first: whose it is, since when, and what it may and is expected to cost."""
    rows = _rows(
        db,
        """
        SELECT attempt_id, call_id, holder, holders.pid, holders.host, holders.service, attempts.state, at_ns, route,
            model, bound_nano, expected_nano, coalesce(balances, leased) AS balances
        FROM attempts LEFT JOIN holders ON holders.id = attempts.holder
        WHERE attempts.state IN ('held', 'sent', 'provisional') AND duplicate_of IS NULL ORDER BY at_ns, attempt_id
        """,
        [],
    )
    return [_decoded(row, "balances") for row in rows]


def observed(db: Database, since_ns: int, until_ns: int) -> list[Row]:
    """
    What budgets that only observe would have done: by budget and action, how many calls, and what these cost.

    `nano_usd` is what a block would have kept back, or what a downgrade would have begun from.
    """
    return _rows(
        db,
        """
        SELECT json_extract(decision, '$.observed.budget') AS budget,
            json_extract(decision, '$.observed.action') AS action,
            count(DISTINCT CASE call_id WHEN '' THEN attempt_id ELSE call_id END) AS calls,
            coalesce(sum(cost_nano), 0) AS nano_usd
        FROM attempts
        WHERE sent AND at_ns >= ? AND at_ns < ? AND duplicate_of IS NULL
            AND json_extract(decision, '$.observed.action') IS NOT NULL
        GROUP BY 1, 2 ORDER BY nano_usd DESC, 1, 2
        """,
        [since_ns, until_ns],
    )


def decisions(db: Database, since_ns: int, until_ns: int, *, limit: int = 1000) -> list[Row]:
    """Decisions other than to let a call go as it was, the newest first, with the numbers behind them."""
    rows = _rows(
        db,
        "SELECT * FROM decisions WHERE at_ns >= ? AND at_ns < ? ORDER BY at_ns DESC, id LIMIT ?",
        [since_ns, until_ns, limit],
    )
    return [_decoded(row, "labels", "decision") for row in rows]


def decisions_of(db: Database, call_id: str) -> list[Row]:
    """Why one call was treated as it was."""
    rows = _rows(db, "SELECT * FROM decisions WHERE call_id = ? ORDER BY at_ns, id", [call_id])
    return [_decoded(row, "labels", "decision") for row in rows]


def recent_calls(db: Database, since_ns: int, until_ns: int, *, limit: int) -> list[Row]:
    """The last charges and refusals, the newest first: what was asked, what was served, what was decided."""
    return _rows(
        db,
        """
        SELECT at_ns, route, requested_model, model, action, reason, cost_nano FROM attempts
            WHERE state IN ('settled', 'orphaned') AND duplicate_of IS NULL AND at_ns >= :since AND at_ns < :until
        UNION ALL
        SELECT at_ns, route, model, NULL, action, reason, NULL FROM decisions
            WHERE action = 'block' AND at_ns >= :since AND at_ns < :until
        ORDER BY at_ns DESC LIMIT :limit
        """,
        {"since": since_ns, "until": until_ns, "limit": limit},
    )


def _expression(key: str, hole: str) -> str:
    if key.startswith("label:"):
        return f"(SELECT value FROM json_each(labels) WHERE key = :{hole})"
    if key not in KEYS:
        raise ReportError(f"there is no key {key!r}: use {', '.join(KEYS)} or label:NAME")
    return "local_day(at_ns)" if key == "day" else key


def _quoted(key: str) -> str:
    return key.replace('"', '""')


def _local_day(tz: tzinfo) -> Callable[[int], str]:
    """The day of an instant in a zone; offsets are whole quarters of an hour, so one answer serves each quarter."""

    @lru_cache(maxsize=4096)
    def day_of(quarter: int) -> str:
        return datetime.fromtimestamp(quarter * 900, tz).date().isoformat()

    def local_day(at_ns: int) -> str:
        return day_of(at_ns // (900 * 10**9))

    return local_day


def _rows(db: Database, sql: str, values: Sequence[Any] | dict[str, Any]) -> list[Row]:
    cursor = db.conn.execute(sql, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _decoded(row: Row, *names: str) -> Row:
    return {name: json.loads(value) if name in names else value for name, value in row.items()}
