"""Claims about the routes: what is asked in the words of the protocol is answered in them, or with a sentence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.agent.batching.house import House, turn

from bursar.agent.batching.office import Office
from bursar.agent.batching.routes import CANCEL_BATCH
from bursar.agent.serving.server import ServerState, create_app
from bursar.policies.deferral import PATH, WAIT_PATH, WITHDRAW_PATH, State, to_json
from bursar.policies.deferral import taken_from_json as taken
from bursar.policies.deferral import wait_response_from_json as waited


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def post(house: House, *messages: tuple[str, Any]) -> list[httpx.Response]:
    """The agent's answers to these, with a turn before each but the first."""

    async def work(office: Office) -> list[httpx.Response]:
        app = create_app(ServerState(house.bookkeeper), office.routes())
        found: list[httpx.Response] = []
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            for path, message in messages:
                content = message if isinstance(message, bytes) else json.dumps(message).encode()
                found.append(await client.post(path, content=content))
                house.later(301)
                await turn(office)
        return found

    return house.run(work)


def test_offered_and_waited_for(house: House) -> None:
    """The three words of the protocol."""
    answers = post(
        house,
        (PATH, to_json(house.offer("a"))),
        (WAIT_PATH, {"ids": ["d-a"]}),
        (WITHDRAW_PATH, {"id": "d-a", "sends": True}),
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert taken(answers[0].json()).accepted
    (outcome,) = waited(answers[1].json()).outcomes
    assert outcome.state is State.SUCCEEDED
    assert waited(answers[2].json()).outcomes == (outcome,)


@pytest.mark.parametrize(
    ("path", "message", "status"),
    [
        (PATH, b"{", 400),
        (PATH, {"id": 3}, 400),
        (WAIT_PATH, {"ids": "d-a"}, 400),
        (WAIT_PATH, {"ids": [], "seconds": 21}, 400),
        (WITHDRAW_PATH, [], 400),
        (CANCEL_BATCH, {}, 400),
        (CANCEL_BATCH, {"id": "none"}, 404),
    ],
)
def test_what_is_not_understood(house: House, path: str, message: Any, status: int) -> None:
    """A sentence, and never a trace."""
    (answer,) = post(house, (path, message))
    assert answer.status_code == status
    assert answer.text.endswith("\n")


def test_a_large_request(house: House) -> None:
    """Nine megabytes, more than any other message may have, are taken."""
    body = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x" * 9_000_000}]})
    offer = {**to_json(house.offer("a")), "body": body}
    (answer,) = post(house, (PATH, offer))
    assert taken(answer.json()).accepted


def test_a_ledger_that_cannot_be_written(house: House) -> None:
    """Nothing is acknowledged: 503."""
    house.ledger.close()
    (answer,) = _closed(house)
    assert answer.status_code == 503


def _closed(house: House) -> list[httpx.Response]:
    async def work() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=house.wire) as api:
            app = create_app(ServerState(house.bookkeeper), Office(house.means(), api).routes())
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
                return [await client.post(PATH, json=to_json(house.offer("a")))]

    return asyncio.run(work())
