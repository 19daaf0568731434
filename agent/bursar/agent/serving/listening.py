"""Where is the agent reached, and how does it begin and stop to answer?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from bursar.agent.settings import address

BACKLOG = 512
"""Connections that may wait to be taken: many processes of one host may start at once."""

GRACE_SECONDS = 2
"""What requests in flight are given when the agent stops."""


class ListenError(Exception):
    """An address that cannot be listened on; the text says why and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that takes connections, which wait until `answering`. Raises `ListenError`."""
    try:
        return _bound(host, port)
    except OSError as error:
        why = error.strerror or str(error)
        raise ListenError(
            f"cannot listen on {address(host, port)} ({why}): stop what uses it, which may be another agent, or "
            "choose another address with --listen"
        ) from error


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)[0]
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


def url_of(listener: socket.socket) -> str:
    """The base URL under which a socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{address(host, port)}"


@asynccontextmanager
async def answering(app: ASGIApp, listener: socket.socket) -> AsyncGenerator[None]:
    """Answer with `app` while the block lasts; at its end, requests in flight are given a moment."""
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.up.wait()
    try:
        yield
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Says when it is up, and leaves signals to the agent: uvicorn would end the process by the signal it caught."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
