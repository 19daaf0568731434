"""Claims about writing together: nobody is told before his own is written, and everybody hears of a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.agent.forward.received import calls

from bursar.agent.forward.keeping import Keeping
from bursar.agent.spans.seenspan import SeenSpan


def test_what_comes_meanwhile_is_written_together() -> None:
    """The first alone; the three that come while it is written in one go, in their order."""
    written: list[int] = []
    gate = asyncio.Event()

    async def put(spans: Sequence[SeenSpan]) -> None:
        await gate.wait()
        written.append(len(spans))

    async def lived() -> None:
        keeping = Keeping(put)
        first = asyncio.create_task(keeping.keep(calls(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        others = [asyncio.create_task(keeping.keep(calls(2))) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in (first, *others))
        others[0].cancel()  # its sender has gone; what it brought is written all the same
        gate.set()
        assert await asyncio.gather(first, *others, return_exceptions=True)

    asyncio.run(lived())
    assert written == [1, 6]


def test_a_failure_is_everybodys_and_the_next_write_is_another() -> None:
    async def put(spans: Sequence[SeenSpan]) -> None:
        if len(spans) == 2:
            raise OSError("full")

    async def lived() -> None:
        keeping = Keeping(put)
        with pytest.raises(OSError, match="full"):
            await keeping.keep(calls(2))
        await keeping.keep(calls(1))

    asyncio.run(lived())
