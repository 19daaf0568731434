"""Where is the agent reached, and how does it begin and stop to answer?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from bursar.agent.settings import address

GRACE_SECONDS = 2
"""What requests in flight are given when the agent stops."""


class ListenError(Exception):
    """An address that cannot be listened on; the text says why and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that takes connections, which wait until `answering`. Raises `ListenError`."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(where[:2], family=family)
    except OSError as error:
        why = error.strerror or str(error)
        raise ListenError(
            f"cannot listen on {address(host, port)} ({why}): stop what uses it, which may be another agent, or "
            "choose another address with --listen"
        ) from error


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
