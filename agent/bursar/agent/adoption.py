"""Whose journal is left behind, and what did it hold?"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import LedgerError, holders
from bursar.agent.ledger.holders import HolderState
from bursar.policies.protocol import Holder, SyncRequest

_log = logging.getLogger(__name__)

CHUNK = 500
"""Records in one booking: small enough that guards wait no longer than some 20 ms behind it."""
STOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Adopted:
    """A process that is recovered."""

    holder: str
    records: int
    torn: int
    """Lines that are no JSON object: cut off by the crash, or none of ours."""


class Adoption:
    """
    Books the journals of dead processes in one folder, and closes their incarnations.

    The proof of death is the lock on the journal: its owner keeps it while it lives, however quiet. All steps may be
    repeated, so a crash between any two of them loses and doubles nothing; the file goes last.
    """

    def __init__(self, folder: Path, host: str, bookkeeper: Bookkeeper) -> None:
        self._folder = folder
        self._host = host
        self._bookkeeper = bookkeeper
        self._empty: frozenset[Path] = frozenset()
        self._told: set[Path] = set()
        self._stopping = threading.Event()
        self._running = threading.Lock()

    def stop(self) -> None:
        """
        Break off after the chunk at hand, and wait for that a while; the rest is adopted at the next start.

        Not for the event loop.
        """
        self._stopping.set()
        if self._running.acquire(timeout=STOP_SECONDS):
            self._running.release()

    def run(self) -> list[Adopted]:
        """Adopt what is left behind now. Blocks on the ledger: not for the event loop."""
        with self._running:
            return [] if self._stopping.is_set() else self._run()

    def _run(self) -> list[Adopted]:
        paths = sorted(self._folder.glob("*.jsonl"))
        empty = frozenset(path for path in paths if _is_empty(path))
        # A journal that is just being made is empty and not locked yet: an empty one is left until the next look.
        due = [path for path in paths if path not in empty or path in self._empty]
        self._empty = empty
        try:
            adopted = [found for path in due if (found := self._adopt(path)) is not None]
            self._close_finished()
        except LedgerError as error:
            _log.warning("journals wait to be adopted: %s", error)
            return []
        return adopted

    def _adopt(self, path: Path) -> Adopted | None:
        """None where its owner lives, or the folder does not let us."""
        try:
            with _locked(path) as file:
                return None if file is None else self._recover(path, file)
        except FileNotFoundError:
            return None  # its owner has just ended as it should, and taken it along
        except OSError as error:
            if path not in self._told:
                self._told.add(path)
                _log.warning("the journal %s cannot be adopted (%s): make it readable", path, error.strerror or error)
            return None

    def _recover(self, path: Path, file: BinaryIO) -> Adopted | None:
        owner = Holder(id=path.stem, pid=0, host=self._host, started_ns=0, journal=str(path))
        count = torn = 0
        for chunk in _chunks(file):
            if self._stopping.is_set():
                return None
            # One that could not be read is told as an empty record: the ledger counts it beside its process.
            records = tuple(record or {} for record in chunk)
            self._bookkeeper.sync(SyncRequest(holder=owner, seq=0, records=records)).result()
            count += len(chunk)
            torn += chunk.count(None)
        if not count:
            # Its first message may still be on its way: from here on it is known, and known to be gone.
            self._bookkeeper.sync(SyncRequest(holder=owner, seq=0)).result()
        self._bookkeeper.close_holder(owner.id).result()
        path.unlink(missing_ok=True)
        _log.info("adopted the journal of %s: %d records, %d lines not readable", owner.id, count - torn, torn)
        return Adopted(owner.id, count - torn, torn)

    def _close_finished(self) -> None:
        """
        Recover processes of this host that said goodbye and took their journal with them.

        They do so only once everything in it is booked, so what they left in flight can never settle.
        """
        with self._bookkeeper.ledger.reading() as db:
            closed = [known.holder for known in holders.unfinished(db) if known.state is HolderState.CLOSED]
        for holder in closed:
            if self._was_ours(holder) and not (self._folder / f"{holder.id}.jsonl").exists():
                self._bookkeeper.close_holder(holder.id).result()

    def _was_ours(self, holder: Holder) -> bool:
        """Whether its journal lay in our folder; containers may use the same path, each in a file system of its own."""
        if holder.journal is None or holder.host != self._host:
            return False
        return Path(holder.journal).parent.resolve() == self._folder.resolve()


@contextmanager
def _locked(path: Path) -> Generator[BinaryIO | None]:
    """The journal, locked for us; None where its owner has the lock. Raises OSError where it cannot be opened."""
    # Where a file system gives exclusive locks to writers only, reading alone would not do.
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file


def _chunks(file: BinaryIO) -> Iterator[list[Mapping[str, Any] | None]]:
    chunk: list[Mapping[str, Any] | None] = []
    for line in file:
        if not line.isspace():
            chunk.append(_object(line))
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _object(line: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return True
