"""Claims about the ledger's writer: what is acknowledged is on the disk, and one job's failure is nobody else's."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from bursar.agent.ledger import Ledger, LedgerError, LedgerInUse, LedgerMissing, open_for_reading
from bursar.agent.ledger import writer as module
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Mode, Policy
from bursar.policies.protocol import Holder, SyncRequest
from bursar.policies.records import Sent, Settled
from bursar.policies.usage import Usage

POLICY = Policy(version=1, mode=Mode.ENFORCE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "bursar.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(path, clock_ns=lambda: 1_000)
    yield opened
    opened.close()


def note(key: str) -> Callable[[Database], str]:
    def job(db: Database) -> str:
        db.conn.execute("INSERT INTO balances (key, budget, scope) VALUES (?, 'b', '')", [key])
        return key

    return job


def notes(path: Path) -> set[str]:
    with open_for_reading(path) as db:
        return {key for (key,) in db.conn.execute("SELECT key FROM balances").fetchall()}


def burst(ledger: Ledger, *jobs: Callable[[Database], Any]) -> list[Future[Any]]:
    """Jobs that are sure to be one group: the writer is held up until all of them wait."""
    with held_up(ledger):
        return [ledger.submit(job) for job in jobs]


@contextmanager
def held_up(ledger: Ledger) -> Generator[None]:
    """The writer is busy with a group of its own for the time of the block."""
    begun, gate = threading.Event(), threading.Event()

    def wait(_: Database) -> bool:
        begun.set()
        return gate.wait(10)

    held = ledger.submit(wait)
    assert begun.wait(10)
    yield
    gate.set()
    assert held.result(10)


def test_what_is_acknowledged_can_be_read(ledger: Ledger, path: Path) -> None:
    """The future brings the job's result, and a reader beside the writer sees it."""
    assert ledger.submit(note("a")).result(10) == "a"
    with ledger.reading() as db:
        assert db.conn.execute("SELECT key FROM balances").fetchall() == [("a",)]
    assert notes(path) == {"a"}


def test_commits_reach_the_disk(ledger: Ledger) -> None:
    """Write-ahead log, and a full sync at every commit."""
    pragmas = ledger.submit(
        lambda db: [db.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    )
    assert pragmas.result(10) == ["wal", 2]


def test_nothing_can_be_written_by_a_reader(ledger: Ledger) -> None:
    """Reports only read."""
    with ledger.reading() as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        note("a")(db)


def test_all_that_waits_is_one_commit(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the size of a group; the rest follows with the next."""
    monkeypatch.setattr(module, "GROUP", 4)
    commits: list[str] = []
    ledger.submit(lambda db: db.conn.set_trace_callback(commits.append)).result(10)
    for future in burst(ledger, *(note(str(number)) for number in range(10))):
        future.result(10)
    ledger.submit(lambda db: db.conn.set_trace_callback(None)).result(10)
    # The commit of the job that began the trace, of the one that held the writer up, then 4 + 4 + 2 jobs.
    assert sum(statement == "COMMIT" for statement in commits) == 5


def test_a_job_that_fails_takes_no_other_with_it(ledger: Ledger, path: Path) -> None:
    """Its own future gets its exception, its own writes are undone, its neighbours are kept."""

    def broken(db: Database) -> None:
        note("half")(db)
        raise KeyError("of its own")

    first, second, third = burst(ledger, note("a"), broken, note("b"))
    with pytest.raises(KeyError, match="of its own"):
        second.result(10)
    assert (first.result(10), third.result(10)) == ("a", "b")
    assert notes(path) == {"a", "b"}


def test_a_job_may_be_taken_back_while_it_waits(ledger: Ledger, path: Path) -> None:
    """A cancelled job is not run."""
    with held_up(ledger):
        assert ledger.submit(note("a")).cancel()
    ledger.submit(note("b")).result(10)
    assert notes(path) == {"b"}


class Flaky(sqlite3.Connection):
    """A connection whose every third commit fails as on a full disk, from when it is told so."""

    every_third = False
    commits = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.every_third:
            self.commits += 1
            if self.commits % 3 == 0:
                raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, parameters)


def test_a_failed_commit_loses_nothing_that_was_acknowledged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third commit fails: its jobs are told so, kept in no part, and all is there once they are sent again."""
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Flaky))
    ledger = Ledger(path, clock_ns=lambda: 1_000)
    ledger.submit(lambda db: setattr(db.conn, "every_third", True)).result(10)
    acknowledged: set[str] = set()
    failures: list[str] = []
    for number in range(30):
        key = str(number)
        while key not in acknowledged:
            try:
                acknowledged.add(ledger.submit(note(key)).result(10))
            except LedgerError as error:
                failures.append(str(error))
            assert notes(path) == acknowledged
    ledger.submit(lambda db: setattr(db.conn, "every_third", False))
    ledger.close()
    # The trace of commits begins with the one that switched the failures on.
    assert len(failures) == 15
    assert all("disk is full): nothing of this was kept; free disk space" in failure for failure in failures)


def test_a_transaction_that_the_database_gives_up_fails_as_a_whole(ledger: Ledger, path: Path) -> None:
    """A full disk in mid-statement rolls everything back: no job of the group may seem kept, nor be kept alone."""

    def lost(db: Database) -> None:
        db.conn.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    for future in burst(ledger, note("a"), lost, note("b")):
        with pytest.raises(LedgerError, match="disk I/O error"):
            future.result(10)
    assert notes(path) == set()
    assert ledger.submit(note("c")).result(10) == "c"
    assert notes(path) == {"c"}


def test_closing_does_what_was_submitted(path: Path) -> None:
    """Then nothing more is taken, and closing again is no mistake."""
    ledger = Ledger(path, clock_ns=lambda: 1_000)
    futures = [ledger.submit(note(str(number))) for number in range(20)]
    ledger.close()
    ledger.close()
    assert {future.result(0) for future in futures} == notes(path)
    with pytest.raises(LedgerError, match="is closed: open it again"):
        ledger.submit(note("late"))


def test_one_process_writes(ledger: Ledger, path: Path) -> None:
    """A second opener is refused with the process that is at it; once that is gone, it may."""
    with pytest.raises(LedgerInUse, match=f"in use by process {os.getpid()}: stop that agent, or set BURSAR_DB"):
        Ledger(path, clock_ns=lambda: 1_000)
    ledger.submit(note("a")).result(10)
    ledger.close()
    second = Ledger(path, clock_ns=lambda: 1_000)
    assert second.submit(note("b")).result(10) == "b"
    second.close()
    assert notes(path) == {"a", "b"}


def test_the_lock_names_its_present_owner(path: Path) -> None:
    """A longer process id that an earlier owner left behind is gone."""
    path.parent.mkdir()
    Path(f"{path}.lock").write_text("99999999999999\n")
    ledger = Ledger(path, clock_ns=lambda: 1_000)
    assert Path(f"{path}.lock").read_text() == f"{os.getpid()}\n"
    ledger.close()


def test_a_file_of_an_older_version_is_left_to_the_agent(tmp_path: Path) -> None:
    """A reader upgrades nothing, and says who does."""
    path = tmp_path / "empty.sqlite"
    path.touch()
    with pytest.raises(LedgerError, match="start the agent on it once"), open_for_reading(path):
        pass
    assert path.read_bytes() == b""


def test_a_file_that_is_missing_says_what_to_do(path: Path) -> None:
    """Reading makes no file."""
    with (
        pytest.raises(LedgerMissing, match=r"no ledger at .*: start the agent once, or set BURSAR_DB"),
        open_for_reading(path),
    ):
        pass
    assert not path.exists()


def test_a_file_of_a_newer_version_is_refused(ledger: Ledger, path: Path) -> None:
    """For writing and for reading alike, and the lock is let go."""
    later = "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('bursar', 'm999_later')"
    ledger.submit(lambda db: db.conn.execute(later) and None).result(10)
    ledger.close()
    for _ in range(2):
        with pytest.raises(LedgerError, match="cannot be used: it was written by a newer Bursar"):
            Ledger(path, clock_ns=lambda: 1_000)
    with pytest.raises(LedgerError, match="newer Bursar"), open_for_reading(path):
        pass


def test_a_file_that_is_no_ledger_is_refused(path: Path) -> None:
    """It is named, and left as it is."""
    path.parent.mkdir()
    path.write_text("Dear diary, today nobody spent anything at all, and the accounts were balanced.\n" * 20)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"cannot be opened .*see that it is a Bursar ledger"):
        Ledger(path, clock_ns=lambda: 1_000)
    with pytest.raises(LedgerError, match="see that it is a Bursar ledger"), open_for_reading(path):
        pass
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file stands where the folder should."""
    (tmp_path / "state").write_text("")
    with pytest.raises(LedgerError, match=r"cannot be made .*: make its folder writable, or set BURSAR_DB"):
        Ledger(tmp_path / "state" / "bursar.sqlite", clock_ns=lambda: 1_000)


def test_the_doors_book_answer_and_recover(ledger: Ledger) -> None:
    """Each stamps the time when it runs."""
    sent = Sent("a1", "c1", 500, "r", "opus", "opus", balances=("k",), leased=("k",), bound_nano=50)
    charge = Charge("a2", 7, Usage(), Basis.USAGE, "opus", "opus", "r", at_ns=600)
    assert ledger.book([sent], holder="h1", policy=POLICY).result(10).balances == {"k"}
    assert ledger.book([Settled(charge)], holder=None, policy=POLICY).result(10).duplicates == ()
    ledger.sync(SyncRequest(Holder("h1", 1, "host", 0), 1), policy=POLICY).result(10)
    assert ledger.close_holder("h1", policy=POLICY).result(10).balances == {"k"}
    with ledger.reading() as db:
        rows = db.conn.execute("SELECT attempt_id, state, settled_ns FROM attempts ORDER BY attempt_id").fetchall()
        seen = db.conn.execute("SELECT last_seen_ns, state FROM holders").fetchall()
    assert rows == [("a1", "orphaned", 1_000), ("a2", "settled", 1_000)]
    assert seen == [(1_000, "recovered")]


_WRITER = """
import sys
from pathlib import Path
from bursar.agent.ledger import Ledger

def job(key):
    def run(db):
        for part in "ab":
            db.conn.execute("INSERT INTO balances (key, budget, scope) VALUES (?, 'b', '')", [f"{key}{part}"])
        return key
    return run

ledger = Ledger(Path(sys.argv[1]), clock_ns=lambda: 0)
for first in range(0, 10**9, 5):
    for future in [ledger.submit(job(number)) for number in range(first, first + 5)]:
        print(future.result(), flush=True)
"""


@pytest.mark.parametrize("lines", [1, 23])
def test_a_killed_writer_has_kept_all_it_acknowledged(path: Path, lines: int) -> None:
    """SIGKILL in mid-traffic: all that was printed is there, each job whole, and the file opens again."""
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    Ledger(path, clock_ns=lambda: 1_000).close()
    kept = notes(path)
    assert {f"{key}{part}" for key in acknowledged for part in "ab"} <= kept
    assert {key[:-1] + "b" for key in kept} == {key for key in kept if key.endswith("b")}
