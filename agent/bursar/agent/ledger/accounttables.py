"""In which tables are attempts, balances, and what is held, lent, told and kept of them? See `migrations`."""

LEDGER = """
CREATE TABLE holders (
    id TEXT PRIMARY KEY, pid INTEGER NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL, journal TEXT,
    started_ns INTEGER NOT NULL, last_seq INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'closed', 'recovered')),
    skipped INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE attempts (
    attempt_id TEXT PRIMARY KEY, holder TEXT, call_id TEXT NOT NULL, at_ns INTEGER NOT NULL,
    route TEXT NOT NULL, model TEXT NOT NULL, requested_model TEXT NOT NULL, labels TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('held', 'sent', 'provisional', 'settled', 'released', 'orphaned')),
    sent INTEGER NOT NULL, bound_nano INTEGER, expected_nano INTEGER NOT NULL,
    balances TEXT, leased TEXT NOT NULL, action TEXT NOT NULL, reason TEXT NOT NULL, decision TEXT NOT NULL,
    basis TEXT, cost_nano INTEGER, floor_nano INTEGER NOT NULL,
    input INTEGER, cache_read INTEGER, cache_write_5m INTEGER, cache_write_1h INTEGER, output INTEGER,
    thinking INTEGER, web_searches INTEGER, web_fetches INTEGER,
    price_id TEXT, request_id TEXT, response_id TEXT, lines TEXT, missing TEXT, modifiers TEXT,
    source TEXT CHECK (source IN ('journal', 'span')), settled_ns INTEGER,
    own_final INTEGER NOT NULL, own_cost_nano INTEGER, lease_charged_nano INTEGER, duplicate_of TEXT
) STRICT;
CREATE UNIQUE INDEX attempts_response ON attempts (response_id) WHERE response_id IS NOT NULL;
CREATE INDEX attempts_request ON attempts (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX attempts_duplicate ON attempts (duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX attempts_open ON attempts (holder) WHERE state IN ('held', 'sent', 'provisional');
CREATE INDEX attempts_at ON attempts (at_ns);
CREATE INDEX attempts_route ON attempts (route, at_ns);
CREATE INDEX attempts_call ON attempts (call_id);
CREATE TABLE balances (
    key TEXT PRIMARY KEY, budget TEXT NOT NULL, scope TEXT NOT NULL,
    window_start INTEGER, window_end INTEGER, limit_nano INTEGER, ceiling_nano INTEGER,
    spent_nano INTEGER NOT NULL DEFAULT 0, unknown_nano INTEGER NOT NULL DEFAULT 0,
    calls INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX balances_window ON balances (window_end);
CREATE TABLE postings (
    attempt_id TEXT NOT NULL, balance TEXT NOT NULL, nano INTEGER NOT NULL, unknown_nano INTEGER NOT NULL,
    PRIMARY KEY (attempt_id, balance)
) STRICT, WITHOUT ROWID;
CREATE INDEX postings_balance ON postings (balance);
CREATE TABLE holds (
    balance TEXT NOT NULL, attempt_id TEXT NOT NULL, holder TEXT,
    expected_nano INTEGER NOT NULL, lent_nano INTEGER NOT NULL,
    PRIMARY KEY (balance, attempt_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_attempt ON holds (attempt_id);
CREATE INDEX holds_holder ON holds (holder, balance);
CREATE TABLE leases (
    balance TEXT NOT NULL, holder TEXT NOT NULL, granted INTEGER NOT NULL DEFAULT 0,
    returned INTEGER NOT NULL DEFAULT 0, charged INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (balance, holder)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_holder ON leases (holder);
CREATE TABLE decisions (
    id TEXT PRIMARY KEY, call_id TEXT NOT NULL, at_ns INTEGER NOT NULL, route TEXT NOT NULL,
    model TEXT NOT NULL, labels TEXT NOT NULL, action TEXT NOT NULL, reason TEXT NOT NULL,
    decision TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_at ON decisions (at_ns);
CREATE INDEX decisions_call ON decisions (call_id);
CREATE TABLE alerts (
    balance TEXT NOT NULL, step TEXT NOT NULL, channel TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'sent')),
    created_ns INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next_try_ns INTEGER NOT NULL,
    sent_ns INTEGER, last_error TEXT, payload TEXT NOT NULL,
    PRIMARY KEY (balance, step, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_due ON alerts (next_try_ns) WHERE state = 'pending';
"""

UNITS = """
ALTER TABLE attempts ADD COLUMN bound_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN expected_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN own_tokens INTEGER;
ALTER TABLE postings ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE postings ADD COLUMN at_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE balances RENAME COLUMN limit_nano TO limit_amount;
ALTER TABLE balances RENAME COLUMN ceiling_nano TO ceiling;
ALTER TABLE balances ADD COLUMN soft_ceiling INTEGER;
ALTER TABLE balances ADD COLUMN unit TEXT NOT NULL DEFAULT 'usd' CHECK (unit IN ('usd', 'tokens', 'calls'));
ALTER TABLE balances ADD COLUMN spent_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE balances ADD COLUMN moved_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE holds RENAME COLUMN expected_nano TO expected;
ALTER TABLE holds RENAME COLUMN lent_nano TO lent;
CREATE TABLE flows (
    budget TEXT NOT NULL, scope TEXT NOT NULL, seconds INTEGER NOT NULL CHECK (seconds IN (60, 3600)),
    slot INTEGER NOT NULL, nano INTEGER NOT NULL, tokens INTEGER NOT NULL, calls INTEGER NOT NULL,
    PRIMARY KEY (budget, scope, seconds, slot)
) STRICT, WITHOUT ROWID;
UPDATE balances SET soft_ceiling = ceiling, moved_ns = coalesce(window_start, 0);
UPDATE postings SET at_ns = attempts.at_ns,
    tokens = coalesce(input + cache_read + cache_write_5m + cache_write_1h + output, 0)
    FROM attempts WHERE attempts.attempt_id = postings.attempt_id;
UPDATE balances SET spent_tokens = coalesce((SELECT sum(tokens) FROM postings WHERE balance = key), 0);
INSERT INTO flows
    SELECT budget, scope, seconds, at_ns / (seconds * 1000000000) AS slot, sum(nano), sum(tokens), count(*)
    FROM postings JOIN balances ON key = balance,
        (SELECT 60 AS seconds UNION SELECT 3600)
    GROUP BY budget, scope, seconds, slot;
"""

KEEPING = """
CREATE TABLE rollups (
    slot INTEGER NOT NULL, route TEXT NOT NULL, requested_model TEXT NOT NULL, model TEXT NOT NULL,
    labels TEXT NOT NULL, basis TEXT NOT NULL, action TEXT NOT NULL, price_id TEXT NOT NULL, service TEXT NOT NULL,
    source TEXT NOT NULL, charges INTEGER NOT NULL, calls INTEGER NOT NULL, nano INTEGER NOT NULL,
    estimated_nano INTEGER NOT NULL, unknown INTEGER NOT NULL, incomplete INTEGER NOT NULL,
    input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL, thinking INTEGER NOT NULL,
    web_searches INTEGER NOT NULL, web_fetches INTEGER NOT NULL,
    PRIMARY KEY (slot, route, requested_model, model, labels, basis, action, price_id, service, source)
) STRICT, WITHOUT ROWID;
CREATE TABLE tombs (mark INTEGER PRIMARY KEY) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('ledger', lower(hex(randomblob(8)))), ('commits', '0');
ALTER TABLE balances ADD COLUMN rolled_nano INTEGER NOT NULL DEFAULT 0;
ALTER TABLE balances ADD COLUMN rolled_unknown_nano INTEGER NOT NULL DEFAULT 0;
ALTER TABLE balances ADD COLUMN rolled_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE balances ADD COLUMN rolled_calls INTEGER NOT NULL DEFAULT 0;
"""
