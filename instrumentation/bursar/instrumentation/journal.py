"""Where attempts are written before they leave and after they return, so that no crash hides one."""

from __future__ import annotations

import fcntl
import os
import threading
from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from weakref import WeakSet

from bursar.instrumentation.quiet import tell_once

FOLDER = "journal"
CAP_BYTES = 64 * 1024 * 1024
TRIM_BYTES = 1024 * 1024
BATCH_BYTES = 256 * 1024
SPARE_LINES = 10_000
SPARES_AT_ONCE = 500


_all: WeakSet[Journal] = WeakSet()


def abandon_all() -> None:
    """
    In a forked child: let go of the parent's journals, also of one that another thread is opening or closing.

    A lock lasts as long as any copy of its descriptor: kept here, it would make a dead parent look alive.
    """
    for journal in tuple(_all):
        journal.abandon()
    _all.clear()


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines to ship, and the marks to acknowledge them with: how much was ever written, and kept, up to them."""

    lines: tuple[bytes, ...]
    position: int
    spares: int


class Journal:
    """
    One process's append-only file, exclusively locked while the process lives.

    The lock is the proof of life: who obtains it knows the owner is dead and may read the file and book it. Where the
    file cannot be written, lines are kept in memory for shipping only, and that is said once, loudly. Lines may come
    from destructors, anywhere: appending takes a re-entrant lock and a single write.
    """

    def __init__(self, state_dir: Path, holder: str) -> None:
        self._lock = threading.RLock()
        self.path = state_dir / FOLDER / f"{holder}.jsonl"
        # Positions count every byte ever written, so that a batch taken before a trim stays true after it.
        self._start = self._shipped = self._end = 0
        self._spares: deque[bytes] = deque()
        self._spares_gone = 0
        self._torn = False
        self._busy = False
        self._closed = False
        self._file: int | None = None
        _all.add(self)
        self._open()

    @property
    def writable(self) -> bool:
        """Whether the file exists; without it a crash of this process can hide what it spent."""
        return self._file is not None

    def append(self, line: bytes) -> None:
        """
        Write one line, newline included. Never raises: a full disk is told once and the line kept for shipping.

        A journal that was closed is opened again: a call that outlives the rest is left to whoever adopts it.
        """
        with self._lock:
            if self._closed and not self._busy:
                self._reopen()
            # A destructor may append at any bytecode: also in here, and while the file is trimmed.
            if self._file is None or self._busy:
                self._keep(line)
                return
            self._busy = True
            try:
                if not self._write(self._file, line):
                    self._keep(line)
            finally:
                self._busy = False

    def unshipped(self) -> Batch:
        """The oldest lines that were not acknowledged, at most about 256 kB."""
        with self._lock:
            spares = tuple(islice(self._spares, SPARES_AT_ONCE))
            data = self._read()
            return Batch(
                (*data.splitlines(keepends=True), *spares),
                self._shipped + len(data),
                self._spares_gone + len(spares),
            )

    def acknowledge(self, batch: Batch) -> None:
        """The agent has booked these lines: they need not be kept for shipping."""
        with self._lock:
            while self._spares and self._spares_gone < batch.spares:
                self._drop_spare()
            self._shipped = max(self._shipped, batch.position)
            left = self._end - self._shipped
            if self._file is not None and self._shipped - self._start >= TRIM_BYTES > left:
                self._trim(self._file, left)

    @property
    def drained(self) -> bool:
        """Whether every line was acknowledged."""
        with self._lock:
            return self._shipped == self._end and not self._spares

    def close(self, *, remove: bool) -> None:
        """Let go of the file; `remove` it unless another thread has written what is not booked."""
        with self._lock:
            file, self._file = self._file, None
            if file is None:
                return
            if remove and self._shipped == self._end:
                self.path.unlink(missing_ok=True)
            os.close(file)
            self._closed = True

    def abandon(self) -> None:
        """Forget an inherited file after a fork: it is the parent's, and so is its lock."""
        self._closed = False
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # In its place before it is locked: a child forked meanwhile has to find it.
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Without its lock a journal is a dead process's to everybody else: better none.
            self.abandon()
            self._unwritable(error)

    def _reopen(self) -> None:
        self._closed = False
        self._open()
        if self._file is not None:
            # What was removed, or adopted meanwhile, is not there any more.
            self._start = self._end - os.fstat(self._file).st_size
            self._shipped = max(self._shipped, self._start)

    def _write(self, file: int, line: bytes) -> bool:
        """Whether the line stands in the file, whole. Half a line is cut off again before the next."""
        if self._end - self._start + len(line) > CAP_BYTES:
            self._full()
            return False
        try:
            if self._torn:
                os.ftruncate(file, self._end - self._start)
            written = os.pwrite(file, line, self._end - self._start)
        except OSError as error:
            self._unwritable(error)
            return False
        self._torn = written != len(line)
        if self._torn:
            return False
        self._end += written
        return True

    def _read(self) -> bytes:
        """Whole lines from the first that was not acknowledged: a batch of them, or a single one that is longer."""
        left = self._end - self._shipped
        if self._file is None or left <= 0:
            return b""
        data = os.pread(self._file, min(left, BATCH_BYTES), self._shipped - self._start)
        whole = data.rfind(b"\n") + 1
        if not whole:
            data = os.pread(self._file, left, self._shipped - self._start)
            whole = data.find(b"\n") + 1
        return data[:whole]

    def _trim(self, file: int, left: int) -> None:
        """
        Drop the acknowledged lines; `left` is the size of those that follow, less than theirs.

        The latter are copied over the former before their own place is cut off: whenever we crash, each stands in the
        file, and one that stands there twice is booked once.
        """
        self._busy = True
        try:
            if left and not self._copy_down(file, left):
                return
            os.ftruncate(file, left)
            self._start = self._shipped
        except OSError as error:
            self._unwritable(error)
        finally:
            self._busy = False

    def _copy_down(self, file: int, left: int) -> bool:
        """Whether the lines not acknowledged now stand at the file's beginning, too."""
        lines = os.pread(file, left, self._shipped - self._start)
        # Spaces over the rest of the line that they end in: half of it would count as damaged.
        blank = os.pread(file, BATCH_BYTES, left).find(b"\n")
        if len(lines) != left or blank < 0:
            return False
        return os.pwrite(file, lines + b" " * blank, 0) == left + blank

    def _keep(self, line: bytes) -> None:
        self._spares.append(line)
        if len(self._spares) > SPARE_LINES:
            self._drop_spare()
            tell_once(
                "journal-lost",
                f"bursar: more than {SPARE_LINES} records wait in memory because the journal {self.path} cannot be "
                "written; the oldest are lost. Start `bursar agent` on this host, or set BURSAR_STATE_DIR.",
            )

    def _drop_spare(self) -> None:
        self._spares.popleft()
        self._spares_gone += 1

    def _full(self) -> None:
        tell_once(
            "journal-full",
            f"bursar: the journal {self.path} has reached {CAP_BYTES >> 20} MiB that no agent has taken yet; "
            "newer charges are kept in memory only. Start `bursar agent` on this host, or set BURSAR_AGENT.",
        )

    def _unwritable(self, error: OSError) -> None:
        tell_once(
            "journal-unwritable",
            f"bursar: the journal {self.path} cannot be written ({error.strerror or error}); charges are kept in "
            "memory only and a crash would lose them. Free space, or point BURSAR_STATE_DIR at a writable folder.",
        )
