"""Where is the agent reached, and how does it begin and stop to answer?"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from bursar.agent.serving.certificate import Certificate
from bursar.agent.serving.socketfile import SocketFileError, socket_file
from bursar.agent.settings import Place, Tcp, UnixSocket
from bursar.policies.agentaddress import UNIX, host_and_port

BACKLOG = 512
"""Connections that may wait to be taken: many processes of one host may start at once."""

GRACE_SECONDS = 2
"""What requests in flight are given when the agent stops."""

_TAKEN = "stop what uses it, which may be another agent, or choose another address with --listen"
_NO_FILE = "see that its folder is there and the agent may write to it, or choose another path"


class ListenError(Exception):
    """An address that cannot be listened on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that takes connections, which wait until `answering`."""

    socket: socket.socket
    certificate: Certificate | None = None
    """None: who connects is answered without TLS."""

    @property
    def url(self) -> str:
        """Under which it is reached."""
        name = self.socket.getsockname()
        if isinstance(name, str):
            return f"{UNIX}{name}"
        return f"{'http' if self.certificate is None else 'https'}://{host_and_port(*name[:2])}"


@contextmanager
def listening(place: Place, certificate: Certificate | None = None) -> Generator[Listener]:
    """Listen at a place while the block lasts; the certificate is for TCP alone. Raises `ListenError`."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(_opened(place))
        except SocketFileError as error:
            raise ListenError(f"cannot listen on {place}: {error}") from error
        except OSError as error:
            remedy = _NO_FILE if isinstance(place, UnixSocket) else _TAKEN
            raise ListenError(f"cannot listen on {place} ({error.strerror or error}): {remedy}") from error
        yield Listener(opened, certificate if isinstance(place, Tcp) else None)


def _opened(place: Place) -> AbstractContextManager[socket.socket]:
    """Raises `OSError`, here or when it is entered."""
    return socket_file(place.path, BACKLOG) if isinstance(place, UnixSocket) else _bound(place)


def _bound(place: Tcp) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(place.host, place.port, proto=socket.IPPROTO_TCP)[0]
    # The protocol must be named: asyncio sends without delay only on sockets that say they are TCP, and an answer that
    # waits for the other side's acknowledgement takes 40 ms.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(BACKLOG)
    except BaseException:  # whatever it is: nobody else has the socket to close; raised again
        listener.close()
        raise
    return listener


@asynccontextmanager
async def answering(app: ASGIApp, *listeners: Listener) -> AsyncGenerator[None]:
    """Answer with `app` while the block lasts; at its end, requests in flight are given a moment, all the same one."""
    servers = [_Server(app, listener) for listener in listeners]
    serving = [asyncio.create_task(server.serve(sockets=[server.listener.socket])) for server in servers]
    await asyncio.gather(*(server.up.wait() for server in servers))
    try:
        yield
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*serving)


class _Server(uvicorn.Server):
    """Says when it is up, and leaves signals to the agent: uvicorn would end the process by the signal it caught."""

    def __init__(self, app: ASGIApp, listener: Listener) -> None:
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)
        self.listener = listener
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn would read files once and for good: the context here gives each handshake the newest.
        self.config.ssl = self._tls()
        await super().startup(sockets)
        self.up.set()

    def _tls(self) -> ssl.SSLContext | None:
        certificate = self.listener.certificate
        return None if certificate is None else certificate.context

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
