"""How is each step of `map_batch` done, on a thread or on an event loop? By the application's own client alone."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import anyio

from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.guard import Guard

Take = Callable[[Any], object]
"""Who is given each line of a batch's results, as the SDK parsed it."""
NEWEST = 20
"""How many batches are looked through for one that may have been created."""


class Hands(Protocol):
    """What a step needs done. What a method returns is awaited by whoever runs on an event loop."""

    def greet(self, guard: Guard) -> Any: ...

    def admit(self, guard: Guard, errand: Errand) -> Any: ...

    def sleep(self, seconds: float) -> Any: ...

    def create(self, requests: Sequence[Any], headers: Mapping[str, str], *, beta: bool) -> Any: ...

    def retrieve(self, batch_id: str, *, beta: bool) -> Any: ...

    def newest(self, *, beta: bool) -> Any: ...

    def results(self, batch_id: str, take: Take, *, beta: bool) -> Any: ...


class SyncHands:
    """On the caller's thread."""

    def __init__(self, client: Any, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        # Nobody knows what became of a creation that was not answered: the SDK is not to send it again.
        self._once = client.with_options(max_retries=0)
        self._sleep = sleep

    def greet(self, guard: Guard) -> None:
        guard.greet()

    def admit(self, guard: Guard, errand: Errand) -> Admission:
        return guard.admit(errand)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)

    def create(self, requests: Sequence[Any], headers: Mapping[str, str], *, beta: bool) -> Any:
        return _batches(self._once, beta=beta).create(requests=requests, extra_headers=headers)

    def retrieve(self, batch_id: str, *, beta: bool) -> Any:
        return _batches(self._client, beta=beta).retrieve(batch_id)

    def newest(self, *, beta: bool) -> list[Any]:
        return list(_batches(self._client, beta=beta).list(limit=NEWEST).data)

    def results(self, batch_id: str, take: Take, *, beta: bool) -> None:
        for line in _batches(self._client, beta=beta).results(batch_id):
            take(line)


class AsyncHands:
    """The same without blocking the event loop."""

    def __init__(self, client: Any, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self._client = client
        self._once = client.with_options(max_retries=0)
        self._sleep = sleep

    async def greet(self, guard: Guard) -> None:
        await guard.greet_async()

    async def admit(self, guard: Guard, errand: Errand) -> Admission:
        return await guard.admit_async(errand)

    async def sleep(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def create(self, requests: Sequence[Any], headers: Mapping[str, str], *, beta: bool) -> Any:
        return await _batches(self._once, beta=beta).create(requests=requests, extra_headers=headers)

    async def retrieve(self, batch_id: str, *, beta: bool) -> Any:
        return await _batches(self._client, beta=beta).retrieve(batch_id)

    async def newest(self, *, beta: bool) -> list[Any]:
        page = await _batches(self._client, beta=beta).list(limit=NEWEST)
        return list(page.data)

    async def results(self, batch_id: str, take: Take, *, beta: bool) -> None:
        async for line in await _batches(self._client, beta=beta).results(batch_id):
            take(line)


def _batches(client: Any, *, beta: bool) -> Any:
    return client.beta.messages.batches if beta else client.messages.batches
