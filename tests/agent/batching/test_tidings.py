"""Claims about tidings: who listens hears of his own, and everybody is let go at the end."""

from __future__ import annotations

import asyncio

from bursar.agent.batching.tidings import Tidings


def test_hearing_of_ones_own() -> None:
    """Of two who listen, only the one whose call is over hears it."""

    async def heard() -> tuple[bool, bool, bool]:
        tidings = Tidings()
        one, other = tidings.listen(["a", "b"]), tidings.listen(["c"])
        tidings.over(["b", "z"])
        first = one.is_set(), other.is_set()
        tidings.leave(["a", "b"], one)
        tidings.close()
        return *first, other.is_set()

    assert asyncio.run(heard()) == (True, False, True)


def test_nobody_waits_for_an_agent_that_ends() -> None:
    """Who comes after its end is told at once."""

    async def late() -> bool:
        tidings = Tidings()
        tidings.close()
        return tidings.listen(["a"]).is_set()

    assert asyncio.run(late())
