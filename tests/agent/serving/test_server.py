"""Claims about the server: guards are answered, nonsense is told so, and it says truly whether it is well."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.agent.ledger import fresh

from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.serving import server
from bursar.agent.serving.server import BODY_LIMIT, ServerState, create_app, read_body
from bursar.agent.settings import Settings
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import (
    PATH,
    Answer,
    Holder,
    Need,
    Snapshot,
    SyncRequest,
    Verdict,
    response_from_json,
    to_json,
)

NOON = 1_795_262_400 * 10**9
KEY = "day|2026-11-21T00:00:00Z|"
POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
"""
HOLDER = Holder("h", 42, "host", NOON)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: NOON)
    yield opened
    opened.close()


@pytest.fixture
def bookkeeper(ledger: Ledger, tmp_path: Path) -> Bookkeeper:
    rules = Rules(parse_policy(POLICY, file="f"), shipped_book(), Snapshot("s", POLICY))
    in_force = RulesInForce(Settings(state_dir=tmp_path, db=tmp_path / "db"), read=lambda _: rules)
    return Bookkeeper(ledger, in_force, clock_ns=lambda: NOON, on_alert=lambda: None)


def talk(bookkeeper: Bookkeeper, talking: Callable[[httpx.AsyncClient], Awaitable[None]], **changes: Any) -> None:
    """Talk to the server of a bookkeeper."""

    async def run() -> None:
        app = create_app(ServerState(bookkeeper, **changes), [Route("/length", length, methods=["POST"])])
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4319") as client:
            await talking(client)

    asyncio.run(run())


async def length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await read_body(request))))


def test_sync(bookkeeper: Bookkeeper) -> None:
    """A guard is lent what it needs, and given the rules it does not have."""

    async def talking(client: httpx.AsyncClient) -> None:
        request = SyncRequest(HOLDER, 1, needs=(Need("a", (KEY,), 5, 5),))
        answer = await client.post(PATH, json=to_json(request))
        response = response_from_json(answer.json())
        assert (answer.status_code, response.granted) == (200, {KEY: 5})
        assert response.answers == (Answer("a", Verdict.GRANTED, 5),)
        assert response.snapshot == Snapshot("s", POLICY)
        again = await client.post(PATH, json=to_json(SyncRequest(HOLDER, 2, snapshot_id="s")))
        assert response_from_json(again.json()).snapshot is None

    talk(bookkeeper, talking)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "the body is no JSON"),
        (b'{"seq": 1}', "the sync request is incomplete: 'holder'"),
        (json.dumps({**to_json(SyncRequest(HOLDER, 1)), "seq": "1"}).encode(), "seq must be a whole number"),
    ],
)
def test_nonsense(bookkeeper: Bookkeeper, body: bytes, told: str) -> None:
    """What cannot be worked with is answered 400 and a sentence."""

    async def talking(client: httpx.AsyncClient) -> None:
        answer = await client.post(PATH, content=body)
        assert answer.status_code == 400
        assert told in answer.text

    talk(bookkeeper, talking)


@pytest.mark.parametrize(("size", "status"), [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)])
def test_large_bodies(bookkeeper: Bookkeeper, size: int, status: int) -> None:
    """A body may have eight megabytes, and not a byte more."""

    async def talking(client: httpx.AsyncClient) -> None:
        assert (await client.post("/length", content=b"x" * size)).status_code == status

    talk(bookkeeper, talking)


def test_endless_bodies(bookkeeper: Bookkeeper) -> None:
    """A body without a length is read no further than the limit, and nothing of it is kept."""
    sent: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            sent.append(2**20)
            yield b" " * 2**20

    async def talking(client: httpx.AsyncClient) -> None:
        assert (await client.post(PATH, content=endless())).status_code == 413

    talk(bookkeeper, talking)
    assert sum(sent) == BODY_LIMIT + 2**20


def test_health(bookkeeper: Bookkeeper) -> None:
    """It is alive, and ready while its ledger takes what it is given."""

    async def talking(client: httpx.AsyncClient) -> None:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
        assert (alive.status_code, alive.text, ready.status_code, ready.text) == (200, "alive\n", 200, "ready\n")

    talk(bookkeeper, talking)


def test_not_ready_after_a_failed_commit(bookkeeper: Bookkeeper) -> None:
    """Where the last commit failed it is alive and not ready, and says why."""

    async def talking(client: httpx.AsyncClient) -> None:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.text) == (503, "not ready: the disk is full\n")
        assert (await client.get("/healthz")).status_code == 200

    bookkeeper.trouble = "the disk is full"
    talk(bookkeeper, talking)


def test_not_ready_while_the_writer_hangs(
    bookkeeper: Bookkeeper, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that does not answer makes it not ready within a moment; other requests are not held up."""
    monkeypatch.setattr(server, "READY_SECONDS", 0.05)
    free = threading.Event()
    ledger.submit(lambda _: free.wait(10))

    async def talking(client: httpx.AsyncClient) -> None:
        waiting = asyncio.create_task(client.post(PATH, json=to_json(SyncRequest(HOLDER, 1))))
        ready = await client.get("/readyz")
        assert (ready.status_code, "has not answered" in ready.text) == (503, True)
        assert not waiting.done()
        assert (await client.get("/healthz")).status_code == 200
        free.set()
        assert (await waiting).status_code == 200

    talk(bookkeeper, talking)


def test_closed_ledger(bookkeeper: Bookkeeper, ledger: Ledger) -> None:
    """What cannot be written is answered 503: the guard keeps it and sends it again."""
    ledger.close()

    async def talking(client: httpx.AsyncClient) -> None:
        answer = await client.post(PATH, json=to_json(SyncRequest(HOLDER, 1)))
        assert (answer.status_code, "is closed" in answer.text) == (503, True)
        assert (await client.get("/readyz")).status_code == 503

    talk(bookkeeper, talking)


def test_door(bookkeeper: Bookkeeper) -> None:
    """Every route stands behind the door, those of other rooms too."""

    async def talking(client: httpx.AsyncClient) -> None:
        for path in (PATH, "/length"):
            assert (await client.post(path, content=b"")).status_code == 401
        shown = {"authorization": "Bearer right"}
        assert (await client.post("/length", content=b"xy", headers=shown)).text == "2"
        assert (await client.get("/healthz")).status_code == 200
        elsewhere = {**shown, "host": "evil.example.org"}
        assert (await client.post("/length", content=b"xy", headers=elsewhere)).status_code == 403

    talk(bookkeeper, talking, token="right")


def test_not_local(bookkeeper: Bookkeeper) -> None:
    """An agent that others may reach goes by any name."""

    async def talking(client: httpx.AsyncClient) -> None:
        assert (await client.get("/healthz", headers={"host": "agent.example.org"})).status_code == 200

    talk(bookkeeper, talking, token="right", local=False)
