"""Claims about scripts of statements."""

from __future__ import annotations

import sqlite3

import pytest
from sqlite_utils import Database

from bursar.agent.ledger import script


def test_a_semicolon_ends_a_statement_unless_it_stands_in_something() -> None:
    """In a text, a name, a comment or a trigger it does not; what follows the last one is a statement too."""
    assert list(
        script.statements("""SELECT ';', ";"; -- a; b
        SELECT 2;
        CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END;
        SELECT 3 """)
    ) == [
        """SELECT ';', ";";""",
        " -- a; b\n        SELECT 2;",
        "\n        CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END;",
        "\n        SELECT 3 ",
    ]


def test_space_is_no_statement() -> None:
    """Neither at the end, nor alone."""
    assert list(script.statements("SELECT 1;\n ")) == ["SELECT 1;"]
    assert list(script.statements(" \n")) == []


def test_a_script_belongs_to_the_transaction_that_is_open() -> None:
    """Where one statement fails, the caller may take all of them back."""
    with Database(memory=True) as db:
        with pytest.raises(sqlite3.OperationalError, match="no such table: b"), db.atomic():
            script.run(db, "CREATE TABLE a (x); INSERT INTO b VALUES (1);")
        assert db.table_names() == []
        with db.atomic():
            script.run(db, "CREATE TABLE a (x); INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)")
        assert db.conn.execute("SELECT x FROM a").fetchall() == [(1,), (2,)]
