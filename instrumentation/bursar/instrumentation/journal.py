"""Where attempts are written before they leave and after they return, so that no crash hides one."""

from __future__ import annotations

import fcntl
import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from bursar.instrumentation.quiet import tell_once

FOLDER = "journal"
CAP_BYTES = 64 * 1024 * 1024
TRIM_BYTES = 1024 * 1024
BATCH_BYTES = 256 * 1024
SPARE_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines to ship, and the marks to acknowledge them with."""

    lines: tuple[bytes, ...]
    position: int
    spares: int


class Journal:
    """
    One process's append-only file, exclusively locked while the process lives.

    The lock is the proof of life: who obtains it knows the owner is dead and may read the file and book it. Where the
    file cannot be written, lines are kept in memory for shipping only, and that is said once, loudly. Lines may come
    from destructors, anywhere: appending takes a re-entrant lock and a single `write`.
    """

    def __init__(self, state_dir: Path, holder: str) -> None:
        self._lock = threading.RLock()
        self._spare: deque[bytes] = deque(maxlen=SPARE_LINES)
        self._size = 0
        self._shipped = 0
        self._torn = False
        self._trimming = False
        self._file: int | None = None
        self.path = state_dir / FOLDER / f"{holder}.jsonl"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._unwritable(error)

    @property
    def writable(self) -> bool:
        """Whether the file exists; without it a crash of this process can hide what it spent."""
        return self._file is not None

    def append(self, line: bytes) -> None:
        """Write one line, newline included. Never raises: a full disk is told once and the line kept for shipping."""
        with self._lock:
            if self._file is None or self._trimming or self._size + len(line) > CAP_BYTES:
                self._keep(line)
                return
            try:
                data = b"\n" + line if self._torn else line
                written = os.write(self._file, data)
            except OSError as error:
                self._unwritable(error)
                self._keep(line)
                return
            self._size += written
            self._torn = written != len(data)
            if self._torn:
                self._keep(line)

    def unshipped(self) -> Batch:
        """The oldest lines that were not acknowledged, at most about 256 kB."""
        with self._lock:
            spares = tuple(self._spare)
            if self._file is None or self._shipped >= self._size:
                return Batch(spares, self._shipped, len(spares))
            data = os.pread(self._file, BATCH_BYTES, self._shipped)
            end = data.rfind(b"\n") + 1
            lines = tuple(data[:end].splitlines(keepends=True))
            return Batch((*lines, *spares), self._shipped + end, len(spares))

    def acknowledge(self, batch: Batch) -> None:
        """The agent has booked these lines: they need not be kept for shipping."""
        with self._lock:
            for _ in range(min(batch.spares, len(self._spare))):
                self._spare.popleft()
            self._shipped = max(self._shipped, batch.position)
            if self._file is not None and self._shipped >= TRIM_BYTES:
                self._trim(self._file)

    @property
    def drained(self) -> bool:
        """Whether every line was acknowledged."""
        with self._lock:
            return self._shipped >= self._size and not self._spare

    def close(self, *, remove: bool) -> None:
        """Let go of the file; `remove` it when everything in it is booked."""
        with self._lock:
            file, self._file = self._file, None
            if file is None:
                return
            if remove:
                self.path.unlink(missing_ok=True)
            os.close(file)

    def abandon(self) -> None:
        """Forget an inherited file after a fork: it is the parent's, and so is its lock."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _trim(self, file: int) -> None:
        # A destructor may append at any bytecode: while trimming, its line goes to the spares.
        self._trimming = True
        try:
            if self._shipped >= self._size:
                os.ftruncate(file, 0)
                self._shipped = self._size = 0
        finally:
            self._trimming = False

    def _keep(self, line: bytes) -> None:
        if self._file is not None and self._size + len(line) > CAP_BYTES:
            tell_once(
                "journal-full",
                f"bursar: the journal {self.path} has reached {CAP_BYTES >> 20} MiB and no agent has taken it; newer "
                "charges are kept in memory only. Start `bursar agent` on this host, or set BURSAR_AGENT.",
            )
        self._spare.append(line)

    def _unwritable(self, error: OSError) -> None:
        tell_once(
            "journal-unwritable",
            f"bursar: the journal {self.path} cannot be written ({error.strerror or error}); charges are kept in "
            "memory only and a crash would lose them. Free space, or point BURSAR_STATE_DIR at a writable folder.",
        )
