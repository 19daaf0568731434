"""Claims about the ledger's schema and its migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from sqlite_utils import Database

from bursar.agent.ledger import attempts, migrations, postings, schema, sumtables


@pytest.fixture
def db() -> Iterator[Database]:
    with Database(memory=True) as memory:
        yield memory


def test_an_empty_file_gets_every_table(db: Database) -> None:
    """After the upgrade all tables are there, and nothing is pending."""
    schema.upgrade(db)
    assert set(db.table_names()) - {"_sqlite_migrations"} == {
        "advice",
        "alerts",
        "attempts",
        "balances",
        "batches",
        "counters",
        "decision_meters",
        "deferral_texts",
        "deferrals",
        "deliveries",
        "decisions",
        "epochs",
        "evals",
        "fingerprints",
        "flows",
        "holders",
        "holds",
        "label_days",
        "leases",
        "meta",
        "meters",
        "nodes",
        "overrides",
        "postings",
        "repricings",
        "rollups",
        "rulebook",
        "sightings",
        "samples",
        "spreads",
        "stretches",
        "sums",
        "tombs",
        "tries",
        "verdicts",
        "waiting",
    }
    schema.refuse_older(db)


def test_a_new_file_is_made_at_one_stroke(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the last migration fails, nothing is left of those before it, and the next start begins anew."""
    monkeypatch.setattr(migrations, "DECISION_ID", "no_such_function(decision)")
    with pytest.raises(sqlite3.OperationalError, match="no_such_function"):
        schema.upgrade(db)
    assert db.table_names() == []
    monkeypatch.undo()
    schema.upgrade(db)
    schema.refuse_older(db)


def test_an_old_file_keeps_what_each_migration_did(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a later one fails, those before it need not be done again: of a long history they take time."""
    migrations.MIGRATIONS.apply(db, stop_before="m023_stop_reason")
    monkeypatch.setattr(migrations, "DECISION_ID", "no_such_function(decision)")
    with pytest.raises(sqlite3.OperationalError, match="no_such_function"):
        schema.upgrade(db)
    assert [migration.name for migration in migrations.MIGRATIONS.pending(db)] == ["m025_named"]


def test_upgrading_twice_changes_nothing(db: Database) -> None:
    """A present file is left as it is."""
    schema.upgrade(db)
    db.conn.execute("INSERT INTO balances (key, budget, scope) VALUES ('k', 'b', '')")
    schema.upgrade(db)
    assert db.conn.execute("SELECT key FROM balances").fetchall() == [("k",)]


def test_a_newer_file_is_refused(db: Database) -> None:
    """A migration that this version does not know is named in the refusal."""
    schema.upgrade(db)
    db.conn.execute("INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('bursar', 'm999_later')")
    with pytest.raises(schema.SchemaError, match=r"newer Bursar.*m999_later.*upgrade Bursar"):
        schema.upgrade(db)


def test_a_file_without_our_migrations_is_refused_for_reading(db: Database) -> None:
    """Who may only read cannot upgrade, and is told who can."""
    with pytest.raises(
        schema.SchemaError, match="lacks m001_ledger, m002_slices, m003_repricings, m004_units_and_flows"
    ):
        schema.refuse_older(db)


def test_an_old_sqlite_is_refused(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """STRICT tables need SQLite 3.37; an older one is named."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 9))
    with pytest.raises(schema.SchemaError, match=r"too old: use a Python that brings 3\.37"):
        schema.upgrade(db)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO balances (key, budget, scope, spent_nano) VALUES ('k', 'b', '', 'much')",
        "INSERT INTO balances (key, budget, scope, spent_nano) VALUES ('k', 'b', '', 0.5)",
        "INSERT INTO holders VALUES ('h', 1, '', '', NULL, 0, 0, 0, 'asleep', 0)",
        "INSERT INTO postings VALUES ('a', 'k', NULL, 0, 0, 0)",
        "INSERT INTO balances (key, budget, scope, unit) VALUES ('k', 'b', '', 'pounds')",
        "INSERT INTO flows VALUES ('b', '', 61, 0, 0, 0, 0)",
    ],
)
def test_a_value_of_another_kind_is_refused(db: Database, statement: str) -> None:
    """Texts and fractions are no money, and a state is one of those there are."""
    schema.upgrade(db)
    with pytest.raises(sqlite3.IntegrityError):
        db.conn.execute(statement)


BEFORE_UNITS = """
INSERT INTO attempts (attempt_id, holder, call_id, at_ns, route, model, requested_model, labels, state, sent,
    bound_nano, expected_nano, balances, leased, action, reason, decision, basis, cost_nano, floor_nano,
    input, cache_read, cache_write_5m, cache_write_1h, output, thinking, web_searches, web_fetches, lines, missing,
    modifiers, own_final, own_cost_nano, lease_charged_nano)
VALUES
    ('a1', 'h1', 'c1', 1795262400000000000, 'r', 'm', 'm', '{}', 'settled', 1, 100, 40, '["b|w|"]', '["b|w|"]',
        'go', '', '{}', 'usage', 30, 0, 1, 2, 3, 4, 5, 0, 0, 0, '[]', '[]', '[]', 1, 30, 30),
    ('a2', 'h1', 'c2', 1795262459000000000, 'r', 'm', 'm', '{}', 'settled', 1, 100, 40, '["b|w|"]', '["b|w|"]',
        'go', '', '{}', 'unknown', NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, '[]', '[]', '[]', 1, NULL, 100),
    ('a3', 'h1', 'c3', 1795262460000000000, 'r', 'm', 'm', '{}', 'sent', 1, 100, 40, '["b|w|"]', '["b|w|"]',
        'go', '', '{}', NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL);
INSERT INTO balances (key, budget, scope, window_start, window_end, limit_nano, ceiling_nano, spent_nano,
    unknown_nano, calls) VALUES ('b|w|', 'b', '', 7, 9, 1000, 1000, 130, 100, 2);
INSERT INTO postings VALUES ('a1', 'b|w|', 30, 0), ('a2', 'b|w|', 100, 100);
INSERT INTO holds VALUES ('b|w|', 'a3', 'h1', 40, 100);
INSERT INTO leases (balance, holder, granted, returned, charged) VALUES ('b|w|', 'h1', 300, 0, 130);
"""


def test_a_file_of_before_units_keeps_its_money(db: Database) -> None:
    """What was spent, held and lent stands as it did; tokens and flows come from what was kept of each attempt."""
    for migration in list(migrations.MIGRATIONS.pending(db))[:3]:
        migration.fn(db)
    db.executescript(BEFORE_UNITS)
    for migration in list(migrations.MIGRATIONS.pending(db))[3:]:
        migration.fn(db)
    assert db.conn.execute(
        "SELECT limit_amount, ceiling, soft_ceiling, unit, spent_nano, unknown_nano, spent_tokens, calls FROM balances"
    ).fetchall() == [(1_000, 1_000, 1_000, "usd", 130, 100, 15, 2)]
    assert db.conn.execute("SELECT expected, lent FROM holds").fetchall() == [(40, 100)]
    minute = 1_795_262_400 // 60
    assert db.conn.execute("SELECT * FROM flows ORDER BY seconds, slot").fetchall() == [
        ("b", "", 60, minute, 130, 15, 2),
        ("b", "", 3_600, minute // 60, 130, 15, 2),
    ]
    for attempt_id in ("a1", "a2", "a3"):
        attempt = attempts.load(db, attempt_id)
        assert attempt is not None
        assert postings.bring(db, attempt, policy=None, now_ns=0) == set(), "nothing is counted anew"


def test_an_old_file_is_said_to_take_a_while(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever starts the agent on a large one learns why it does not answer yet; of a new file nothing is said."""
    migrations.MIGRATIONS.apply(db, stop_before="m022_sums")
    schema.upgrade(db)
    assert "m022_sums" in caplog.messages[0]
    assert caplog.messages[-1] == "the ledger is of this version now"
    caplog.clear()
    schema.upgrade(db)
    with Database(memory=True) as new:
        schema.upgrade(new)
    assert caplog.messages == []


def test_an_upgrade_that_is_broken_off_goes_on(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What had begun is undone with it, so that the next start finds the file as it was, and finishes."""
    migrations.MIGRATIONS.apply(db, stop_before="m022_sums")
    whole = sumtables.fill

    def broken(database: Database) -> None:
        whole(database)
        raise KeyboardInterrupt

    monkeypatch.setattr(sumtables, "fill", broken)
    with pytest.raises(KeyboardInterrupt):
        schema.upgrade(db)
    assert "sums" not in db.table_names()
    monkeypatch.undo()
    schema.upgrade(db)
    assert "sums" in db.table_names()
