"""What does the sandbox remember over a restart? A file of lines, each written before what it tells is answered."""

import errno
import fcntl
import json
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bursar.agent.sandbox.fields import Json

_OWNER_ALONE = 0o600
_BEGINNING = b'[{"what":'


class Chronicle:
    """
    Records in the order of their happening; without a path, none are kept. May be used from several threads.

    A line holds the records that belong together, as a JSON array, and ends in a newline: one that was cut off by a
    kill counts for nothing. It is given to the system before it is answered for, which a kill -9 of the sandbox
    outlives, and a loss of power does not.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._pending: list[Json] = []
        self._path = path
        self._file = None if path is None else _open(path)

    def read(self) -> list[Json]:
        """All records so far; drops a line that was cut off. Raises OSError where the file is something else."""
        if self._file is None:
            return []
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            text = file.read()
        if not (text.startswith(_BEGINNING) or _BEGINNING.startswith(text)):
            self.close()
            raise OSError(errno.EINVAL, f"{self._path} holds something else than a sandbox's state; name another file")
        sound = text.rfind(b"\n") + 1
        os.ftruncate(self._file, sound)
        return [record for line in text[:sound].splitlines() for record in json.loads(line)]

    def note(self, what: str, **members: object) -> None:
        """Write down what happened, at once or with the rest of what belongs together."""
        if self._file is not None:
            with self.together():
                self._pending.append({"what": what, **members})

    @contextmanager
    def together(self) -> Generator[None]:
        """What is noted in this block is one line: all of it outlives a kill, or nothing."""
        with self._lock:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth and self._pending:
                    self._write()

    def close(self) -> None:
        """Let another sandbox have the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self) -> None:
        line = json.dumps(self._pending, separators=(",", ":")).encode() + b"\n"
        self._pending.clear()
        left = memoryview(line)
        while left and self._file is not None:
            left = left[os.write(self._file, left) :]


def _open(path: Path) -> int:
    """The file, made for its owner alone if there is none; raises OSError where another sandbox has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _OWNER_ALONE)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise OSError(error.errno, f"another sandbox has {path}; end it, or choose another file") from error
    return file
