"""Whose is a Unix socket's file, and who may connect by it?"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

MODE = 0o660
"""
Its user and its group may connect, nobody else: applications run as other users than the agent, and share a group.

No option beside it: the folder narrows it to one user (mode 0700), and a token to those who have it.
"""

_KNOCK_SECONDS = 0.5


class SocketFileError(OSError):
    """A path that no socket can be made at; the text says why and what to do."""


@contextmanager
def socket_file(path: Path, backlog: int) -> Generator[socket.socket]:
    """
    A listening socket at this path while the block lasts; one that a dead process left behind makes room.

    Its file goes with it, unless it is another's by then. Raises `OSError`, of which `SocketFileError` says it all.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise SocketFileError("this system has no Unix sockets: choose a host and a port")
    _make_room(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(os.fspath(path))
        # Nobody can connect before it listens, and by then it is for whom it is meant.
        path.chmod(MODE)
        ours = _file(path)
        try:
            listener.listen(backlog)
            yield listener
        finally:
            with suppress(OSError):  # gone already, with its folder perhaps
                if _file(path) == ours:
                    path.unlink()


def _make_room(path: Path) -> None:
    """Remove the socket of a process that is gone. Raises `SocketFileError` where anything else is in the way."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketFileError("a file is there that is no socket: remove it, or choose another path")
    if _answered(path):
        raise SocketFileError("a process listens there, which may be another agent: stop it, or choose another path")
    path.unlink(missing_ok=True)


def _answered(path: Path) -> bool:
    """Whether a process has the socket, be it one that hangs: only a refusal says that there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        knock.settimeout(_KNOCK_SECONDS)
        return knock.connect_ex(os.fspath(path)) not in (errno.ECONNREFUSED, errno.ENOENT)


def _file(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
