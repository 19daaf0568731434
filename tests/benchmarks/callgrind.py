"""How instructions are counted: valgrind's callgrind, switched on by the measured program for just the calls."""

from __future__ import annotations

import ctypes
import mmap
import platform
import re
import shutil
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FILE = "callgrind.out"
_TOOL = ord("C") << 24 | ord("T") << 16
_ZERO, _DUMP, _START, _STOP = _TOOL + 1, _TOOL + 3, _TOOL + 4, _TOOL + 5
_USUAL, _ASIDE = b"as-usual", b"set-aside"

# `f(arguments, default)` around valgrind's special instruction sequence, from valgrind.h (a stable interface): on a
# bare processor it rotates a register once around and returns the default.
_PROGRAMS = {
    "x86_64": "4889f8 4889f2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3",
}


def why_not() -> str | None:
    """What is missing to count instructions here, and what to do; None where nothing is."""
    if shutil.which("valgrind") is None:
        return "Instructions are not counted: valgrind is not installed. Install it (apt install valgrind)."
    if platform.machine() not in _PROGRAMS or sys.platform != "linux":
        return "Instructions are not counted: that is written for Linux on x86_64 only."
    return None


def command(folder: Path) -> list[str]:
    """What goes before a command line to count in it: nothing yet, until the program itself begins."""
    options = ("--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", "--fair-sched=try", "-q")
    return ["valgrind", *options, f"--callgrind-out-file={folder / FILE}"]


@dataclass(slots=True)
class Counted:
    """Instructions of a stretch of the program."""

    main: int = 0
    """The main thread's."""
    aside: int = 0
    """Of these, within `aside` blocks."""
    others: int = 0
    """All other threads'."""


class Valgrind:
    """The valgrind that this process runs in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counting = False
        self._memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._memory.write(bytes.fromhex(_PROGRAMS[platform.machine()]))
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._ask = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t)(address)

    @contextmanager
    def counting(self, found: list[Counted], *, keep: bool = False) -> Generator[None]:
        """Count what the block does, in all threads, and add it to `found`. `keep`: leave callgrind's files."""
        self._request(_START)
        self._request(_ZERO)
        self._counting = True
        try:
            yield
        finally:
            self._counting = False
            self._dump(_USUAL)
            self._request(_STOP)
        found.append(self._read(keep=keep))

    @contextmanager
    def aside(self) -> Generator[None]:
        """Count what the block does as a part of its own, where it is counted at all and on the main thread."""
        if not self._counting or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._dump(_USUAL)
        try:
            yield
        finally:
            self._dump(_ASIDE)

    def _read(self, *, keep: bool) -> Counted:
        counted = Counted()
        for path in self._folder.glob(f"{FILE}.*-*"):
            dump = path.read_text()
            count = _total(dump)
            if not path.name.endswith("-01"):
                counted.others += count
            else:
                counted.main += count
                counted.aside += count if _ASIDE.decode() in dump else 0
            path.rename(path.with_name(f"kept-{path.name}")) if keep else path.unlink()
        return counted

    def _dump(self, name: bytes) -> None:
        """Write down what was counted since the last time, under a name, and begin again at nothing."""
        buffer = ctypes.create_string_buffer(name)
        self._request(_DUMP, ctypes.addressof(buffer))

    def _request(self, code: int, argument: int = 0) -> int:
        arguments = (ctypes.c_size_t * 6)(code, argument)
        return int(self._ask(ctypes.addressof(arguments), 0))


def _total(dump: str) -> int:
    found = re.search(r"^totals: (\d+)", dump, re.MULTILINE)
    return int(found[1]) if found else 0
