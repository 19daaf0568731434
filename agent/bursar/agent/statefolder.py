"""Whose is the state folder: is it there, and does another agent take up its journals already?"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bursar.agent.settings import SettingsError

LOCK = "agent.lock"


@contextmanager
def own_state_folder(path: Path) -> Generator[None]:
    """
    The state folder, made where it is missing, and ours alone while the block lasts.

    Two agents on one folder, with a ledger each, would book each other's journals. The lock goes with the process,
    however it ends. Raises `SettingsError`.
    """
    lock = _open(path)
    try:
        _take(lock, path)
        yield
    finally:
        os.close(lock)


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        raise SettingsError(
            f"the state folder {path} is in use by the agent of process {owner}: stop that agent, or point "
            "BURSAR_STATE_DIR at another folder, here and for the applications of this agent"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _open(path: Path) -> int:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SettingsError(
            f"the state folder {path} cannot be made or written ({error.strerror}). "
            "Point BURSAR_STATE_DIR at a writable folder."
        ) from error
