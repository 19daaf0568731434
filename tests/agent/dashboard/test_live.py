"""Claims about the line for what is new: it says that the ledger moved, ends with the agent, and is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from bursar.agent.dashboard import live
from bursar.agent.dashboard.live import Live

ASKED = Request({"type": "http", "method": "GET", "path": "/live", "headers": []})


async def stream(line: Live) -> AsyncIterable[str]:
    answer = await line.answer(ASKED)
    assert isinstance(answer, StreamingResponse)
    assert answer.headers["content-type"].startswith("text/event-stream")
    return answer.body_iterator  # type: ignore[return-value]


def test_a_commit_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what was before; of many commits between two looks the last."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.001)
    moments = iter([5, 5, 7, 7, 9])
    line = Live(lambda: next(moments))

    async def hear() -> list[str]:
        heard: list[str] = []
        async for said in await stream(line):
            heard.append(said)
            if "data: 9" in said:
                line.close()
        return heard

    assert asyncio.run(hear()) == [
        "retry: 3000\n\n",
        "event: moved\ndata: 7\n\n",
        "event: moved\ndata: 9\n\n",
    ]


def test_a_silent_line_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no proxy between takes it for dead."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.002)
    line = Live(lambda: 1)

    async def hear() -> str:
        async for said in await stream(line):
            if said.startswith(":"):
                return said
        return ""

    assert asyncio.run(hear()) == ": still here\n\n"


def test_listeners_are_bounded_and_leave_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told when to come again; who goes makes room."""
    monkeypatch.setattr(live, "MOST_LISTENERS", 1)
    line = Live(lambda: 1)

    async def come_and_go() -> list[int]:
        first = await stream(line)
        heard = aiter(first)
        await anext(heard)
        refused = await line.answer(ASKED)
        await heard.aclose()  # type: ignore[attr-defined]
        again = await line.answer(ASKED)
        return [refused.status_code, int(refused.headers["retry-after"]), again.status_code]

    assert asyncio.run(come_and_go()) == [503, 30, 200]


def test_who_comes_at_the_same_moment_finds_no_place_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two were let in before either listened: the later is told when to come again, and its line ends."""
    monkeypatch.setattr(live, "MOST_LISTENERS", 1)
    line = Live(lambda: 1)

    async def both() -> list[str]:
        first, second = await stream(line), await stream(line)
        heard = aiter(first)
        await anext(heard)
        said = [one async for one in second]
        await heard.aclose()  # type: ignore[attr-defined]
        return said

    assert asyncio.run(both()) == ["retry: 30000\n\n"]
