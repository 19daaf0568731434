"""In which tables are the sums that only grow, and what keeps them? See `schema.m018_meters` for their columns."""

from bursar.agent.ledger.rollups import HOUR_NS

_TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


def _counted(row: str) -> str:
    return f"({row}.state IN ('settled', 'orphaned') AND {row}.duplicate_of IS NULL)"


_SAME = "NEW.route = OLD.route AND NEW.model = OLD.model"
_KEEPS_PLACE = f"{_counted('NEW')} AND {_counted('OLD')} AND {_SAME}"
_ADD = f"""
    INSERT INTO meters (route, model, nano_up, charges, estimated_nano, unknown, {", ".join(_TOKENS)})
    VALUES (
        NEW.route, NEW.model, coalesce(NEW.cost_nano, 0), 1,
        CASE NEW.basis WHEN 'estimate' THEN coalesce(NEW.cost_nano, 0) ELSE 0 END, NEW.cost_nano IS NULL,
        {", ".join(f"coalesce(NEW.{name}, 0)" for name in _TOKENS)}
    )
    ON CONFLICT (route, model) DO UPDATE SET
        nano_up = nano_up + excluded.nano_up, charges = charges + 1,
        estimated_nano = estimated_nano + excluded.estimated_nano, unknown = unknown + excluded.unknown,
        {", ".join(f"{name} = {name} + excluded.{name}" for name in _TOKENS)};
"""
_ESTIMATE = "CASE {row}.basis WHEN 'estimate' THEN coalesce({row}.cost_nano, 0) ELSE 0 END"

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
            {_ESTIMATE.format(row="attempts")} AS estimated, cost_nano IS NULL AS unknown,
            {", ".join(f"coalesce({name}, 0) AS {name}" for name in _TOKENS)}
        FROM attempts WHERE {_counted("attempts")}
        UNION ALL
        SELECT slot * {HOUR_NS}, route, model, nano, charges, estimated_nano, unknown, {", ".join(_TOKENS)}
        FROM rollups
    )
    GROUP BY route, model ORDER BY min(at_ns), route, model;
INSERT INTO decision_meters SELECT action, reason, count(*) FROM decisions GROUP BY action, reason;
CREATE TRIGGER meters_new AFTER INSERT ON attempts WHEN {_counted("NEW")}
BEGIN {_ADD} END;
CREATE TRIGGER meters_in AFTER UPDATE ON attempts WHEN {_counted("NEW")} AND NOT ({_counted("OLD")} AND {_SAME})
BEGIN {_ADD} END;
CREATE TRIGGER meters_out AFTER UPDATE ON attempts WHEN {_counted("OLD")} AND NOT ({_counted("NEW")} AND {_SAME})
BEGIN
    UPDATE meters SET nano_down = nano_down + coalesce(OLD.cost_nano, 0),
        estimated_nano = estimated_nano - {_ESTIMATE.format(row="OLD")}, unknown = unknown - (OLD.cost_nano IS NULL)
    WHERE route = OLD.route AND model = OLD.model;
END;
CREATE TRIGGER meters_moved AFTER UPDATE ON attempts WHEN {_KEEPS_PLACE}
    AND (NEW.cost_nano IS NOT OLD.cost_nano OR NEW.basis IS NOT OLD.basis
        OR {" OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in _TOKENS)})
BEGIN
    UPDATE meters SET
        nano_up = nano_up + max(coalesce(NEW.cost_nano, 0) - coalesce(OLD.cost_nano, 0), 0),
        nano_down = nano_down + max(coalesce(OLD.cost_nano, 0) - coalesce(NEW.cost_nano, 0), 0),
        estimated_nano = estimated_nano + {_ESTIMATE.format(row="NEW")} - {_ESTIMATE.format(row="OLD")},
        unknown = unknown + (NEW.cost_nano IS NULL) - (OLD.cost_nano IS NULL),
        {", ".join(f"{n} = {n} + max(coalesce(NEW.{n}, 0) - coalesce(OLD.{n}, 0), 0)" for n in _TOKENS)}
    WHERE route = NEW.route AND model = NEW.model;
END;
CREATE TRIGGER decisions_new AFTER INSERT ON decisions
BEGIN
    INSERT INTO decision_meters VALUES (NEW.action, NEW.reason, 1)
    ON CONFLICT (action, reason) DO UPDATE SET count = count + 1;
END;
"""
