"""In which tables are samples of calls kept, and what evals of them said? See `migrations.m015_samples`."""

SAMPLES = """
CREATE TABLE samples (
    attempt_id TEXT PRIMARY KEY, route TEXT NOT NULL, lot INTEGER NOT NULL, at_ns INTEGER NOT NULL,
    kept_ns INTEGER NOT NULL, model TEXT NOT NULL, betas TEXT NOT NULL, sealed INTEGER NOT NULL,
    request BLOB NOT NULL, answer BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX samples_route ON samples (route, lot);
CREATE TABLE evals (
    id INTEGER PRIMARY KEY, route TEXT NOT NULL, candidate TEXT NOT NULL, reference TEXT NOT NULL,
    at_ns INTEGER NOT NULL, samples INTEGER NOT NULL, scored INTEGER NOT NULL, agreement REAL NOT NULL,
    low REAL NOT NULL, high REAL NOT NULL, bar REAL NOT NULL, passed INTEGER NOT NULL, score TEXT NOT NULL,
    cost_nano INTEGER NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE INDEX evals_pair ON evals (route, candidate, at_ns);
"""
