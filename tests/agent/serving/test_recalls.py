"""Recalls: a process that waits hears at once what is wanted of it, and one between two requests with its next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bursar.agent.serving.recalls import Recalls

LONG = 60.0


def play(scene: Callable[[Recalls], Awaitable[object]]) -> object:
    async def played() -> object:
        return await asyncio.wait_for(scene(Recalls()), 5)

    return asyncio.run(played())


def test_who_waits_is_told_at_once() -> None:
    """Each of the balances that are wanted of it, and of nobody else."""

    async def scene(recalls: Recalls) -> object:
        waits = asyncio.create_task(recalls.wait("a", LONG))
        await asyncio.sleep(0)
        recalls.want("b", {"z"})
        recalls.want("a", {"y", "x"})
        return await waits

    assert play(scene) == ("x", "y")


def test_what_is_wanted_between_two_requests_is_told_with_the_next() -> None:
    """And once only."""

    async def scene(recalls: Recalls) -> object:
        recalls.want("a", {"x"})
        return await recalls.wait("a", LONG), await recalls.wait("a", 0)

    assert play(scene) == (("x",), ())


def test_a_newer_request_takes_the_place_of_an_older() -> None:
    """The connection of the older is gone: it hears nothing, and takes nothing away."""

    async def scene(recalls: Recalls) -> object:
        older = asyncio.create_task(recalls.wait("a", LONG))
        await asyncio.sleep(0)
        newer = asyncio.create_task(recalls.wait("a", LONG))
        await asyncio.sleep(0)
        recalls.want("a", {"x"})
        return await older, await newer

    assert play(scene) == ((), ("x",))


def test_at_the_end_of_the_agent_everybody_is_let_go() -> None:
    """Also who comes later: a request that is held would keep the agent from its end."""

    async def scene(recalls: Recalls) -> object:
        waits = asyncio.create_task(recalls.wait("a", LONG))
        await asyncio.sleep(0)
        recalls.close()
        return await waits, await recalls.wait("b", LONG)

    assert play(scene) == ((), ())


def test_words_to_those_who_never_listen_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten: such a process gives its money back with its next message anyway."""
    monkeypatch.setattr("bursar.agent.serving.recalls._MEMORY", 2)

    async def scene(recalls: Recalls) -> object:
        for holder in "abc":
            recalls.want(holder, {"x"})
        return [await recalls.wait(holder, 0) for holder in "abc"]

    assert play(scene) == [(), ("x",), ("x",)]
