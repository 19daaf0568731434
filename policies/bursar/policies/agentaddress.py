"""How is an agent's address written, and what does it say?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

HOST, PORT = "127.0.0.1", 4319
UNIX = "unix:"
LONGEST_PATH = 107
"""Bytes that the kernel has for the path of a Unix socket."""

Scheme = Literal["http", "https", "unix"]

_URL = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<ip6>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+))(?::(?P<port>[0-9]{1,5}))?/?",
    re.ASCII | re.IGNORECASE,
)
_LAST_PORT = 65535


class AddressError(ValueError):
    """What is no address; the text says why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class AgentAddress:
    """Where an agent is reached: by HTTP over TCP, by the same over TLS, or over a Unix socket of this machine."""

    scheme: Scheme
    host: str = "localhost"
    port: int = PORT
    path: str = ""
    """Of the Unix socket."""

    def __str__(self) -> str:
        """The base URL, port included; of a Unix socket `unix:PATH`."""
        return (
            f"{UNIX}{self.path}" if self.scheme == "unix" else f"{self.scheme}://{host_and_port(self.host, self.port)}"
        )


def read_agent_address(text: str) -> AgentAddress:
    """`http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`; without a port it is 4319. Raises `AddressError`."""
    if text.startswith(UNIX):
        return AgentAddress("unix", path=read_socket_path(text))
    found = _URL.fullmatch(text)
    port = int((found and found["port"]) or PORT)
    if found is None or not 0 < port <= _LAST_PORT:
        raise AddressError(
            f"{text!r} is not an agent's address. Write it as http://{HOST}:{PORT}, https://HOST:{PORT} or "
            f"{UNIX}/run/bursar/agent.sock."
        )
    return AgentAddress(cast(Scheme, found["scheme"].lower()), found["ip6"] or found["host"], port)


def read_socket_path(text: str) -> str:
    """The path in `unix:PATH` (or `unix://PATH`), which is absolute. Raises `AddressError`."""
    path = text.removeprefix(UNIX)
    if not path.startswith("/") or "\0" in path or not path.strip("/"):
        raise AddressError(
            f"{text!r} names no Unix socket by its whole path: applications start in folders of their own. Write it "
            f"as {UNIX}/run/bursar/agent.sock."
        )
    path = f"/{path.lstrip('/')}"
    length = len(path.encode("utf-8", "surrogateescape"))
    if length > LONGEST_PATH:
        raise AddressError(
            f"the path in {text!r} has {length} bytes, and that of a Unix socket may have {LONGEST_PATH}: choose a "
            f"shorter one, such as {UNIX}/run/bursar/agent.sock."
        )
    return path


def host_and_port(host: str, port: int) -> str:
    """`127.0.0.1:4319`, or `[::1]:4319`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
