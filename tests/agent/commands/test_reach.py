"""Claims about asking an agent how it is."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bursar.agent.commands.reach import UnreachableError, answers, ask
from bursar.agent.sandbox import serving


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
    with pytest.raises(UnreachableError, match="is no address"):
        ask("http://127.0.0.1:port", "/healthz")
