"""How is a connection to the agent made: over TCP, TLS, or a Unix socket?"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bursar.instrumentation.tls import DistrustedError, TlsSocket, trusting
from bursar.policies.agentaddress import AgentAddress


class Dial:
    """
    Makes connections to one agent, for one process: a forked child needs one of its own.

    The certificates that are trusted are read at the first connection, and again after one that was not trusted: a new
    CA needs no restart.
    """

    def __init__(self, address: AgentAddress, ca_file: Path | None = None) -> None:
        """`ca_file`: whom to trust in place of the system's authorities."""
        self.address = address
        self._ca_file = ca_file
        self._trust: ssl.SSLContext | None = None

    def __call__(self, seconds: float) -> http.client.HTTPConnection:
        """A connection that is yet to be opened, which raises `OSError`. May raise `OSError` for the CA's file."""
        address = self.address
        if address.scheme == "unix":
            return _OverUnixSocket(address, seconds)
        if address.scheme == "http":
            return http.client.HTTPConnection(address.host, address.port, timeout=seconds)
        trust = self._trust = self._trust or trusting(self._ca_file)
        return _OverTls(address, seconds, trust, self._forget)

    def _forget(self) -> None:
        self._trust = None


class _OverUnixSocket(http.client.HTTPConnection):
    def __init__(self, address: AgentAddress, seconds: float) -> None:
        super().__init__(address.host, timeout=seconds)
        self._path = address.path

    def connect(self) -> None:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.settimeout(self.timeout)
            opened.connect(self._path)
        except PermissionError as error:
            opened.close()
            raise PermissionError(f"this user may not use {self._path}: put it into the socket's group") from error
        except BaseException:  # whatever it is: nobody else has the socket to close; raised again
            opened.close()
            raise
        self.sock = opened


class _OverTls(http.client.HTTPConnection):
    def __init__(
        self, address: AgentAddress, seconds: float, trust: ssl.SSLContext, on_distrust: Callable[[], None]
    ) -> None:
        super().__init__(address.host, address.port, timeout=seconds)
        self._trust = trust
        self._on_distrust = on_distrust

    def connect(self) -> None:
        super().connect()
        plain: Any = self.sock
        try:
            self.sock = TlsSocket(plain, self._trust, self.host)
        except DistrustedError:
            self._on_distrust()
            raise
