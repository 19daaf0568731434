"""Claims about listening: an address that cannot be had is told in a sentence, and requests in flight are finished."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.certificates import authority

from bursar.agent.serving.certificate import Certificate
from bursar.agent.serving.listening import ListenError, answering, listening
from bursar.agent.settings import Tcp, Tls, UnixSocket


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate, beside that of the authority that signed it."""
    return authority(tmp_path_factory.mktemp("ca")).issue("agent")


def test_port_in_use() -> None:
    """A port that is taken is named, with what to do."""
    with listening(Tcp(port=0)) as first:
        port = first.socket.getsockname()[1]
        told = rf"cannot listen on 127\.0\.0\.1:{port} \(.*in use.*\): stop .*--listen"
        with pytest.raises(ListenError, match=told), listening(Tcp(port=port)):
            pass


def test_no_delay() -> None:
    """Connections are TCP by name, since asyncio sends their answers at once only then."""

    async def run() -> bool:
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer: socket.socket = writer.get_extra_info("socket")
            taken.set_result(bool(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        with listening(Tcp(port=0)) as listener:
            async with await asyncio.start_server(take, sock=listener.socket):
                with socket.create_connection(listener.socket.getsockname()):
                    return await asyncio.wait_for(taken, 10)

    assert asyncio.run(run())


def test_unknown_host() -> None:
    """So is a name that is no address of this machine."""
    with pytest.raises(ListenError, match=r"cannot listen on host\.invalid:1 "), listening(Tcp("host.invalid", 1)):
        pass


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_url(host: str, url: str) -> None:
    """The URL is where it is reached."""
    with listening(Tcp(host, 0)) as listener:
        assert listener.url == f"{url}{listener.socket.getsockname()[1]}"


def test_urls_of_other_kinds(tmp_path: Path, proof: Tls) -> None:
    """With a certificate a port is reached by https; a socket file is not, since it needs none."""
    certificate = Certificate(proof)
    with listening(Tcp(port=0), certificate) as listener:
        assert listener.url == f"https://127.0.0.1:{listener.socket.getsockname()[1]}"
    with listening(UnixSocket(tmp_path / "a.sock"), certificate) as listener:
        assert listener.url == f"unix:{tmp_path}/a.sock"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("taken.sock", r"a process listens there, which may be another agent: stop it, or choose another path"),
        ("file", r"a file is there that is no socket: remove it, or choose another path"),
        ("none/a.sock", r"\(No such file or directory\): see that its folder is there and the agent may write to it"),
    ],
)
def test_a_path_that_cannot_be_had(tmp_path: Path, name: str, told: str) -> None:
    """Each says what is in the way, and what to do; nobody's file is touched."""
    (tmp_path / "file").write_text("precious")
    with listening(UnixSocket(tmp_path / "taken.sock")) as first:
        wanted = UnixSocket(tmp_path / name)
        with pytest.raises(ListenError, match=rf"cannot listen on {wanted}:? {told}"), listening(wanted):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            assert client.connect_ex(first.socket.getsockname()) == 0
    assert (tmp_path / "file").read_text() == "precious"


def test_all_are_answered_and_each_in_its_way(tmp_path: Path, proof: Tls) -> None:
    """One app at a port with TLS, at one without and at a socket file; at the end nobody is listening."""

    async def scheme(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.url.scheme)

    async def run() -> list[str]:
        app, path = Starlette(routes=[Route("/", scheme)]), tmp_path / "a.sock"
        trust = ssl.create_default_context(cafile=proof.cert.parent / "ca.pem")
        over_socket_file = httpx.AsyncHTTPTransport(uds=str(path))
        with ExitStack() as stack:
            listeners = [
                stack.enter_context(listening(Tcp(port=0), Certificate(proof))),
                stack.enter_context(listening(Tcp(port=0))),
                stack.enter_context(listening(UnixSocket(path))),
            ]
            urls = [*(listener.url for listener in listeners[:2]), "http://localhost"]
            async with httpx.AsyncClient(verify=trust, mounts={"http://localhost": over_socket_file}) as client:
                async with answering(app, *listeners):
                    said = [(await client.get(url)).text for url in urls]
                for url in urls:
                    with pytest.raises(httpx.ConnectError):
                        await client.get(url)
        assert not path.exists()
        return said

    assert asyncio.run(run()) == ["https", "http", "http"]


def test_requests_in_flight_are_finished() -> None:
    """The end of the block waits for an answer on its way, and after it nobody is listening."""

    async def run() -> None:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def slow(_: Request) -> PlainTextResponse:
            entered.set()
            await leave.wait()
            return PlainTextResponse("done")

        with listening(Tcp(port=0)) as listener:
            async with httpx.AsyncClient() as client:
                async with answering(Starlette(routes=[Route("/", slow)]), listener):
                    request = asyncio.create_task(client.get(url := listener.url))
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
        with listening(Tcp(port=0)) as listener:
            async with answering(Starlette(), listener):
                assert signal.getsignal(signal.SIGTERM) is before

    asyncio.run(run())


def test_nobody_is_kept_waiting_in_vain() -> None:
    """Who connects before the server answers is answered as soon as it does."""

    async def ok(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    async def run() -> None:
        with listening(Tcp(port=0)) as listener, socket.create_connection(listener.socket.getsockname()) as early:
            early.sendall(b"GET / HTTP/1.0\r\n\r\n")
            async with answering(Starlette(routes=[Route("/", ok)]), listener):
                got = await asyncio.to_thread(early.recv, 1000)
        assert got.startswith(b"HTTP/1.1 200")

    asyncio.run(run())
