"""What does a day of requests cost at the sandbox, played in no time, through the SDK and Bursar's instrumentation?"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import anthropic
import httpx2
from tests.savings.workload import Ask

from bursar.agent.sandbox import Refresh, create_app
from bursar.instrumentation.testing import recorded
from bursar.policies.charge import Charge

Result = TypeVar("Result")

EPOCH = 1_794_787_200
"""Seconds: when the day begins, 16 November 2026."""


@dataclass(frozen=True, slots=True)
class Played:
    """A day that is over: what Bursar charged for each ask that was answered, and what the sandbox billed for all."""

    charges: dict[int, Charge]
    """By the number of its ask."""
    refused: dict[int, str]
    """What the sandbox would not do, and why."""
    bill: int
    """Nano-dollars."""


class _Skipping(selectors.DefaultSelector):
    """Waits for nothing but other threads: time that would pass is skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is put forward whenever all that is left to do is to wait."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._skipping.now


def simulated(made: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """What a coroutine comes to on a loop of its own."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(made())


def play(asks: Sequence[Ask], refresh: Refresh) -> Played:
    """Send all of them to a sandbox of their own, each at its time."""
    with recorded() as seen:
        answered, refused, bill = simulated(lambda: _played(asks, refresh))
    by_response = {charge.response_id: charge for charge in seen.charges}
    return Played({number: by_response[name] for number, name in answered.items()}, refused, bill)


async def _played(asks: Sequence[Ask], refresh: Refresh) -> tuple[dict[int, str], dict[int, str], int]:
    loop = asyncio.get_running_loop()
    app = create_app(clock=lambda: EPOCH + loop.time(), refresh=refresh)
    answered: dict[int, str] = {}
    refused: dict[int, str] = {}
    async with anthropic.AsyncAnthropic(
        api_key="proof",
        base_url="http://sandbox",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app)),
    ) as client:
        await client.models.list()  # the SDK looks in a thread, once, at what it runs on: no time must pass meanwhile
        begun = loop.time()

        async def one(number: int, ask: Ask) -> None:
            await asyncio.sleep(begun + ask.at - loop.time())
            try:
                answered[number] = await _answered(client, ask)
            except anthropic.APIStatusError as error:
                refused[number] = str(error.body)

        async with asyncio.TaskGroup() as group:
            for number, ask in enumerate(asks):
                group.create_task(one(number, ask))
    return answered, refused, app.state.bill.totals()["nano_usd"]


async def _answered(client: anthropic.AsyncAnthropic, ask: Ask) -> str:
    """The id of the answer."""
    scene = {
        "x-sandbox-output-tokens": str(ask.output),
        "x-sandbox-latency-ms": str(round(ask.begins * 1_000)),
    }
    if ask.betas:
        scene["anthropic-beta"] = ask.betas
    answer = await client.post(
        "/v1/messages", body=ask.body, cast_to=anthropic.types.Message, options={"headers": scene}
    )
    return answer.id
