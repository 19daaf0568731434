"""Which attempts were paid for without need, as far as the ledger can tell?"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sqlite_utils import Database

SAME_NS = 3_600 * 10**9
"""Within an hour a prompt that comes again, equal in every block, is called identical."""
LOOP, LOOP_NS = 20, 600 * 10**9
"""More often than that within ten minutes it is a loop: as a policy's `loop` step has it, unless it says otherwise."""


class Why(StrEnum):
    """What the money went to."""

    UNANSWERED = "unanswered"
    """An attempt that nobody saw the answer of: a timeout, an abort, a process that died."""
    RETRIED = "retried"
    """An attempt with an answer, after which the same call was sent once more."""
    LOOP = "loop"
    IDENTICAL = "identical"


class Waste(NamedTuple):
    """Attempts of one route, model, day and kind. Money in nano-dollars."""

    why: Why
    route: str
    model: str
    day: int
    """Which 24 hours back from the end, from 0."""
    attempts: int
    nano: int
    """What they cost; of an attempt without an answer whose cost is not known, the most that it can have cost."""
    likely: int
    """The same, with what was expected before it left in the place of such a most."""
    unknown: int
    """Those of them of which not even a bound is known: in no sum."""


_WHERE = "a.state IN ('settled', 'orphaned') AND a.duplicate_of IS NULL AND a.at_ns >= :since AND a.at_ns < :until"
_ALONE = "NOT EXISTS (SELECT 1 FROM json_each(a.modifiers) WHERE value = 'batch')"
_DAY = "a.route, a.model, (:until - 1 - a.at_ns) / 86400000000000, count(*)"
_LOST = "coalesce(a.basis, 'unknown') IN ('estimate', 'unknown')"
_MOST = f"coalesce(a.cost_nano, CASE WHEN {_LOST} THEN a.bound_nano END)"
_GUESSED = f"{_LOST} AND (a.cost_nano IS NULL OR a.state = 'orphaned')"
_LIKELY = f"CASE WHEN {_GUESSED} THEN min(a.expected_nano, {_MOST}) ELSE {_MOST} END"
_ATTEMPTS = f"""
    SELECT CASE WHEN {_LOST} THEN 'unanswered' ELSE 'retried' END, {_DAY},
        coalesce(sum({_MOST}), 0), coalesce(sum({_LIKELY}), 0), sum({_MOST} IS NULL)
    FROM attempts AS a
    WHERE {_WHERE} AND (
        {_LOST}
        OR {_ALONE} AND EXISTS (
            SELECT 1 FROM attempts AS later
            WHERE later.call_id = a.call_id AND later.call_id <> '' AND later.at_ns > a.at_ns
                AND later.model = a.model AND later.state <> 'released' AND later.duplicate_of IS NULL))
    GROUP BY 1, 2, 3, 4
"""
_IDENTICAL = f"""
    SELECT CASE WHEN a.often > {LOOP} THEN 'loop' ELSE 'identical' END, {_DAY},
        coalesce(sum(a.cost_nano), 0), coalesce(sum(a.cost_nano), 0), sum(a.cost_nano IS NULL)
    FROM (
        SELECT a.route, a.model, a.at_ns, a.cost_nano, a.call_id,
            lag(a.call_id) OVER prompt AS before_call, a.at_ns - lag(a.at_ns) OVER prompt AS gap,
            count(*) OVER (PARTITION BY f.node, a.model ORDER BY a.at_ns
                RANGE BETWEEN {LOOP_NS} PRECEDING AND CURRENT ROW) AS often
        FROM fingerprints AS f JOIN attempts AS a ON a.attempt_id = f.attempt_id
        WHERE {_WHERE} AND a.basis IN ('usage', 'span') AND {_ALONE}
        WINDOW prompt AS (PARTITION BY f.node, a.model ORDER BY a.at_ns)
    ) AS a
    WHERE a.gap <= {SAME_NS} AND a.call_id <> a.before_call
    GROUP BY 1, 2, 3, 4
"""


def waste(db: Database, since_ns: int, until_ns: int) -> list[Waste]:
    """
    What was paid for without need, up to and without `until_ns`; nothing is in two kinds but that a retry may repeat.

    Prompts are compared by fingerprints, so of calls without one nobody knows whether they are identical.
    """
    times = {"since": since_ns, "until": until_ns}
    return [Waste(Why(why), *rest) for sql in (_ATTEMPTS, _IDENTICAL) for why, *rest in db.conn.execute(sql, times)]
