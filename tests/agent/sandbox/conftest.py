"""A sandbox on a real socket with a clock that the test moves: one server for all tests, a fresh sandbox for each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anthropic
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from bursar.agent.sandbox import create_app, serving

KEY = "sk-ant-test-0001"


@dataclass
class Clock:
    """A clock that stands still until it is moved; staged waits move it."""

    now: float = 1_000_000.0
    waits: list[float] = field(default_factory=list[float])

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Theatre:
    """One server that plays whichever sandbox is on now."""

    def __init__(self) -> None:
        self.app: ASGIApp = create_app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@dataclass
class Stage:
    """A fresh sandbox, a client for it, and its bill."""

    url: str
    clock: Clock
    client: anthropic.Anthropic
    theatre: Theatre
    app: Any = None

    def restage(self, sleep: Callable[[float], Awaitable[object]] | None = None, **options: Any) -> None:
        """A new sandbox with these options, in which `sleep` happens whenever the scene asks for a wait."""
        self.app = create_app(clock=self.clock, sleep=sleep or self.clock.sleep, **options)
        self.theatre.app = self.app

    @property
    def bill(self) -> dict[str, Any]:
        totals: dict[str, Any] = self.app.state.bill.totals()
        return totals


@pytest.fixture(scope="session")
def theatre() -> Iterator[tuple[Theatre, str]]:
    """The server and its URL."""
    theatre = Theatre()
    with serving(theatre) as url:
        yield theatre, url


@pytest.fixture(scope="session")
def client(theatre: tuple[Theatre, str]) -> Iterator[anthropic.Anthropic]:
    """A client of the SDK that does not retry unless told to."""
    with anthropic.Anthropic(api_key=KEY, base_url=theatre[1], max_retries=0) as client:
        yield client


@pytest.fixture
def stage(theatre: tuple[Theatre, str], client: anthropic.Anthropic) -> Stage:
    """A sandbox of the test's own."""
    clock = Clock()
    stage = Stage(theatre[1], clock, client, theatre[0])
    stage.restage(clock.sleep)
    return stage
