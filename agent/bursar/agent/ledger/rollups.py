"""What is kept of old attempts: their sums by hour and kind, and that they were counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from sqlite_utils import Database

from bursar.agent.ledger import sightings
from bursar.policies.usage import Usage

KEPT_DAYS = 30
"""How long an attempt is kept as it was, with its lines and its decision."""
CHUNK = 400
"""Calls in one transaction: some twentieth of a second, in which no guard is answered."""
HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
MINUTE_NS = 60 * 10**9
MINUTES_KEPT_NS = 3 * DAY_NS
"""What budgets spent longer ago than this is known by the hour."""
SUM_MINUTES_KEPT_NS = 2 * DAY_NS
"""Likewise what was spent on each kind of call."""
HOURS_KEPT_NS = 400 * DAY_NS
DECISIONS_KEPT_NS = 400 * DAY_NS
BALANCES_KEPT_NS = 400 * DAY_NS

_TOKENS = tuple(Usage.__dataclass_fields__)
_KEYS = ("route", "requested_model", "model", "labels", "basis", "action", "price_id", "service", "source")
_SUMS = ("charges", "calls", "nano", "estimated_nano", "unknown", "incomplete", *_TOKENS, "told_nano")


@dataclass(frozen=True, slots=True)
class Place:
    """The last attempt looked at: they are taken by when they were sent, then by name."""

    at_ns: int
    attempt_id: str


def roll_up(db: Database, before_ns: int, after: Place | None = None, *, limit: int = CHUNK) -> Place | None:
    """
    Put what was sent before an instant into sums, one chunk of it; where the next begins, or None at the end.

    A call whose attempts are not all over and that old is left whole, so that it is counted once.
    """
    start = after or Place(-1, "")
    rows = db.conn.execute(
        """
        SELECT at_ns, attempt_id, CASE call_id WHEN '' THEN attempt_id ELSE call_id END AS call,
            NOT EXISTS (
                SELECT 1 FROM attempts AS other WHERE other.call_id = attempts.call_id AND other.call_id != ''
                    AND (other.at_ns >= :before OR other.state IN ('held', 'sent', 'provisional'))
            ) AS over
        FROM attempts
        WHERE at_ns < :before AND (at_ns, attempt_id) > (:at_ns, :attempt_id)
            AND state NOT IN ('held', 'sent', 'provisional')
        ORDER BY at_ns, attempt_id LIMIT :limit
        """,
        {"before": before_ns, "at_ns": start.at_ns, "attempt_id": start.attempt_id, "limit": limit},
    ).fetchall()
    if not rows:
        return None
    _bury(db, _with_their_calls(db, [(attempt, call) for _, attempt, call, over in rows if over]))
    return Place(rows[-1][0], rows[-1][1])


def is_buried(db: Database, *names: str | None) -> bool:
    """Whether an attempt, or a response, of one of these names was counted and rolled up: it never counts again."""
    marks = [_mark(name) for name in names if name]
    holes = ", ".join("?" * len(marks))
    return bool(db.conn.execute(f"SELECT 1 FROM tombs WHERE mark IN ({holes}) LIMIT 1", marks).fetchone())


def are_buried(db: Database, names: Sequence[tuple[str | None, ...]]) -> list[bool]:
    """`is_buried` for many."""
    if db.conn.execute("SELECT 1 FROM tombs LIMIT 1").fetchone() is None:
        return [False] * len(names)
    return [is_buried(db, *one) for one in names]


def prune(db: Database, now_ns: int) -> None:
    """Forget minutes, hours, decisions and balances that nothing asks for any more."""
    connection = db.conn
    connection.execute(
        "DELETE FROM flows WHERE seconds = 60 AND slot < ?", [(now_ns - MINUTES_KEPT_NS) // (60 * 10**9)]
    )
    connection.execute("DELETE FROM flows WHERE seconds = 3600 AND slot < ?", [(now_ns - HOURS_KEPT_NS) // HOUR_NS])
    connection.execute(
        "DELETE FROM sums WHERE label = '' AND seconds = 60 AND slot < ?", [(now_ns - SUM_MINUTES_KEPT_NS) // MINUTE_NS]
    )
    connection.execute("DELETE FROM decisions WHERE at_ns < ?", [now_ns - DECISIONS_KEPT_NS])
    sightings.prune(db, now_ns - KEPT_DAYS * DAY_NS)
    old = now_ns - BALANCES_KEPT_NS
    connection.execute(
        """
        DELETE FROM leases WHERE holder IN (SELECT id FROM holders WHERE state = 'recovered' AND last_seen_ns < ?)
            AND balance NOT IN (SELECT balance FROM holds)
        """,
        [now_ns - KEPT_DAYS * DAY_NS],
    )
    connection.execute(
        """
        DELETE FROM balances WHERE moved_ns < :old AND coalesce(window_end, 0) < :old
            AND key NOT IN (SELECT balance FROM postings) AND key NOT IN (SELECT balance FROM holds)
            AND key NOT IN (SELECT balance FROM leases)
        """,
        {"old": old},
    )


def _with_their_calls(db: Database, found: Sequence[tuple[str, str]]) -> list[str]:
    """These attempts, and the others of their calls."""
    ids = {attempt for attempt, _ in found}
    for call in dict.fromkeys(call for _, call in found):
        ids |= {row[0] for row in db.conn.execute("SELECT attempt_id FROM attempts WHERE call_id = ?", [call])}
    return sorted(ids)


def _bury(db: Database, ids: Iterable[str]) -> None:
    connection = db.conn
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS leaving (attempt_id TEXT PRIMARY KEY)")
    connection.execute("DELETE FROM leaving")
    connection.executemany("INSERT INTO leaving VALUES (?)", [(name,) for name in ids])
    connection.execute(_ADD)
    connection.execute(_LEAVE_BALANCES)
    names = connection.execute(
        "SELECT attempt_id, response_id FROM attempts WHERE attempt_id IN (SELECT attempt_id FROM leaving)"
    ).fetchall()
    marks = [(_mark(name),) for row in names for name in row if name]
    connection.executemany("INSERT INTO tombs (mark) VALUES (?) ON CONFLICT DO NOTHING", marks)
    connection.execute("DELETE FROM postings WHERE attempt_id IN (SELECT attempt_id FROM leaving)")
    connection.execute("DELETE FROM attempts WHERE attempt_id IN (SELECT attempt_id FROM leaving)")


def _mark(name: str) -> int:
    """Eight bytes for a name: of ten million, two share one with a chance of three in a million."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


_FIRST_OF_CALL = """
    call_id = '' OR NOT EXISTS (
        SELECT 1 FROM attempts AS earlier WHERE earlier.call_id = attempts.call_id
            AND earlier.state IN ('settled', 'orphaned') AND earlier.duplicate_of IS NULL
            AND (earlier.at_ns, earlier.attempt_id) < (attempts.at_ns, attempts.attempt_id)
    )
"""
_ADD = f"""
INSERT INTO rollups (slot, {", ".join((*_KEYS, *_SUMS))})
SELECT at_ns / {HOUR_NS}, route, requested_model, model, labels, coalesce(basis, ''), action, coalesce(price_id, ''),
    coalesce(holders.service, ''), coalesce(source, ''), count(*), sum({_FIRST_OF_CALL}), coalesce(sum(cost_nano), 0),
    coalesce(sum(CASE basis WHEN 'estimate' THEN cost_nano END), 0), count(*) - count(cost_nano),
    count(CASE WHEN cost_nano IS NOT NULL AND missing NOT IN ('', '[]') THEN 1 END),
    {", ".join(f"coalesce(sum({name}), 0)" for name in _TOKENS)}, coalesce(sum(told_nano), 0)
FROM attempts LEFT JOIN holders ON holders.id = attempts.holder
WHERE attempt_id IN (SELECT attempt_id FROM leaving)
    AND attempts.state IN ('settled', 'orphaned') AND duplicate_of IS NULL
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
ON CONFLICT (slot, {", ".join(_KEYS)}) DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)}
"""
_LEAVE_BALANCES = """
UPDATE balances SET rolled_nano = rolled_nano + gone.nano, rolled_unknown_nano = rolled_unknown_nano + gone.unknown,
    rolled_tokens = rolled_tokens + gone.tokens, rolled_calls = rolled_calls + gone.calls
FROM (
    SELECT balance, sum(nano) AS nano, sum(unknown_nano) AS unknown, sum(tokens) AS tokens, count(*) AS calls
    FROM postings WHERE attempt_id IN (SELECT attempt_id FROM leaving) GROUP BY balance
) AS gone
WHERE balances.key = gone.balance
"""
