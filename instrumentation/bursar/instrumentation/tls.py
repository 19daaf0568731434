"""How is TLS spoken so that a fork never catches OpenSSL in the midst of something?"""

from __future__ import annotations

import io
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bursar.policies.distrust import distrusted

T = TypeVar("T")

_RECORD = 16 * 1024
"""Bytes that a record of TLS may hold."""

# OpenSSL has locks for all threads. A process that forks while one of ours holds them has a child in which nobody ever
# lets them go, and every TLS there hangs for ever, the application's too. So whoever forks waits for us first.
_in_openssl = threading.RLock()
"""Held in each of our visits to OpenSSL, which wait for nobody: milliseconds."""
exporting = threading.RLock()
"""Held while our exporter sends spans over TLS, for as long as it is given at most."""


FORK_SECONDS = 2.0
"""How long a fork waits for each of them at most: longer than it is ever held, and never for ever."""
_taken: dict[int, list[Any]] = {}
"""By thread that forks, what it holds meanwhile."""


def _before_fork() -> None:
    _taken[threading.get_ident()] = [lock for lock in (exporting, _in_openssl) if lock.acquire(timeout=FORK_SECONDS)]


def _after_fork() -> bool:
    """Let go of them; whether all were held."""
    held = _taken.pop(threading.get_ident(), [])
    for lock in reversed(held):
        lock.release()
    return len(held) == 2


def _after_fork_in_child() -> None:
    """A lock that was not to be had is held by a thread that is not here: others take its place."""
    global exporting, _in_openssl
    if not _after_fork():
        exporting, _in_openssl = threading.RLock(), threading.RLock()
    _taken.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


class TlsError(OSError):
    """The agent did not prove who it is; the text says why and what to do."""


class DistrustedError(TlsError):
    """Its certificate is not trusted."""


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Trust in this file's certificates alone, or else in the system's; names are always checked. Raises `OSError`."""
    with _in_openssl:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))


class TlsSocket:
    """
    What `http.client` needs of a socket, with TLS over a connected one.

    OpenSSL only ever works on memory here; all waiting is the plain socket's, with its timeout for each wait.
    """

    def __init__(self, plain: socket.socket, trust: ssl.SSLContext, host: str) -> None:
        """Shakes hands. Raises `TlsError`, and `OSError` as sockets do."""
        self._plain = plain
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        with _in_openssl:
            self._tls = trust.wrap_bio(self._came, self._goes, server_hostname=host)
        try:
            self._through(self._tls.do_handshake)
        except ssl.SSLCertVerificationError as error:
            raise DistrustedError(distrusted(error.verify_message, verify_code=error.verify_code)) from error
        except ssl.SSLError as error:
            raise TlsError(distrusted(str(error), reason=error.reason)) from error

    def recv_into(self, buffer: memoryview) -> int:
        """So many bytes were there; 0: the other side has ended."""
        read: Any = self._tls.read  # typeshed knows of what it returns without a buffer only
        try:
            return int(self._through(partial(read, len(buffer), buffer)))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0

    def sendall(self, data: bytes) -> None:
        """Raises `OSError` as sockets do."""
        left = memoryview(data)
        while left:
            left = left[self._through(partial(self._tls.write, left)) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """To be read; the socket stays open when it is closed."""
        return io.BufferedReader(_Reader(self))

    def settimeout(self, seconds: float | None) -> None:
        """For each wait."""
        self._plain.settimeout(seconds)

    def shutdown(self, how: int) -> None:
        """Of the plain socket: whoever waits for it in another thread finds it ended."""
        self._plain.shutdown(how)

    def detach(self) -> int:
        """The file that it was, which is then the caller's to close."""
        return self._plain.detach()

    def close(self) -> None:
        """Without a word on it: what is said here, HTTP has counted."""
        self._plain.close()

    def _through(self, step: Callable[[], T]) -> T:
        """What a step of OpenSSL comes to, once all that it has to say is sent, and all that it waits for is there."""
        while True:
            done: tuple[T, ...] = ()
            with _in_openssl:
                with suppress(ssl.SSLWantReadError):
                    done = (step(),)
                saying = self._goes.read()
            if saying:
                self._plain.sendall(saying)
            if done:
                return done[0]
            heard = self._plain.recv(_RECORD)
            if heard:
                self._came.write(heard)
            else:
                self._came.write_eof()


class _Reader(io.RawIOBase):
    def __init__(self, opened: TlsSocket) -> None:
        self._opened = opened

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._opened.recv_into(memoryview(buffer))
