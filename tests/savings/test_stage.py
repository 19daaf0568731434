"""Claims about a day that is played: no time passes, and the bill is the one that the API would write."""

from __future__ import annotations

import asyncio
import time

from tests.savings.generated import SONNET, asked, said
from tests.savings.stage import play, simulated
from tests.savings.workload import Ask

from bursar.agent.sandbox import Refresh

LONG = {"type": "text", "text": "x" * 4_000, "cache_control": {"type": "ephemeral"}}
"""1,000 tokens."""
BODY = asked(SONNET, [said("user", {"type": "text", "text": "x" * 24})], system=[LONG])
"""6 tokens more, and 4 for the role: 10 that are never cached."""
PLAIN, WRITTEN, READ, OUTPUT = 10 * 2_000, 1_000 * 2_500, 1_000 * 100, 100 * 10_000
"""Nano-dollars."""


def test_a_day_takes_no_time() -> None:
    async def day() -> float:
        await asyncio.gather(asyncio.sleep(86_400), asyncio.sleep(3_600))
        return asyncio.get_running_loop().time()

    begun = time.monotonic()
    assert simulated(day) == 86_400
    assert time.monotonic() - begun < 5


def test_calls_come_at_their_times() -> None:
    """The second reads what the first wrote, and so keeps it for the third; the fourth comes too late."""
    played = play([Ask(at, BODY) for at in (0, 299, 597, 900)], Refresh.ALL)
    assert played.bill == 4 * (PLAIN + OUTPUT) + 2 * WRITTEN + 2 * READ


def test_calls_in_flight_at_once_all_write() -> None:
    """What the first wrote is there once its answer begins, after 10 s."""
    played = play([Ask(at, BODY, begins=10) for at in (0, 9.5, 10.5)], Refresh.ALL)
    assert played.bill == 3 * (PLAIN + OUTPUT) + 2 * WRITTEN + READ


def test_the_charges_are_the_bill() -> None:
    """As Bursar's instrumentation priced them, each with its ask."""
    played = play([Ask(0, BODY), Ask(5, BODY, output=7)], Refresh.ALL)
    assert [played.charges[number].cost_nano_usd for number in (0, 1)] == [
        PLAIN + WRITTEN + OUTPUT,
        PLAIN + READ + 7 * 10_000,
    ]


def test_what_the_sandbox_refuses_is_told() -> None:
    played = play([Ask(0, {**BODY, "model": "claude-unknown"}), Ask(1, BODY)], Refresh.ALL)
    assert "claude-unknown" in played.refused[0]
    assert list(played.charges) == [1]
