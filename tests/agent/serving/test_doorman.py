"""Claims about the door: nobody comes in without the token, and no web page of others at all."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bursar.agent.serving.doorman import Doorman


async def inside(_: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


APP = Starlette(routes=[Route(path, inside) for path in ("/guard", "/healthz", "/readyz", "/readyz/more")])


def knock(
    path: str = "/guard", *, token: str | None = None, local: bool = True, host: str = "127.0.0.1:4319", **headers: str
) -> tuple[int, str]:
    """Status and text of a GET."""

    async def knocking() -> httpx.Response:
        door = Doorman(APP, token=token, local=local)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://agent") as client:
            return await client.get(path, headers={"host": host, **headers})

    response = asyncio.run(knocking())
    return response.status_code, response.text


@pytest.mark.parametrize(
    ("host", "local", "status"),
    [
        ("127.0.0.1:4319", True, 200),
        ("localhost", True, 200),
        ("LOCALHOST:1", True, 200),
        ("[::1]:4319", True, 200),
        ("evil.example.org:4319", True, 403),
        ("127.0.0.1.evil.example.org", True, 403),
        ("", True, 403),
        ("[", True, 403),
        ("agent.example.org:4319", False, 200),
    ],
)
def test_host(host: str, local: bool, status: int) -> None:
    """An agent on loopback answers only to loopback's own names: a page whose name resolves here is turned away."""
    assert knock(host=host, local=local)[0] == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:4319", 200),
        ("http://127.0.0.1:8080", 403),
        ("https://evil.example.org", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
def test_origin(origin: str, status: int) -> None:
    """A page of another origin may not talk to the agent, whatever name it uses for it; the agent's own may."""
    assert knock(origin=origin)[0] == status


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer wrong", 401),
        ("Bearer right2", 401),
        ("right", 401),
        ("Bearer right", 200),
    ],
)
def test_token(shown: str | None, status: int) -> None:
    """With a token set, only who shows exactly that comes in."""
    got, text = knock(token="right") if shown is None else knock(token="right", authorization=shown)
    assert got == status
    assert ("BURSAR_TOKEN_FILE" in text) == (status == 401)


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/readyz", 200), ("/readyz/more", 401), ("/none", 401)]
)
def test_open_paths(path: str, status: int) -> None:
    """Whether it is well may be asked without a token, and nothing else."""
    assert knock(path, token="right")[0] == status


def test_no_token_set() -> None:
    """Without a token file none is asked for."""
    assert knock() == (200, "inside")


async def knock_over_a_socket_file(host: str) -> int:
    """The status of a GET as uvicorn tells of one over a Unix socket."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/guard",
        "raw_path": b"/guard",
        "query_string": b"",
        "headers": [(b"host", host.encode())],
        "server": ("/run/bursar/agent.sock", None),
    }
    await Doorman(APP, token=None, local=True)(scope, receive, send)
    return int(sent[0]["status"])


def test_over_a_unix_socket_any_name_will_do() -> None:
    """No page of a browser comes that way, and clients have their own ideas of a name."""
    assert [asyncio.run(knock_over_a_socket_file(host)) for host in ("localhost", "agent")] == [200, 200]
