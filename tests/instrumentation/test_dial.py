"""Dial: the agent over TCP, TLS or a Unix socket; whom it does not trust is told with what to do."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import DAY, Authority, authority

from bursar.agent.settings import Tls
from bursar.instrumentation.dial import Dial
from bursar.instrumentation.link import FIRST_SIGN_SECONDS, AgentLink, Unreachable
from bursar.policies.agentaddress import read_agent_address


class Handler(BaseHTTPRequestHandler):
    """Answers every POST, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        answer = f'"{self.headers["host"]}"'.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the standard library
        """Nothing on the test's output."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust it hangs up."""


@contextmanager
def agent(proof: Tls | None = None, path: Path | None = None, port: int = 0) -> Generator[str]:
    """One that answers; its URL."""
    server = Server(("127.0.0.1", port), Handler, bind_and_activate=path is None)
    if path is not None:
        server.socket.close()
        server.socket = socket.socket(socket.AF_UNIX)
        server.socket.bind(str(path))
        server.socket.listen()
        server.get_request = lambda: (server.socket.accept()[0], ("", 0))  # type: ignore[method-assign]
    if proof is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(proof.cert, proof.key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        port = 0 if path is not None else server.server_port
        yield f"unix:{path}" if path is not None else f"{'https' if proof else 'http'}://127.0.0.1:{port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Connect = Callable[[str, Path | None], AgentLink]


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:

        def link(url: str, ca_file: Path | None = None) -> AgentLink:
            made = AgentLink(Dial(read_agent_address(url), ca_file), None)
            stack.callback(made.close)
            return made

        yield link


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


def said(link: AgentLink) -> str:
    """Why the agent is not reached."""
    with pytest.raises(Unreachable) as caught:
        link.post("/guard/sync", b"{}")
    return str(caught.value)


def test_a_unix_socket(connect: Connect, tmp_path: Path) -> None:
    """HTTP as ever, by the name of this machine; and again after the agent was started anew at the same path."""
    path = tmp_path / "a.sock"
    with agent(path=path) as url:
        link = connect(url, None)
        assert [link.post("/", b"{}") for _ in range(2)] == ["localhost", "localhost"]
    path.unlink()
    with agent(path=path):
        assert link.post("/", b"{}") == "localhost"


def test_a_socket_that_is_not_there_or_not_ours(connect: Connect, tmp_path: Path) -> None:
    """No file, a dead one, and one that this user may not write to."""
    link = connect(f"unix:{tmp_path}/a.sock", None)
    assert said(link).startswith("FileNotFoundError: ")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "a.sock"))
    assert said(link).startswith("ConnectionRefusedError: ")


def test_a_socket_of_others_names_the_remedy(connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put into the group, a user may. (To root, which may run these tests, nothing is forbidden.)"""

    class Forbidden(socket.socket):
        def connect(self, address: Any) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "socket", Forbidden)
    told = said(connect(f"unix:{tmp_path}/a.sock", None))
    assert told == f"PermissionError: this user may not use {tmp_path}/a.sock: put it into the socket's group"


def test_tls(connect: Connect, ca: Authority) -> None:
    """With an authority of one's own; the name is checked, here an address."""
    with agent(ca.issue("agent")) as url:
        link = connect(url, ca.file)
        port = url.rpartition(":")[2]
        assert [link.post("/", b"{}") for _ in range(2)] == [f"127.0.0.1:{port}"] * 2


@pytest.mark.parametrize(
    ("name", "given", "remedy"),
    [
        ("old", {"begins": -2 * DAY, "ends": -DAY}, "renew the agent's certificate"),
        ("early", {"begins": DAY, "ends": 2 * DAY}, "set the clocks"),
        ("elsewhere", {"host": "10.0.0.1"}, "use a name in BURSAR_AGENT that the agent's certificate is for"),
    ],
)
def test_a_certificate_that_is_not_trusted(
    connect: Connect, ca: Authority, name: str, given: dict[str, Any], remedy: str
) -> None:
    """Never spoken to, and each with what to do."""
    with agent(ca.issue(name, **given)) as url:
        told = said(connect(url, ca.file))
        assert told.startswith("DistrustedError: the agent's certificate is not trusted (")
        assert remedy in told


def test_an_authority_that_is_not_known(connect: Connect, ca: Authority) -> None:
    """The system's do not know it; one of one's own is then named."""
    with agent(ca.issue("agent")) as url:
        told = said(connect(url, None))
        assert "name the file of the CA that signed the agent's certificate in BURSAR_CA_FILE" in told


def test_a_new_authority_needs_no_restart(connect: Connect, ca: Authority, tmp_path: Path) -> None:
    """Its file is read again after a certificate was not trusted."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority(tmp_path / "other", "another authority").file.read_bytes())
    with agent(ca.issue("agent")) as url:
        link = connect(url, trusted)
        assert "BURSAR_CA_FILE" in said(link)
        trusted.write_bytes(ca.file.read_bytes())
        assert link.post("/", b"{}")
        trusted.unlink()
        link.close()
        assert link.post("/", b"{}"), "what was read is kept"


def test_tls_with_one_that_does_not_speak_it(connect: Connect, ca: Authority) -> None:
    """An agent without a certificate."""
    with agent() as url:
        told = said(connect(url.replace("http:", "https:"), ca.file))
        assert "does not speak TLS" in told
        assert "--tls-cert" in told


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_one_that_hangs_costs_its_deadline(
    connect: Connect, ca: Authority, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and never says a word: one wait, before the handshake of TLS too."""
    clock = time.perf_counter
    family, where = (socket.AF_UNIX, str(tmp_path / "a.sock")) if kind == "unix" else (socket.AF_INET, ("127.0.0.1", 0))
    with socket.socket(family) as silent:
        silent.bind(where)
        silent.listen()
        port = 0 if kind == "unix" else silent.getsockname()[1]
        link = connect(f"unix:{where}" if kind == "unix" else f"https://127.0.0.1:{port}", ca.file)
        monkeypatch.setattr(link, "_heard_at", float("-inf"))
        began = clock()
        assert said(link).startswith("TimeoutError: ")
        assert FIRST_SIGN_SECONDS <= clock() - began < 10 * FIRST_SIGN_SECONDS


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_a_forked_child_forgets_the_connection(connect: Connect, ca: Authority, tmp_path: Path, kind: str) -> None:
    """Without a word on it; the next message opens another, as it does where a connection was cut."""
    with agent(ca.issue("agent")) if kind == "tls" else agent(path=tmp_path / "a.sock") as url:
        link = connect(url, ca.file)
        for _ in range(2):
            link.post("/", b"{}")
            link.abandon()
        link.post("/", b"{}")
        link.hang_up()
        assert link.post("/", b"{}")


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_a_request_under_way_can_be_cut_off(
    connect: Connect, ca: Authority, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another thread, at once: whoever waits for what the agent wants back is not waited for."""
    entered = threading.Event()

    def hold(self: Handler) -> None:
        entered.set()
        self.connection.settimeout(20)
        self.rfile.read(10_000)

    with agent(ca.issue("agent")) if kind == "tls" else agent(path=tmp_path / "a.sock") as url:
        monkeypatch.setattr(Handler, "do_POST", hold)
        link = connect(url, ca.file)
        told: list[str] = []

        def wait() -> None:
            with pytest.raises(Unreachable) as caught:
                link.post("/", b"{}", seconds=20)
            told.append(type(caught.value.__cause__).__name__)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert entered.wait(10)
        link.hang_up()
        waiting.join(10)
        assert told
