"""How is the sandbox reached over HTTP, for as long as a block of code needs it?"""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

HOST = "127.0.0.1"
_GRACE_S = 1  # how long requests in flight may still take when the block ends


class _Server(uvicorn.Server):
    """A uvicorn server that says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@contextmanager
def serving(app: ASGIApp, port: int = 0) -> Generator[str]:
    """Serve an application on the loopback interface in a thread of its own; yields the base URL.

    Port 0 takes any free one. When the block ends, requests in flight are given a second, then cancelled.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="critical",  # a connection cut on purpose is no error to report
            timeout_graceful_shutdown=_GRACE_S,
        )
    )
    listener = _listen(port)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="bursar-sandbox", daemon=True)
    thread.start()
    while not server.up.wait(0.1):
        if not thread.is_alive():
            raise RuntimeError("the sandbox's server ended while it started; its thread's traceback says why")
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _listen(port: int) -> socket.socket:
    # asyncio sends without delay only on sockets that name their protocol; others lose 40 ms a response.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno, f"the sandbox cannot listen on {HOST}:{port} ({error.strerror}); choose another port, or 0"
        ) from error
    return listener
