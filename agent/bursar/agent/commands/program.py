"""Which program does a command line name, and how is it run as if nobody stood between it and its caller?"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_BY_SIGNAL = 128
_HANDLERS_RUN_WITHIN_SECONDS = 0.2


class ProgramError(Exception):
    """A command that cannot be run; the text says why, `code` is the shell's exit code for it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def resolve(command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """
    The argument list to execute: `x.py` and `-m x` are run by the Python that runs this, all else as it stands.

    Raises `ProgramError`.
    """
    first = command[0]
    if first == "-m" and len(command) > 1:
        return [sys.executable, *command]
    if first.endswith(".py"):
        if not Path(first).is_file():
            raise ProgramError(f"there is no file {first}: check the path after --", NOT_FOUND)
        return [sys.executable, *command]
    if shutil.which(first, path=environ.get("PATH", os.defpath)) is not None:
        return list(command)
    if os.sep in first and Path(first).is_file():
        raise ProgramError(f"{first} may not be executed: make it executable, or name its interpreter", NOT_EXECUTABLE)
    raise ProgramError(f"there is no command {first}: check its spelling, or give its path after --", NOT_FOUND)


def run_program(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """
    Run a program on this process's own input, output and error; signals sent to this process go on to it.

    Returns its exit code, 128 and the signal's number where a signal ended it. Raises `ProgramError`.
    """
    with forwarding() as forwarder:
        try:
            # Descriptors that were handed down (sockets of a service manager, a job server's pipes) go on as well.
            process = subprocess.Popen(argv, env=environ, close_fds=False)
        except OSError as error:
            raise ProgramError(f"{argv[0]} cannot be run ({error.strerror}): check the file", NOT_EXECUTABLE) from error
        forwarder.found(process)
        code = _wait(process)
    return code if code >= 0 else _BY_SIGNAL - code


def _wait(process: subprocess.Popen[bytes]) -> int:
    """
    The exit code, with this thread awake often enough to run its signal handlers.

    Handlers run in the main thread alone, and the system may hand a signal to any other: one that slept in
    `waitpid` would not learn of it.
    """
    waiter = threading.Thread(target=process.wait, name="bursar-run-wait", daemon=True)
    waiter.start()
    while waiter.is_alive():
        waiter.join(_HANDLERS_RUN_WITHIN_SECONDS)
    return process.wait()


class Forwarder:
    """A signal handler that hands signals on, those that came before the process as soon as it is there."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler is called with both
        if self._process is None:
            self._early.append(number)
        elif number != signal.SIGINT or not _in_foreground():
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def found(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        for number in self._early:
            self(number, None)


@contextmanager
def forwarding() -> Generator[Forwarder]:
    """A forwarder in place of the handlers of now; a signal that is ignored now (as under nohup) stays ignored."""
    before = {number: signal.getsignal(number) for number in FORWARDED}
    heard = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    forwarder = Forwarder()
    for number in heard:
        signal.signal(number, forwarder)
    try:
        yield forwarder
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _in_foreground() -> bool:
    """Whether this process is in the group to whose every member its terminal sends Ctrl-C."""
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
