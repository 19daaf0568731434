"""In which tables are the sums that only grow? See `migrations.m018_meters` for their columns."""

from bursar.agent.ledger.rollups import HOUR_NS

_TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


METERS = f"""
CREATE TABLE meters (
    id INTEGER PRIMARY KEY, route TEXT NOT NULL, model TEXT NOT NULL,
    nano_up INTEGER NOT NULL DEFAULT 0, nano_down INTEGER NOT NULL DEFAULT 0, charges INTEGER NOT NULL DEFAULT 0,
    estimated_nano INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0,
    {", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in _TOKENS)},
    UNIQUE (route, model)
) STRICT;
CREATE TABLE decision_meters (
    action TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (action, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX balances_endless ON balances (moved_ns) WHERE window_end IS NULL;
INSERT INTO meters (route, model, nano_up, charges, estimated_nano, unknown, {", ".join(_TOKENS)})
    SELECT route, model, sum(nano), sum(charges), sum(estimated), sum(unknown),
        {", ".join(f"sum({name})" for name in _TOKENS)}
    FROM (
        SELECT at_ns, route, model, coalesce(cost_nano, 0) AS nano, 1 AS charges,
            CASE basis WHEN 'estimate' THEN coalesce(cost_nano, 0) ELSE 0 END AS estimated,
            cost_nano IS NULL AS unknown,
            {", ".join(f"coalesce({name}, 0) AS {name}" for name in _TOKENS)}
        FROM attempts WHERE state IN ('settled', 'orphaned') AND duplicate_of IS NULL
        UNION ALL
        SELECT slot * {HOUR_NS}, route, model, nano, charges, estimated_nano, unknown, {", ".join(_TOKENS)}
        FROM rollups
    )
    GROUP BY route, model ORDER BY min(at_ns), route, model;
INSERT INTO decision_meters SELECT action, reason, count(*) FROM decisions GROUP BY action, reason;
"""
