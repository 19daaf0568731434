"""What does the agent do by the clock?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do at once and then again and again; never twice at the same time."""

    name: str
    every_seconds: float
    do: Callable[[], Awaitable[object]] | Callable[[], object]
    """A coroutine function runs in the event loop, any other in a thread. What it raises is logged."""


@asynccontextmanager
async def scheduled(chores: Sequence[Chore]) -> AsyncGenerator[None]:
    """Do the chores by the clock while the block lasts. What is running at its end is not waited for."""
    # The zone is given because looking for the machine's own fails in small containers.
    scheduler: Any = AsyncIOScheduler(timezone=UTC)
    for chore in chores:
        scheduler.add_job(
            chore.do,
            "interval",
            seconds=chore.every_seconds,
            id=chore.name,
            next_run_time=datetime.now(UTC),
            # After a pause of the machine one run makes up for all that were missed, however late.
            coalesce=True,
            misfire_grace_time=None,
            max_instances=1,
        )
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
