"""Claims about the porter: all bodies together take no more than they may, and what is refused may come again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bursar.agent.serving.porter import CrowdedError, Porter


def test_many_at_once() -> None:
    """
    Eight bytes are held of one, so that another's five do not fit into twelve; once the first is answered they do.

    Three are few enough to have their place in any case.
    """

    async def talk() -> list[int]:
        let_go, held = asyncio.Event(), asyncio.Event()

        async def parts() -> AsyncIterator[bytes]:
            yield b"12345678"
            held.set()
            await let_go.wait()
            yield b"9"

        async with client(most=12) as asking:
            first = asyncio.create_task(asking.post("/", content=parts()))
            await held.wait()
            statuses = [(await asking.post("/", content=body)).status_code for body in (b"1234", b"12345", b"123")]
            let_go.set()
            statuses.append((await first).status_code)
            statuses.append((await asking.post("/", content=b"12345")).status_code)
            return statuses

    assert asyncio.run(talk()) == [200, 503, 200, 200, 200]


def test_the_only_one() -> None:
    """What is larger than all together may be is for its endpoint to refuse."""

    async def talk() -> int:
        async with client(most=12) as asking:
            return (await asking.post("/", content=b"x" * 100)).status_code

    assert asyncio.run(talk()) == 200


def client(most: int) -> httpx.AsyncClient:
    async def length(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    async def crowded(_: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), 503)

    app = Starlette(
        routes=[Route("/", length, methods=["POST"])],
        middleware=[Middleware(Porter, most=most, small=3)],
        exception_handlers={CrowdedError: crowded},
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent")
