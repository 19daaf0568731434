"""In which tables are fingerprints kept? See `migrations.m014_fingerprints` for their columns."""

FINGERPRINTS = """
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, hash BLOB NOT NULL, depth INTEGER NOT NULL,
    section TEXT NOT NULL, place INTEGER NOT NULL, part INTEGER NOT NULL, kind TEXT NOT NULL, role TEXT NOT NULL,
    bytes INTEGER NOT NULL, tokens INTEGER NOT NULL, cacheable INTEGER NOT NULL, seen_ns INTEGER NOT NULL,
    UNIQUE (parent, hash)
) STRICT;
CREATE TABLE fingerprints (
    attempt_id TEXT PRIMARY KEY, told_ns INTEGER NOT NULL, node INTEGER NOT NULL, conversation TEXT NOT NULL,
    share REAL NOT NULL, ttft_ns INTEGER NOT NULL, automatic TEXT NOT NULL, marks TEXT NOT NULL,
    miss_reason TEXT NOT NULL, cause TEXT, depth INTEGER, offset INTEGER, length INTEGER, shared_after INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX fingerprints_told ON fingerprints (told_ns);
CREATE TABLE stretches (node INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;
CREATE TABLE verdicts (
    id TEXT PRIMARY KEY, route TEXT NOT NULL, model TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('dismissed', 'pulled', 'kept', 'taken_back')),
    at_ns INTEGER NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
"""
