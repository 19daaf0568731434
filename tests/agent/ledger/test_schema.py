"""Claims about the ledger's schema and its migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from sqlite_utils import Database

from bursar.agent.ledger import schema


@pytest.fixture
def db() -> Iterator[Database]:
    with Database(memory=True) as memory:
        yield memory


def test_an_empty_file_gets_every_table(db: Database) -> None:
    """After the upgrade all tables are there, and nothing is pending."""
    schema.upgrade(db)
    assert set(db.table_names()) - {"_sqlite_migrations"} == {
        "alerts",
        "attempts",
        "balances",
        "deliveries",
        "decisions",
        "holders",
        "holds",
        "leases",
        "postings",
        "repricings",
    }
    schema.refuse_older(db)


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
    with pytest.raises(schema.SchemaError, match="lacks m001_ledger, m002_slices, m003_repricings, m007_alerts: start"):
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
        "INSERT INTO postings VALUES ('a', 'k', NULL, 0)",
    ],
)
def test_a_value_of_another_kind_is_refused(db: Database, statement: str) -> None:
    """Texts and fractions are no money, and a state is one of those there are."""
    schema.upgrade(db)
    with pytest.raises(sqlite3.IntegrityError):
        db.conn.execute(statement)
