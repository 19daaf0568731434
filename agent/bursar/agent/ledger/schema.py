"""What stands in the ledger's tables, and how does a file of an earlier version become a present one?"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

MIGRATIONS = Migrations("bursar")
"""In order; a name once released is never changed, since files remember which ones they have seen."""

_STRICT_SINCE = (3, 37)


class SchemaError(Exception):
    """A database file that this version cannot work with; the text says why and what to do."""


def upgrade(db: Database) -> None:
    """Bring a file, new or old, to the present schema. Raises `SchemaError` for one of a newer version."""
    refuse_newer(db)
    MIGRATIONS.apply(db)


def refuse_newer(db: Database) -> None:
    """Raise `SchemaError` where the file knows a migration that this version does not, or SQLite is too old."""
    if sqlite3.sqlite_version_info < _STRICT_SINCE:
        raise SchemaError(f"SQLite {sqlite3.sqlite_version} is too old: use a Python that brings 3.37 or newer")
    newer = sorted({migration.name for migration in MIGRATIONS.applied(db)} - _known())
    if newer:
        raise SchemaError(f"it was written by a newer Bursar (it has {', '.join(newer)}): upgrade Bursar")


def refuse_older(db: Database) -> None:
    """Raise `SchemaError` where a migration is missing, for those who may only read."""
    missing = [migration.name for migration in MIGRATIONS.pending(db)]
    if missing:
        raise SchemaError(f"it lacks {', '.join(missing)}: start the agent on it once, which upgrades it")


_LEDGER = """
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


@MIGRATIONS()
def m001_ledger(db: Database) -> None:
    """
    The first schema. Amounts are nano-dollars and instants nanoseconds since the epoch, all in 64-bit integers.

    attempts: `balances` is NULL until they are known; `sent` says whether a `sent` record was seen; `floor_nano` is
    the lower bound of a stream's first event; `own_*` is the last word of the process that sent it, from which its
    leases are charged, and `lease_charged_nano` that this was done; `duplicate_of` names the attempt that counts
    the same response.
    """
    db.executescript(_LEDGER)


@MIGRATIONS()
def m002_slices(db: Database) -> None:
    """
    What decides whether a process may keep money by it.

    leases: `asks` granted, and the largest, `asked_nano`. balances: `wanted_ns`, when somebody last got nothing.
    """
    db.executescript(
        """
        ALTER TABLE leases ADD COLUMN asks INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE leases ADD COLUMN asked_nano INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE balances ADD COLUMN wanted_ns INTEGER NOT NULL DEFAULT 0;
        """
    )


@MIGRATIONS()
def m003_repricings(db: Database) -> None:
    """
    What was priced anew: a row for every charge whose cost or basis another price book changed.

    An unknown cost is NULL. `why` is the reason given, and the book.
    """
    db.executescript(
        """
        CREATE TABLE repricings (
            attempt_id TEXT NOT NULL, at_ns INTEGER NOT NULL, why TEXT NOT NULL,
            old_nano INTEGER, new_nano INTEGER, old_price_id TEXT, new_price_id TEXT,
            old_basis TEXT NOT NULL, new_basis TEXT NOT NULL,
            PRIMARY KEY (attempt_id, at_ns)
        ) STRICT, WITHOUT ROWID;
        """
    )


@MIGRATIONS()
def m007_alerts(db: Database) -> None:
    """
    What became of every try to tell an alert: a row when it begins, its outcome when the channel has answered.

    One that stays `begun` was broken off by the agent's end: nobody knows whether the channel took it.
    """
    db.executescript(
        """
        CREATE TABLE deliveries (
            id INTEGER PRIMARY KEY, balance TEXT NOT NULL, step TEXT NOT NULL, channel TEXT NOT NULL,
            begun_ns INTEGER NOT NULL, ended_ns INTEGER,
            outcome TEXT NOT NULL CHECK (outcome IN ('begun', 'accepted', 'failed')), said TEXT
        ) STRICT;
        CREATE INDEX deliveries_alert ON deliveries (balance, step, channel);
        """
    )


def _known() -> set[str]:
    """The names of all migrations of this version: those that an empty database lacks."""
    with Database(memory=True) as empty:
        return {migration.name for migration in MIGRATIONS.pending(empty)}
