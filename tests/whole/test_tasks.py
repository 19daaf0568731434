"""Tasks that are cancelled, and applications whose every worker thread waits for their own event loop."""

from __future__ import annotations

import json
from pathlib import Path

from tests.whole.scene import house, program, until

CANCELLED = """
import asyncio, anthropic
from bursar.instrumentation import flush, instrument

instrument()

async def main():
    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        async def one(n):
            call = client.messages.create(model="claude-sonnet-5-5", max_tokens=50,
                messages=[{"role": "user", "content": str(n)}], extra_headers={"x-sandbox-latency-ms": "30"})
            try:
                await asyncio.wait_for(call, (n % 40 + 1) / 1000)
            except (asyncio.TimeoutError, anthropic.APIError):
                pass
        for batch in range(5):
            await asyncio.gather(*(one(n) for n in range(40)))
        # One that is let live: on a busy machine all the others may be gone before they ask for money.
        await client.messages.create(model="claude-sonnet-5-5", max_tokens=50,
                                     messages=[{"role": "user", "content": "last"}])
asyncio.run(main())
flush(10)
"""

EVERY_WORKER = """
import anyio, anyio.from_thread, anyio.to_thread, anthropic
from bursar.instrumentation import instrument

instrument()

async def main():
    client = anthropic.AsyncAnthropic()
    async def call():
        return await client.messages.create(model="claude-haiku-5-5", max_tokens=9,
                                            messages=[{"role": "user", "content": "x"}])
    answered = []
    def worker():
        answered.append(anyio.from_thread.run(call))
    async with anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(anyio.to_thread.run_sync, worker)
    print(len(answered))
anyio.run(main)
"""


def test_cancelled_tasks_leave_no_money_held(tmp_path: Path) -> None:
    """Two hundred calls given up at every moment of their lives: when all is told, nothing is lent or in flight."""
    with house(tmp_path, limit="1000 USD") as home, home.agent():
        home.run(program(tmp_path, CANCELLED))
        until(lambda: not any((tmp_path / "state" / "journal").glob("*.jsonl")), "the agent to book everything")
        until(lambda: all(row["lent"] == 0 for row in home.balances()), "all money to come back")
        (balance,) = home.balances()
        assert (balance["lent"], balance["expected"]) == (0, 0)


def test_an_application_that_uses_up_its_worker_threads_does_not_hang(tmp_path: Path) -> None:
    """As web frameworks do with synchronous endpoints: forty threads, each waiting for the loop that we run on."""
    with house(tmp_path, limit="1000 USD") as home, home.agent():
        assert json.loads(home.run(program(tmp_path, EVERY_WORKER))) == 40
