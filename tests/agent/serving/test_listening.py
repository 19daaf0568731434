"""Claims about listening: an address that cannot be had is told in a sentence, and requests in flight are finished."""

from __future__ import annotations

import asyncio
import signal
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bursar.agent.serving.listening import ListenError, answering, bind, url_of


def test_port_in_use() -> None:
    """A port that is taken is named, with what to do."""
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ListenError, match=rf"cannot listen on 127\.0\.0\.1:{port} \(.*in use.*\): stop .*--listen"):
            bind("127.0.0.1", port)


def test_no_delay() -> None:
    """Connections are TCP by name, since asyncio sends their answers at once only then."""

    async def run() -> bool:
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer: socket.socket = writer.get_extra_info("socket")
            taken.set_result(bool(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        listener = bind("127.0.0.1", 0)
        async with await asyncio.start_server(take, sock=listener):
            with socket.create_connection(listener.getsockname()):
                return await asyncio.wait_for(taken, 10)

    assert asyncio.run(run())


def test_unknown_host() -> None:
    """So is a name that is no address of this machine."""
    with pytest.raises(ListenError, match=r"cannot listen on host\.invalid:1 "):
        bind("host.invalid", 1)


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_url(host: str, url: str) -> None:
    """The URL is where it is reached."""
    with bind(host, 0) as listener:
        assert url_of(listener) == f"{url}{listener.getsockname()[1]}"


def test_requests_in_flight_are_finished() -> None:
    """The end of the block waits for an answer on its way, and after it nobody is listening."""

    async def run() -> None:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def slow(_: Request) -> PlainTextResponse:
            entered.set()
            await leave.wait()
            return PlainTextResponse("done")

        listener = bind("127.0.0.1", 0)
        url = url_of(listener)
        async with httpx.AsyncClient() as client:
            async with answering(Starlette(routes=[Route("/", slow)]), listener):
                request = asyncio.create_task(client.get(url))
                await asyncio.wait_for(entered.wait(), 10)
                asyncio.get_running_loop().call_later(0.01, leave.set)
            assert (await request).text == "done"
            with pytest.raises(httpx.ConnectError):
                await client.get(url)

    asyncio.run(run())


def test_signals_are_left_alone() -> None:
    """What a signal does is the agent's to say, not the server's."""

    async def run() -> None:
        before = signal.getsignal(signal.SIGTERM)
        async with answering(Starlette(), bind("127.0.0.1", 0)):
            assert signal.getsignal(signal.SIGTERM) is before

    asyncio.run(run())


def test_nobody_is_kept_waiting_in_vain() -> None:
    """Who connects before the server answers is answered as soon as it does."""

    async def ok(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    async def run() -> None:
        listener = bind("127.0.0.1", 0)
        early = socket.create_connection(listener.getsockname())
        early.sendall(b"GET / HTTP/1.0\r\n\r\n")
        async with answering(Starlette(routes=[Route("/", ok)]), listener):
            got = await asyncio.to_thread(early.recv, 1000)
        early.close()
        assert got.startswith(b"HTTP/1.1 200")

    asyncio.run(run())
