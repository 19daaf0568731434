"""Claims about a ledger's identity: an older copy in its place is noticed, and nothing else is taken for one."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlite_utils import Database

from bursar.agent.ledger import Ledger, identity


def opened(path: Path) -> Ledger:
    return Ledger(path, clock_ns=lambda: 0)


def worked(path: Path, commits: int) -> int:
    """Open, commit so often, close; how many commits were lost before that."""
    ledger = opened(path)
    for _ in range(commits):
        ledger.submit(lambda _: None).result()
    ledger.close()
    return ledger.lost_commits


def number(path: Path) -> int:
    with Database(path, execute_plugins=False) as db:
        return identity.read(db)[1]


def test_every_commit_counts(tmp_path: Path) -> None:
    """So that two states of one ledger can be told apart."""
    worked(tmp_path / "db", 3)
    assert number(tmp_path / "db") == 3
    worked(tmp_path / "db", 2)
    assert number(tmp_path / "db") == 5


def test_a_ledger_that_goes_on_has_lost_nothing(tmp_path: Path) -> None:
    """However often it is opened."""
    assert [worked(tmp_path / "db", 2) for _ in range(3)] == [0, 0, 0]


def test_an_older_copy_is_noticed_once(tmp_path: Path) -> None:
    """Two commits were made after the copy; from there on it is the ledger."""
    path, copy = tmp_path / "db", tmp_path / "copy"
    worked(path, 3)
    shutil.copyfile(path, copy)
    worked(path, 2)
    copy.replace(path)
    assert worked(path, 0) == 2
    assert worked(path, 0) == 0


def test_another_ledger_is_no_older_copy(tmp_path: Path) -> None:
    """A new file has another name, and fewer commits of its own."""
    path = tmp_path / "db"
    worked(path, 3)
    path.unlink()
    assert worked(path, 1) == 0


def test_a_mark_that_is_none_or_cannot_be_written_hurts_nobody(tmp_path: Path) -> None:
    """The ledger works; only an older copy would go unnoticed."""
    path = tmp_path / "db"
    mark = tmp_path / "db.commits"
    mark.write_text("nonsense")
    assert worked(path, 1) == 0
    mark.unlink()
    mark.mkdir()
    assert worked(path, 1) == 0


def test_texts_of_its_own(tmp_path: Path) -> None:
    """What is kept under a name stays, unless it is changed on purpose."""
    ledger = opened(tmp_path / "db")
    assert ledger.submit(lambda db: identity.kept(db, "salt")).result(10) == ""
    assert ledger.submit(lambda db: identity.kept(db, "salt", "first")).result(10) == "first"
    assert ledger.submit(lambda db: identity.kept(db, "salt", "second")).result(10) == "first"
    ledger.submit(lambda db: identity.keep(db, "salt", "third")).result(10)
    assert ledger.submit(lambda db: identity.kept(db, "salt")).result(10) == "third"
    ledger.close()
