"""Link: an agent that does not answer costs a call a fixed, small wait, once."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bursar.instrumentation import link as module
from bursar.instrumentation.dial import Dial
from bursar.instrumentation.link import (
    BREAKER_SECONDS,
    BUSY_SECONDS,
    FIRST_SIGN_SECONDS,
    RECENT_SECONDS,
    AgentLink,
    Misunderstood,
    Unreachable,
)
from bursar.policies.agentaddress import read_agent_address


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Agent:
    """A server that answers as told, and remembers what it was asked and over how many connections."""

    def __init__(self, port: int = 0) -> None:
        self.status, self.answer = 200, b'{"granted": {}}'
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.connections = 0
        agent = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                agent.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                agent.asked.append((self.path, headers, json.loads(body)))
                self.send_response(agent.status)
                self.send_header("content-length", str(len(agent.answer)))
                self.end_headers()
                self.wfile.write(agent.answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the standard library
                """Nothing on the test's output."""

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True

            def process_request(self, request: Any, client_address: Any) -> None:
                agent.sockets.append(request)
                super().process_request(request, client_address)

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A connection cut by a test."""

        self.sockets: list[socket.socket] = []
        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        for connection in self.sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._server.server_close()


@pytest.fixture
def agent() -> Iterator[Agent]:
    running = Agent()
    yield running
    running.stop()


@pytest.fixture
def connect() -> Iterator[Callable[..., AgentLink]]:
    with ExitStack() as stack:

        def link(url: str, token_file: Path | None = None, clock: Callable[[], float] = time.monotonic) -> AgentLink:
            made = AgentLink(Dial(read_agent_address(url)), token_file, clock)
            stack.callback(made.close)
            return made

        yield link


Connect = Callable[..., AgentLink]


def broken(link: AgentLink) -> bool:
    return link.broken


@pytest.fixture
def silent() -> Iterator[str]:
    """An agent that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_messages_go_over_one_connection(agent: Agent, connect: Connect) -> None:
    """As JSON, to the path asked for, without a token where there is none."""
    link = connect(agent.url)
    assert link.post("/guard/sync", b'{"seq": 1}') == {"granted": {}}
    assert link.post("/guard/sync", b'{"seq": 2}', patient=True) == {"granted": {}}
    assert [(path, body) for path, _, body in agent.asked] == [("/guard/sync", {"seq": 1}), ("/guard/sync", {"seq": 2})]
    assert agent.connections == 1
    headers = agent.asked[0][1]
    assert headers["content-type"] == "application/json"
    assert "authorization" not in headers
    assert not broken(link)


def test_the_token_is_read_for_every_message(agent: Agent, connect: Connect, tmp_path: Path) -> None:
    """So that a new one needs no restart; one that is missing is the agent's being away."""
    token = tmp_path / "token"
    link = connect(agent.url, token)
    for secret in ("one", "two"):
        token.write_text(f"{secret}\n")
        link.post("/guard/sync", b"{}")
    assert [headers["authorization"] for _, headers, _ in agent.asked] == ["Bearer one", "Bearer two"]
    token.unlink()
    with pytest.raises(Unreachable, match="FileNotFoundError"):
        link.post("/guard/sync", b"{}")


def test_a_silent_agent_costs_its_deadline_once(silent: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the breaker is open for a second, and the call after it is given less time."""
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
    clock = Clock()
    link = connect(silent, None, clock)
    assert took(lambda: link.post("/guard/sync", b"{}")) >= 0.1
    assert broken(link)
    clock.now += BREAKER_SECONDS - 0.001
    assert broken(link)
    clock.now += 0.001
    assert not broken(link)
    assert took(lambda: link.post("/guard/sync", b"{}")) >= FIRST_SIGN_SECONDS
    assert broken(link)


def took(post: Callable[[], Any]) -> float:
    began = time.perf_counter()
    with pytest.raises(Unreachable, match="TimeoutError"):
        post()
    return time.perf_counter() - began


def test_an_agent_that_cannot_read_a_message_says_so(agent: Agent, connect: Connect) -> None:
    """Another way of being unreachable: the next message is made with more care."""
    agent.status = 400
    with pytest.raises(Misunderstood, match="BadRequestError: the agent answered 400"):
        connect(agent.url).post("/guard/sync", b"{}")


@pytest.mark.parametrize(
    ("since", "patient", "seconds"),
    [
        (0, False, BUSY_SECONDS),
        (RECENT_SECONDS - 0.1, False, BUSY_SECONDS),
        (RECENT_SECONDS, False, FIRST_SIGN_SECONDS),
        (RECENT_SECONDS, True, 2.0),
        (0, True, 2.0),
    ],
)
def test_an_agent_heard_of_lately_is_given_more_time(
    agent: Agent, connect: Connect, since: float, patient: bool, seconds: float
) -> None:
    """A busy machine is no reason to give a budget up; what is off the caller's path may wait two seconds."""
    clock = Clock()
    link = connect(agent.url, None, clock)
    link.post("/guard/sync", b"{}")
    clock.now += since
    assert link._timeout(patient=patient) == seconds  # pyright: ignore[reportPrivateUsage]
    assert (FIRST_SIGN_SECONDS, BUSY_SECONDS) == (0.05, 0.5)


def test_an_agent_that_was_heard_of_elsewhere_closes_the_breaker(connect: Connect) -> None:
    """The background's link tells the caller's."""
    clock = Clock()
    link = connect(closed_port(), None, clock)
    with pytest.raises(Unreachable, match="ConnectionRefusedError"):
        link.post("/guard/sync", b"{}")
    assert broken(link)
    link.mend()
    assert not broken(link)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_a_restart_of_the_agent_is_survived(connect: Connect) -> None:
    """Its kept-open connection is dead; the message goes once more over a new one."""
    before = Agent()
    link = connect(before.url)
    link.post("/guard/sync", b'{"seq": 1}')
    before.stop()
    after = Agent(before.port)
    try:
        assert link.post("/guard/sync", b'{"seq": 2}') == {"granted": {}}
        assert [body for _, _, body in after.asked] == [{"seq": 2}]
        assert not broken(link)
    finally:
        link.close()
        after.stop()


def test_an_agent_that_stays_away_is_unreachable(connect: Connect) -> None:
    """After one try over a new connection, not for ever."""
    agent = Agent()
    link = connect(agent.url)
    link.post("/guard/sync", b"{}")
    agent.stop()
    with pytest.raises(Unreachable, match="ConnectionRefusedError"):
        link.post("/guard/sync", b"{}")
    assert broken(link)


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (500, b"oh no\n", r"the agent answered 500: oh no\Z"),
        (401, b"", "the agent answered 401: "),
        (204, b"", "the agent answered 204"),
        (400, b"\xff" * 300, "the agent answered 400: "),
        (200, b"not json", "JSONDecodeError"),
        (200, b"\xff", "UnicodeDecodeError|JSONDecodeError"),
    ],
)
def test_nonsense_is_an_agent_that_is_away(
    agent: Agent, connect: Connect, status: int, answer: bytes, said: str
) -> None:
    """Whatever stands at that port: nobody is told a verdict by it. The next exchange may go well again."""
    link = connect(agent.url)
    agent.status, agent.answer = status, answer
    with pytest.raises(Unreachable, match=said):
        link.post("/guard/sync", b"{}")
    assert broken(link)
    agent.status, agent.answer = 200, b"[]"
    assert link.post("/guard/sync", b"{}") == []
    assert not broken(link)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_proxies_are_passed_by(agent: Agent, connect: Connect, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The agent is beside the application, whatever the way out of the house is."""
    monkeypatch.setenv(name, closed_port())
    monkeypatch.delenv("no_proxy", raising=False)
    assert connect(agent.url).post("/guard/sync", b"{}") == {"granted": {}}


def test_a_forked_child_forgets_the_connection(agent: Agent, connect: Connect) -> None:
    """And opens one of its own when it has something to say."""
    link = connect(agent.url)
    link.post("/guard/sync", b"{}")
    link.abandon()
    link.post("/guard/sync", b"{}")
    assert agent.connections == 2
