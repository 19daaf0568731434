"""Who writes the accounts: one thread, in groups, that acknowledges nothing before it is on the disk."""

from __future__ import annotations

import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from bursar.agent.ledger import booking, identity, lending, schema
from bursar.agent.ledger.booking import Booked
from bursar.policies.policy import Policy
from bursar.policies.protocol import SyncRequest, SyncResponse
from bursar.policies.records import Record

T = TypeVar("T")

GROUP = 256
"""How many jobs share one commit at most: enough for any load, and no job waits for more than some 20 ms of others."""

_BUSY_SECONDS = 5.0


class LedgerError(Exception):
    """The ledger cannot do what was asked; the text says what is wrong, with which file, and what to do."""


class LedgerInUse(LedgerError):  # noqa: N818 - the condition is the name
    """Another process writes this ledger."""


class LedgerMissing(LedgerError):  # noqa: N818 - the condition is the name
    """There is no ledger to read."""


class Ledger:
    """
    The ledger file, open for writing; one process at a time.

    Jobs are functions of a database, run in the order of submission. All jobs that wait are one transaction, each in a
    savepoint of its own, so that one that fails takes no other with it; their futures are resolved after the commit.
    """

    def __init__(self, path: Path, *, clock_ns: Callable[[], int]) -> None:
        """Open or make the file. Raises `LedgerInUse`, or `LedgerError` for a file that cannot be used."""
        self._path = path
        self._clock_ns = clock_ns
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._lock = _lock(path)
        try:
            self._db = _open(path)
        except BaseException:  # whatever it is: nobody else will let go of the lock; raised again
            os.close(self._lock)
            raise
        self.lost_commits = identity.lost_commits(self._db, path)
        """How many commits an earlier file of this ledger had seen that this one has not: it is an older copy."""
        identity.leave_mark(self._db, path)
        self.last_commit_ns = clock_ns()
        """When something was last written, or the file opened."""
        self._writer = threading.Thread(target=self._write, name="bursar-ledger", daemon=True)
        self._writer.start()

    @property
    def waiting(self) -> int:
        """How many jobs wait for the writer."""
        return self._jobs.qsize()

    def submit(self, job: Callable[[Database], T]) -> Future[T]:
        """
        Run a job in the writer's next transaction.

        The future brings its result once that is committed, its own exception, or `LedgerError` where the commit
        failed: then nothing of the job was kept, and it may be submitted again.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise LedgerError(f"the ledger {self._path} is closed: open it again to write to it")
            self._jobs.put(_Job(job, future))
        return future

    def book(self, records: Sequence[Record], *, holder: str | None, policy: Policy | None) -> Future[Booked]:
        """Book records; see `booking.book`."""
        return self.submit(lambda db: booking.book(db, records, holder=holder, policy=policy, now_ns=self._clock_ns()))

    def sync(self, request: SyncRequest, *, policy: Policy | None) -> Future[SyncResponse]:
        """Answer a guard; see `lending.sync`."""
        return self.submit(lambda db: lending.sync(db, request, policy=policy, now_ns=self._clock_ns()))

    def close_holder(self, holder: str, *, policy: Policy | None) -> Future[Booked]:
        """Recover a dead process; see `lending.close_holder`."""
        return self.submit(lambda db: lending.close_holder(db, holder, policy=policy, now_ns=self._clock_ns()))

    @contextmanager
    def reading(self) -> Generator[Database]:
        """The accounts as last committed, for reports; nothing can be written through it."""
        with open_for_reading(self._path) as db:
            yield db

    def leave_mark(self) -> Future[None]:
        """Note beside the file how far it has come, so that an older copy in its place is noticed."""
        return self.submit(lambda db: identity.leave_mark(db, self._path))

    def close(self) -> None:
        """Do what was submitted, then let the file go. May be called more than once."""
        with self._gate:
            first, self._closed = not self._closed, True
        if not first:
            return
        self._jobs.put(None)
        self._writer.join()
        identity.leave_mark(self._db, self._path)
        self._db.close()
        os.close(self._lock)

    def _write(self) -> None:
        while (job := self._jobs.get()) is not None:
            group, more = self._group(job)
            self._commit([job for job in group if job.future.set_running_or_notify_cancel()])
            if not more:
                return

    def _group(self, first: _Job) -> tuple[list[_Job], bool]:
        """All jobs that wait already, and whether any can follow."""
        group = [first]
        with suppress(queue.Empty):
            while len(group) < GROUP:
                job = self._jobs.get_nowait()
                if job is None:
                    return group, False
                group.append(job)
        return group, True

    def _commit(self, group: list[_Job]) -> None:
        """Run a group as one transaction and resolve its futures; a failed commit is every job's failure."""
        outcomes: list[Callable[[], None]] = []
        try:
            with self._db.atomic():
                outcomes = [self._outcome(job) for job in group]
                identity.count(self._db)
            self.last_commit_ns = self._clock_ns()
        except (sqlite3.Error, _LostError) as error:
            outcomes = [partial(job.future.set_exception, self._failure(error)) for job in group]
        for resolve in outcomes:
            resolve()

    def _failure(self, cause: Exception) -> LedgerError:
        failure = LedgerError(
            f"the ledger {self._path} could not be written ({cause}): nothing of this was kept; "
            "free disk space or make the file writable, then send it again"
        )
        failure.__cause__ = cause
        return failure

    def _outcome(self, job: _Job) -> Callable[[], None]:
        """What the job's future is to be told once the group is committed."""
        try:
            with self._db.atomic():
                return partial(job.future.set_result, job.run(self._db))
        except Exception as error:  # whatever a job raises belongs to its future, not to the writer
            if not self._db.conn.in_transaction:
                # SQLite itself gave up the whole transaction (disk full, I/O error): the jobs before are gone too.
                raise _LostError(str(error)) from error
            return partial(job.future.set_exception, error)


class _LostError(Exception):
    """The transaction of a group is gone before its end."""


class _Job:
    """A function that waits for the writer, and the future that waits for the function."""

    __slots__ = ("future", "run")

    def __init__(self, run: Callable[[Database], Any], future: Future[Any]) -> None:
        self.run = run
        self.future = future


@contextmanager
def open_for_reading(path: Path) -> Generator[Database]:
    """
    The ledger as last committed, also while an agent writes it.

    Raises `LedgerMissing`, or `LedgerError` for a file of another version or none of ours.
    """
    if not path.exists():
        raise LedgerMissing(f"there is no ledger at {path}: start the agent once, or set BURSAR_DB to where it is")
    with _explained(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
    try:
        with _explained(path):
            db = Database(connection, execute_plugins=False)
            schema.refuse_newer(db)
            schema.refuse_older(db)
        yield db
    finally:
        connection.close()


def _open(path: Path) -> Database:
    """The file with the present schema, durable at every commit."""
    with _explained(path):
        _make(path)
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        with _explained(path):
            db = Database(connection, execute_plugins=False)
            db.enable_wal()
            # Nothing acknowledged is lost, also when the power goes: every commit reaches the disk.
            db.conn.execute("PRAGMA synchronous = FULL")
            schema.upgrade(db)
    except BaseException:  # whatever it is: nobody else has the connection to close; raised again
        connection.close()
        raise
    return db


def _make(path: Path) -> None:
    """A new file is its owner's alone, and with it those that SQLite makes beside it in its likeness."""
    with suppress(OSError):  # what is in the way SQLite says better
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn what SQLite or the schema say about a file into a `LedgerError` that names it."""
    try:
        yield
    except schema.SchemaError as error:
        raise LedgerError(f"the ledger {path} cannot be used: {error}") from error
    except sqlite3.Error as error:
        raise LedgerError(
            f"the ledger {path} cannot be opened ({error}): "
            "see that it is a Bursar ledger and may be read and written, or set BURSAR_DB to another file"
        ) from error


def _lock(path: Path) -> int:
    """
    The descriptor of the lock file beside the ledger, locked, our process id in it.

    The lock goes with the process, however it ends. Raises `LedgerInUse`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(
            f"the ledger {path} cannot be made ({error.strerror}): make its folder writable, or set BURSAR_DB"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise LedgerInUse(
            f"the ledger {path} is in use by process {owner}: stop that agent, or set BURSAR_DB to another file"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
