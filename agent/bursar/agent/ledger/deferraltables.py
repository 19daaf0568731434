"""In which tables are calls kept that are put off? See `migrations.m013_deferrals` for their columns."""

DEFERRALS = """
CREATE TABLE deferrals (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, route TEXT NOT NULL, model TEXT NOT NULL, requested_model TEXT NOT NULL,
    labels TEXT NOT NULL, call_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'submitting', 'in_progress', 'succeeded', 'errored', 'expired',
        'cancelled', 'fallen_back')),
    first_attempt TEXT NOT NULL, attempt_id TEXT NOT NULL, fallback TEXT, fallback_sent INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 1, failures INTEGER NOT NULL DEFAULT 0, batch TEXT,
    credential TEXT NOT NULL, betas TEXT NOT NULL, span INTEGER NOT NULL, prefix TEXT NOT NULL, bytes INTEGER NOT NULL,
    at_ns INTEGER NOT NULL, due_ns INTEGER NOT NULL, taken_ns INTEGER NOT NULL, flush_ns INTEGER NOT NULL,
    fall_back_ns INTEGER NOT NULL, ended_ns INTEGER, delivered_ns INTEGER,
    balances TEXT, hard TEXT NOT NULL, most INTEGER NOT NULL, expected INTEGER NOT NULL, most_tokens INTEGER NOT NULL,
    expected_tokens INTEGER NOT NULL, sync_most INTEGER NOT NULL, sync_expected INTEGER NOT NULL,
    bounded INTEGER NOT NULL, reason TEXT NOT NULL, decision TEXT NOT NULL,
    status INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX deferrals_queued ON deferrals (credential, betas, span, prefix, taken_ns) WHERE state = 'queued';
CREATE INDEX deferrals_fall_back ON deferrals (fall_back_ns)
    WHERE state IN ('queued', 'submitting', 'in_progress');
CREATE INDEX deferrals_fallen ON deferrals (id) WHERE state = 'fallen_back';
CREATE INDEX deferrals_key ON deferrals (route, key) WHERE key != '';
CREATE INDEX deferrals_batch ON deferrals (batch) WHERE batch IS NOT NULL;
CREATE INDEX deferrals_taken ON deferrals (taken_ns);
CREATE INDEX deferrals_delivered ON deferrals (delivered_ns) WHERE delivered_ns IS NOT NULL;
CREATE TABLE deferral_texts (
    deferral TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('request', 'answer')), sealed INTEGER NOT NULL,
    text BLOB NOT NULL, PRIMARY KEY (deferral, kind)
) STRICT;
CREATE TABLE tries (
    attempt_id TEXT PRIMARY KEY, deferral TEXT NOT NULL, batch TEXT, at_ns INTEGER NOT NULL, ended_ns INTEGER,
    outcome TEXT CHECK (outcome IN ('succeeded', 'errored', 'expired', 'cancelled', 'withdrawn', 'unknown')),
    detail TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX tries_deferral ON tries (deferral, at_ns);
CREATE INDEX tries_batch ON tries (batch) WHERE batch IS NOT NULL;
CREATE TABLE batches (
    id TEXT PRIMARY KEY, api_id TEXT UNIQUE, credential TEXT NOT NULL, betas TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('forming', 'submitting', 'in_progress', 'ended', 'collected', 'failed')),
    made_ns INTEGER NOT NULL, submitted_ns INTEGER, looked_ns INTEGER NOT NULL DEFAULT 0, ended_ns INTEGER,
    items INTEGER NOT NULL, bytes INTEGER NOT NULL, counts TEXT NOT NULL DEFAULT '{}',
    cancelled_ns INTEGER, reason TEXT NOT NULL, why TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX batches_open ON batches (state) WHERE state IN ('forming', 'submitting', 'in_progress', 'ended');
"""
