"""Claims about the Models API asked: once a day, quietly where it fails, and what it says reaches every process."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from bursar.agent.models import DAY_SECONDS, MOST_PAGES, Models
from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.server import serving
from bursar.agent.settings import ModelsApi
from bursar.policies.capabilities import capabilities, told_by_models_api


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


class Asking:
    """An agent's asking, with a clock of its own."""

    def __init__(self, api: ModelsApi, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self._api, self._transport = api, transport

    def ask(self, *instants: float) -> None:
        """Ask at each of these."""

        async def all_of_them() -> None:
            async with httpx.AsyncClient(transport=self._transport) as client:
                models = Models(self._api, client, tell=self.told.append, clock=lambda: self.now)
                for self.now in instants:
                    await models.ask()

        asyncio.run(all_of_them())


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> Asking:
    return Asking(ModelsApi("https://api.example.org", {}), httpx.MockTransport(answer))


def test_what_the_sandbox_says_is_laid_over_what_is_shipped(sandbox: str) -> None:
    """Of a model that no page tells of, what it thinks and reads; what it does not say stays unknown, or as shipped."""
    asking = Asking(ModelsApi(sandbox, {"x-api-key": "k"}))
    asking.ask(0)
    told = told_by_models_api(asking.told[0])
    newest, shipped = capabilities("claude-fable-5-2", "", told), capabilities("claude-fable-5-2")
    assert (shipped.thinking, shipped.images, shipped.prefill) == (None, None, None)
    assert (newest.thinking, newest.images, newest.prefill) == (frozenset({"adaptive"}), True, None)
    assert newest.max_output == 128_000
    haiku = capabilities("claude-haiku-5-5", "", told)
    assert (haiku.prefill, haiku.unset) == (False, "on")
    assert [capabilities(f"claude-3-{name}", "", told).retired for name in ("haiku", "7-sonnet")] == [True, True]


def test_it_is_asked_once_a_day(sandbox: str) -> None:
    """However often it is looked whether to ask; what it says is the same text where nothing has changed."""
    asking = Asking(ModelsApi(sandbox, {"authorization": "Bearer t"}))
    asking.ask(0, 1, DAY_SECONDS - 1, DAY_SECONDS, DAY_SECONDS + 1)
    assert len(asking.told) == 2
    assert asking.told[0] == asking.told[1]


REFUSALS: list[tuple[Callable[[httpx.Request], httpx.Response], str]] = [
    (lambda _: httpx.Response(401), "it answers 401"),
    (lambda _: httpx.Response(302, headers={"location": "https://elsewhere.example.org"}), "it answers 302"),
    (lambda _: httpx.Response(200, text="<html>"), "Expecting value"),
    (lambda _: httpx.Response(200, json=[]), "no page of models"),
    (lambda _: httpx.Response(200, json={"data": {}}), "lists no models"),
]


@pytest.mark.parametrize(("answer", "why"), REFUSALS)
def test_what_goes_wrong_is_told_once(
    answer: Callable[[httpx.Request], httpx.Response], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And asked again at the next look: nothing is told, and nothing raised."""
    asking = answering(answer)
    with caplog.at_level(logging.WARNING):
        asking.ask(0, 3_600, 7_200)
    assert asking.told == []
    assert len(caplog.records) == 1
    assert why in caplog.records[0].getMessage()


def test_nobody_there_is_told_once_and_after_an_answer_again(caplog: pytest.LogCaptureFixture) -> None:
    """Each trouble is news once."""
    turns = iter([False, False, True, False])

    def answer(_: httpx.Request) -> httpx.Response:
        if not next(turns):
            raise httpx.ConnectError("no route")
        return httpx.Response(200, json={"data": []})

    asking = answering(answer)
    with caplog.at_level(logging.WARNING):
        asking.ask(0, 3_600, 7_200, 7_200 + DAY_SECONDS)
    assert asking.told == ["[]"]
    assert [record.getMessage().count("no route") for record in caplog.records] == [1, 1]


def test_pages_are_followed_and_bounded() -> None:
    """Each after the last of the one before; a list without an end is left after five."""
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("after_id"))
        name = f"m{len(asked)}"
        page: dict[str, Any] = {"data": [{"id": name, "display_name": "M"}], "has_more": True, "last_id": name}
        return httpx.Response(200, json=page)

    asking = answering(answer)
    asking.ask(0)
    assert asked == [None, "m1", "m2", "m3", "m4"]
    assert json.loads(asking.told[0]) == [{"id": f"m{number}"} for number in range(1, MOST_PAGES + 1)]
