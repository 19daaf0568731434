"""Claims about the scheduler: chores begin at once, survive their own errors, and never overlap."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from bursar.agent.scheduler import Chore, scheduled


def test_at_once_and_again() -> None:
    """A chore runs when the block begins, and again after its time; coroutines in the loop, others in a thread."""
    threads: set[str] = set()

    async def run() -> None:
        again = asyncio.Event()
        loop = asyncio.get_running_loop()
        runs = 0

        async def inside() -> None:
            nonlocal runs
            runs += 1
            threads.add(threading.current_thread().name)
            if runs == 2:
                again.set()

        outside = asyncio.Event()

        def beside() -> None:
            assert threading.current_thread() is not threading.main_thread()
            loop.call_soon_threadsafe(outside.set)

        async with scheduled([Chore("inside", 0.05, inside), Chore("beside", 3600, beside)]):
            await asyncio.wait_for(asyncio.gather(again.wait(), outside.wait()), 10)

    asyncio.run(run())
    assert threads == {"MainThread"}


def test_errors_do_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    """A chore that fails is logged and comes again."""

    async def run() -> None:
        done = asyncio.Event()
        runs = 0

        async def failing() -> None:
            nonlocal runs
            runs += 1
            if runs == 1:
                raise ValueError("the first time")
            done.set()

        async with scheduled([Chore("failing", 0.05, failing)]):
            await asyncio.wait_for(done.wait(), 10)

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert "the first time" in caplog.text


def test_never_twice_at_once() -> None:
    """A chore that takes longer than its interval is not begun again meanwhile; others are."""
    together: list[int] = []

    async def run() -> None:
        enough = asyncio.Event()
        running = ticks = 0

        async def slow() -> None:
            nonlocal running
            running += 1
            together.append(running)
            await enough.wait()
            running -= 1

        async def quick() -> None:
            nonlocal ticks
            ticks += 1
            if ticks == 4:
                enough.set()

        async with scheduled([Chore("slow", 0.02, slow), Chore("quick", 0.05, quick)]):
            await asyncio.wait_for(enough.wait(), 10)

    asyncio.run(run())
    assert set(together) == {1}


def test_over_with_the_block() -> None:
    """After the block nothing is begun any more, while another block goes on."""
    runs: list[str] = []

    async def run() -> None:
        twice, later = asyncio.Event(), asyncio.Event()

        async def first() -> None:
            runs.append("first")
            if runs.count("first") == 2:
                twice.set()

        async def second() -> None:
            runs.append("second")
            if runs.count("second") == 5:
                later.set()

        async with scheduled([Chore("first", 0.02, first)]):
            await asyncio.wait_for(twice.wait(), 10)
        async with scheduled([Chore("second", 0.02, second)]):
            await asyncio.wait_for(later.wait(), 10)

    asyncio.run(run())
    assert runs[-4:] == ["second"] * 4
