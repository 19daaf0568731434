"""Observing: what is left running is what stays, however many turns the loop takes to close what was dropped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from functools import partial

import pytest
from anyio import create_task_group, sleep, to_thread
from tests.matrix.observing import WORKER, left_running, let_workers_end


async def chain(links: int, closed: list[int]) -> AsyncGenerator[int]:
    """Generators inside each other, as the readers of a response are; each notes that it was closed."""
    try:
        if links > 1:
            async for item in chain(links - 1, closed):
                yield item
        yield 0
    finally:
        closed.append(links)


@pytest.mark.parametrize("turns", range(4))
def test_generators_that_the_loop_closes_are_waited_for(turns: int) -> None:
    """At whatever turn it is asked, all links of a chain are closed before an answer is given."""
    closed: list[int] = []

    async def dropping() -> tuple[list[str], list[int]]:
        async for _ in chain(6, closed):
            break
        for _ in range(turns):
            await asyncio.sleep(0)
        return await left_running(), closed.copy()

    assert asyncio.run(dropping()) == ([], [6, 5, 4, 3, 2, 1])


def test_a_generator_that_does_not_close_is_told() -> None:
    """And so is any other task that stays."""

    async def stuck() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            await asyncio.Event().wait()

    async def leaving() -> list[str]:
        async for _ in stuck():
            break
        waiting = asyncio.create_task(asyncio.Event().wait())
        left = await left_running()
        waiting.cancel()
        return left

    assert asyncio.run(leaving()) == ["<async_generator_athrow object", "<coroutine object Event.wait"]


def test_threads_of_a_loop_are_waited_for() -> None:
    """A worker that ends after its loop holds the loop's main task as long: nobody looks before it has ended."""
    begun, told = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        told.wait()

    async def leaving() -> None:
        async with create_task_group() as tasks:
            tasks.start_soon(partial(to_thread.run_sync, work, abandon_on_cancel=True))
            while not begun.is_set():
                await sleep(0.001)
            tasks.cancel_scope.cancel()

    asyncio.run(leaving())
    assert WORKER in {thread.name for thread in threading.enumerate()}
    threading.Timer(0.05, told.set).start()
    let_workers_end()
    assert WORKER not in {thread.name for thread in threading.enumerate()}
