"""In which tables are the sums by hour and minute, and what are they of the attempts that are there?"""

from __future__ import annotations

from sqlite_utils import Database

from bursar.agent.ledger import script
from bursar.agent.ledger.octaves import step_of
from bursar.agent.ledger.rollups import HOUR_NS, MINUTE_NS, SUM_MINUTES_KEPT_NS
from bursar.policies.usage import Usage

MINUTE, HOUR, DAY = 60, 3_600, 86_400
KINDS = ("route", "requested_model", "model", "action", "price_id", "modifiers")
KEYS = ("label", "seconds", "slot", *KINDS)
_TOKENS = tuple(Usage.__dataclass_fields__)
FIGURES = (
    "charges", "calls", "nano", "estimated_nano", "unknown", "incomplete", *_TOKENS,
    "failures", "refusals", "escalations",
)  # fmt: skip

TABLES = f"""
CREATE TABLE sums (
    label TEXT NOT NULL, seconds INTEGER NOT NULL CHECK (seconds IN ({MINUTE}, {HOUR}, {DAY})), slot INTEGER NOT NULL,
    {", ".join(f"{name} TEXT NOT NULL" for name in KINDS)}, {", ".join(f"{name} INTEGER NOT NULL" for name in FIGURES)},
    PRIMARY KEY ({", ".join(KEYS)})
) STRICT, WITHOUT ROWID;
CREATE TABLE spreads (
    what TEXT NOT NULL CHECK (what IN ('duration', 'first_token', 'output')),
    seconds INTEGER NOT NULL CHECK (seconds IN ({HOUR}, {DAY})), slot INTEGER NOT NULL,
    route TEXT NOT NULL, model TEXT NOT NULL, bucket INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (what, seconds, slot, route, model, bucket)
) STRICT, WITHOUT ROWID;
CREATE TABLE label_days (
    day INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (day, name, value)
) STRICT, WITHOUT ROWID;
"""

COUNTED = "state IN ('settled', 'orphaned') AND duplicate_of IS NULL"
FAILED = (
    "state = 'released' AND duplicate_of IS NULL "
    "AND (failure LIKE 'http %' OR failure IN ('APIConnectionError', 'APITimeoutError'))"
)
"""Sent, and not answered by a message; see `sums.is_failure`, which says the same."""
_FIRST_OF_CALL = f"""
    call_id = '' OR NOT EXISTS (
        SELECT 1 FROM attempts AS earlier WHERE earlier.call_id = attempts.call_id AND earlier.{COUNTED}
            AND (earlier.at_ns, earlier.attempt_id) < (attempts.at_ns, attempts.attempt_id)
    )
"""
_NO_TOKENS = ", ".join("0" for _ in _TOKENS)
_OF_ATTEMPTS = f"""
    SELECT at_ns, labels, route, requested_model, model, action, coalesce(price_id, '') AS price_id,
        coalesce(modifiers, '[]') AS modifiers, 1 AS charges, {_FIRST_OF_CALL} AS calls,
        coalesce(cost_nano, 0) AS nano, CASE basis WHEN 'estimate' THEN coalesce(cost_nano, 0) ELSE 0 END AS
        estimated_nano, cost_nano IS NULL AS unknown,
        cost_nano IS NOT NULL AND coalesce(missing, '') NOT IN ('', '[]') AS incomplete,
        {", ".join(f"coalesce({name}, 0) AS {name}" for name in _TOKENS)},
        0 AS failures, 0 AS refusals, coalesce(stage = 'strong' AND escalation != '', 0) AS escalations
    FROM attempts WHERE {COUNTED}
    UNION ALL
    SELECT at_ns, labels, route, requested_model, model, action, '', '[]', 0, 0, 0, 0, 0, 0, {_NO_TOKENS}, 1, 0, 0
    FROM attempts WHERE {FAILED}
    UNION ALL
    SELECT at_ns, labels, route, model, '', action, '', '[]', 0, 0, 0, 0, 0, 0, {_NO_TOKENS}, 0, 1, 0
    FROM decisions WHERE action = 'block'
"""
_OF_ROLLUPS = f"""
    SELECT slot * {HOUR_NS}, labels, route, requested_model, model, action, price_id, '[]', charges, calls, nano,
        estimated_nano, unknown, incomplete, {", ".join(_TOKENS)}, 0, 0, 0
    FROM rollups
"""
_SUMMED = ", ".join(f"sum({name}) AS {name}" for name in FIGURES)
_EACH = f"{', '.join(KINDS)}, {_SUMMED}"
_BY = f"GROUP BY slot, {', '.join(KINDS)}"
_SEEN = f"{' + '.join(_TOKENS)} > 0"
_DAYS = f"""
INSERT INTO sums
    SELECT label, {DAY}, slot / 24 AS day, {_EACH} FROM sums GROUP BY label, day, {", ".join(KINDS)};
"""
_NEWEST = "(SELECT max(at_ns) AS at_ns FROM attempts UNION ALL SELECT max(at_ns) FROM decisions)"
_FILL = f"""
CREATE TEMP TABLE told AS
    SELECT at_ns / {HOUR_NS} AS slot, labels, {_EACH} FROM ({_OF_ATTEMPTS} UNION ALL {_OF_ROLLUPS}) {_BY}, labels;
INSERT INTO sums SELECT '', {HOUR}, slot, {_EACH} FROM told {_BY};
INSERT INTO sums
    SELECT key || '=' || value, {HOUR}, slot, {_EACH} FROM told, json_each(labels) {_BY}, key, value;
INSERT INTO label_days
    SELECT slot / 24, key, value, sum(charges + failures + refusals) FROM told, json_each(labels) GROUP BY 1, 2, 3;
DROP TABLE told;
{_DAYS}INSERT INTO sums
    SELECT '', {MINUTE}, at_ns / {MINUTE_NS} AS slot, {_EACH} FROM ({_OF_ATTEMPTS})
    WHERE at_ns >= (SELECT max(at_ns) - {SUM_MINUTES_KEPT_NS} FROM {_NEWEST}) {_BY};
INSERT INTO spreads
    SELECT what, {HOUR}, at_ns / {HOUR_NS} AS slot, route, model, step_of(value) AS bucket, count(*) FROM (
        SELECT 'duration' AS what, at_ns, route, model, duration_ns / 1e6 AS value FROM attempts
            WHERE {COUNTED} AND duration_ns IS NOT NULL
        UNION ALL
        SELECT 'first_token', at_ns, route, model, first_token_ns / 1e6 FROM attempts
            WHERE {COUNTED} AND first_token_ns IS NOT NULL
        UNION ALL
        SELECT 'output', at_ns, route, model, output FROM attempts WHERE {COUNTED} AND {_SEEN}
    ) GROUP BY what, slot, route, model, bucket;
INSERT INTO spreads
    SELECT what, {DAY}, slot / 24 AS day, route, model, bucket, sum(count) FROM spreads
    GROUP BY what, day, route, model, bucket;
"""


def make(db: Database) -> None:
    """Make the tables, and fill them."""
    script.run(db, TABLES)
    fill(db)


def fill(db: Database) -> None:
    """Put into the empty tables what there is of attempts, decisions and what is rolled up, which lacks modifiers."""
    db.conn.create_function("step_of", 1, step_of, deterministic=True)
    script.run(db, _FILL)
