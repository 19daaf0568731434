"""How does a command get through to an agent: over TCP, TLS, or a Unix socket?"""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path

from bursar.policies.agentaddress import AgentAddress, read_agent_address
from bursar.policies.distrust import distrusted


def connection(url: str, ca_file: Path | None, seconds: float) -> http.client.HTTPConnection:
    """
    One that is yet to be opened, past any proxy.

    `ca_file`: whom to trust in place of the system's authorities. Raises `AddressError`, and `OSError` for that file.
    """
    address = read_agent_address(url)
    if address.scheme == "unix":
        return _OverUnixSocket(address, seconds)
    if address.scheme == "http":
        return http.client.HTTPConnection(address.host, address.port, timeout=seconds)
    trust = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    return http.client.HTTPSConnection(address.host, address.port, timeout=seconds, context=trust)


def went_wrong(error: Exception) -> str:
    """What kept a connection from its answer, with what to do where that shows."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return distrusted(error.verify_message, verify_code=error.verify_code)
    if isinstance(error, ssl.SSLError):
        return distrusted(str(error), reason=error.reason)
    if isinstance(error, PermissionError):
        return f"{error.strerror}: put this user into the group of the agent's socket, and let it read BURSAR_CA_FILE"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError):
        return f"{error}; if that agent has --tls-cert, write https://"
    return str(error) or type(error).__name__


class _OverUnixSocket(http.client.HTTPConnection):
    def __init__(self, address: AgentAddress, seconds: float) -> None:
        super().__init__(address.host, timeout=seconds)
        self._path = address.path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
