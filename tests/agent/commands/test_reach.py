"""Claims about asking an agent how it is."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.certificates import authority

from bursar.agent.app import serving_agent
from bursar.agent.commands.reach import (
    RefusedError,
    TurnedAwayError,
    UnreachableError,
    answers,
    ask,
    check_welcome,
    order,
)
from bursar.agent.sandbox import serving
from bursar.agent.settings import Settings, Tcp, UnixSocket
from bursar.policies import protocol


@contextmanager
def agent(status: int) -> Generator[str]:
    """Something that is alive, and ready with this status."""

    async def ready(_: Request) -> PlainTextResponse:
        return PlainTextResponse("so it is\n", status)

    async def alive(_: Request) -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    with serving(Starlette(routes=[Route("/readyz", ready), Route("/healthz", alive)])) as url:
        yield url


@pytest.mark.parametrize("status", [200, 503])
def test_status_and_text_are_told(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past any proxy; only 200 is an answer that counts."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with agent(status) as url:
        assert ask(url, "/readyz") == (status, "so it is\n")
        assert answers(url, "/readyz") is (status == 200)
        assert answers(url)


def test_nobody_there() -> None:
    """A refused connection is told with the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(UnreachableError, match=f"{url} does not answer"):
        ask(url, "/healthz")
    assert not answers(url)


def test_one_that_hangs_is_not_waited_for() -> None:
    """It took the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="does not answer"):
            ask(url, "/healthz", seconds=0.05)


def test_one_that_does_not_speak_http() -> None:
    """Whatever else listens there is no agent."""
    with pytest.raises(UnreachableError, match="is not an agent's address"):
        ask("http://127.0.0.1:port", "/healthz")


def test_who_shows_no_token_or_a_wrong_one_is_told(tmp_path: Path) -> None:
    """Alive is not enough: the agent has to take the messages too."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("secret\n")
    wrong.write_text("guess\n")
    there = Settings(state_dir=tmp_path, db=tmp_path / "db", listen=(Tcp(port=0),), token_file=right)
    with serving_agent(there) as running:
        check_welcome(running.url, right)
        for shown, said in ((None, "no token was shown"), (wrong, "is not the agent's")):
            with pytest.raises(TurnedAwayError, match=f"answers 401 .*{said}; set BURSAR_TOKEN_FILE"):
                check_welcome(running.url, shown)
        with pytest.raises(TurnedAwayError, match=r"none cannot be read .*BURSAR_TOKEN_FILE"):
            check_welcome(running.url, tmp_path / "none")


def test_over_a_unix_socket_and_over_tls(tmp_path: Path) -> None:
    """The same agent by both; orders are taken the same way."""
    ca = authority(tmp_path / "ca")
    places = (UnixSocket(tmp_path / "a.sock"), Tcp(port=0))
    with serving_agent(Settings(tmp_path, tmp_path / "db", listen=places, tls=ca.issue("agent"))) as running:
        assert [url.partition(":")[0] for url in running.urls] == ["unix", "https"]
        for url in running.urls:
            assert ask(url, "/readyz", ca_file=ca.file, seconds=10) == (200, "ready\n")
            assert answers(url, ca_file=ca.file)
            check_welcome(url, None, ca_file=ca.file)
            with pytest.raises(RefusedError):
                order(url, protocol.PATH, {}, token_file=None, ca_file=ca.file)
        assert not answers(running.urls[1])
        with pytest.raises(UnreachableError, match=r"is not trusted \(.*BURSAR_CA_FILE"):
            ask(running.urls[1], "/readyz")
        with pytest.raises(UnreachableError, match=r"if that agent has --tls-cert, write https://"):
            ask(running.urls[1].replace("https:", "http:"), "/readyz")
        with pytest.raises(UnreachableError, match=r"No such file or directory.*start `bursar agent`"):
            order(f"unix:{tmp_path}/none.sock", "/any", {}, token_file=None)


def test_http_is_no_tls(tmp_path: Path) -> None:
    """An agent without a certificate, asked by https."""
    ca = authority(tmp_path / "ca")
    with agent(200) as url, pytest.raises(UnreachableError, match=r"does not speak TLS .*write http://"):
        ask(url.replace("http:", "https:"), "/healthz", ca_file=ca.file)


def test_a_socket_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forbidden says who may do it. (To root, which may run these tests, nothing is.)"""

    class Forbidden(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "socket", Forbidden)
    with pytest.raises(
        UnreachableError, match=r"Permission denied: put this user into the group of the agent's socket"
    ):
        ask("unix:/run/a.sock", "/healthz")


def test_an_open_agent_welcomes_everybody(tmp_path: Path) -> None:
    """Without a token file on its side none has to be shown."""
    with serving_agent(Settings(state_dir=tmp_path, db=tmp_path / "db", listen=(Tcp(port=0),))) as running:
        check_welcome(running.url, None)
