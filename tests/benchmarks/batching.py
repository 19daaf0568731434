"""
What does a list of documents take by `map_batch`, beside a loop of calls and a pool of 32? Time, memory, and the bill.

Run as `python -m tests.benchmarks.batching [--documents N]`; docs/figures.md has what it said. The documents are the
tickets of the article: 300 tokens in, 50 out. Each way runs in a process of its own against one sandbox, whose batches
take no time of their own: so the time is what the list itself takes, its polling included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anthropic
import httpx
from rich import box
from rich.console import Console
from rich.table import Table
from tests.benchmarks import household

from bursar.agent.sandbox import create_app, serving
from bursar.instrumentation import flush, instrument, map_batch, route

MODEL = "claude-haiku-4-5"
TOKENS_IN, TOKENS_OUT = 300, 50
POOL = 32
HEADERS = {"x-sandbox-output-tokens": str(TOKENS_OUT)}
SHIPPING_SECONDS = 600.0
Ask = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One way, all documents."""

    way: str
    seconds: float
    cpu: float
    """Seconds of all threads of the process, without those of the sandbox and the agent."""
    kilobytes: int
    """Of memory at its peak, beyond what the process had before the first document."""
    answered: int
    nano_usd: int
    """On the sandbox's bill."""


def documents(count: int, text: str) -> list[Ask]:
    """So many tickets, no two alike, and all of one length."""
    asks: list[Ask] = []
    for number in range(count):
        named = f"{number:08d}{text[8:]}"
        asks.append({"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": named}]})
    return asks


def loop(client: anthropic.Anthropic, asks: Sequence[Ask]) -> int:
    """One call after the other; the messages are kept, as of a list."""
    messages: list[Any] = [client.messages.create(**ask, extra_headers=HEADERS) for ask in asks]
    return sum(message.usage.output_tokens == TOKENS_OUT for message in messages)


def pool(client: anthropic.Anthropic, asks: Sequence[Ask]) -> int:
    """32 calls at a time on an event loop; the messages are kept, too."""

    async def run() -> int:
        messages: list[Any] = [None] * len(asks)
        left = iter(enumerate(asks))

        async def work(other: anthropic.AsyncAnthropic) -> None:
            for place, ask in left:
                messages[place] = await other.messages.create(**ask, extra_headers=HEADERS)

        async with anthropic.AsyncAnthropic(base_url=str(client.base_url)) as other:
            await asyncio.gather(*(work(other) for _ in range(POOL)))
        return sum(message.usage.output_tokens == TOKENS_OUT for message in messages)

    return asyncio.run(run())


def batched(client: anthropic.Anthropic, asks: Sequence[Ask]) -> int:
    """All at once, by `map_batch`."""
    with route("bench.calls", tenant="acme", env="prod"):
        answers = map_batch(client, [{**ask, "extra_headers": HEADERS} for ask in asks], progress=False)
    return sum(not isinstance(answer, Exception) and answer.usage.output_tokens == TOKENS_OUT for answer in answers)


LOOP, BARE, FULL = "loop of messages.create", "map_batch, not instrumented", "map_batch, agent, three budgets"
WAYS: dict[str, Callable[[anthropic.Anthropic, Sequence[Ask]], int]] = {
    LOOP: loop,
    f"async pool of {POOL}": pool,
    BARE: batched,
    FULL: batched,
}


def worker(way: str, count: int, text: str) -> None:
    """One way in this process; what it took is printed as JSON."""
    with anthropic.Anthropic() as client:
        if way == FULL:
            instrument()
        client.models.list()
        asks = documents(count, text)
        before, cpu, began = _peak(), time.process_time(), time.perf_counter()
        answered = WAYS[way](client, asks)
        seconds, cpu, after = time.perf_counter() - began, time.process_time() - cpu, _peak()
    shipped = _shipped()
    told = {"seconds": seconds, "cpu": cpu, "kilobytes": after - before, "answered": answered, "shipped": shipped}
    sys.stdout.write(json.dumps(told))


def _shipped() -> bool:
    """Whether the agent has booked everything; one that is busy is asked again."""
    until = time.monotonic() + SHIPPING_SECONDS
    while not (shipped := flush(30.0)) and time.monotonic() < until:
        time.sleep(1.0)
    return shipped


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measured(way: str, count: int, text: str, url: str, folder: Path, agent: str) -> Run:
    """One way in a process of its own."""
    before = _bill(url)
    environ = {
        **{name: told for name, told in os.environ.items() if not name.startswith(("ANTHROPIC_", "BURSAR_", "OTEL_"))},
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "sk-ant-sandbox",
        "BURSAR_AGENT": agent,
        "BURSAR_STATE_DIR": str(folder / "agent-state"),
    }
    command = [sys.executable, "-m", "tests.benchmarks.batching", "--documents", str(count), "--way", way]
    done = subprocess.run(command, env=environ, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{way} ended with {done.returncode}: {done.stderr[-2000:]}")
    told = json.loads(done.stdout)
    if not told["shipped"]:
        raise RuntimeError(f"{way}: not everything was booked")
    sys.stderr.write(f"{way}: {done.stdout}\n")
    return Run(way, told["seconds"], told["cpu"], told["kilobytes"], told["answered"], _bill(url) - before)


def _bill(url: str) -> int:
    nano: int = httpx.get(f"{url}/sandbox/bill").json()["nano_usd"]
    return nano


def ticket(client: anthropic.Anthropic) -> str:
    """A text that makes a prompt of exactly so many tokens, as the sandbox counts them."""
    for length in range(8, 10 * TOKENS_IN):
        text = ("The printer on floor two is out of paper again. " * TOKENS_IN)[:length]
        asks = documents(1, text)
        counted = client.messages.count_tokens(model=MODEL, messages=asks[0]["messages"])
        if counted.input_tokens == TOKENS_IN:
            return text
    raise RuntimeError("the sandbox counts no text as so many tokens")


def show(console: Console, runs: Sequence[Run], count: int, ledger: household.Booked) -> bool:
    """Print what was found; whether everything is as it must be."""
    table = Table(title=f"{count:,} documents, {TOKENS_IN} tokens in, {TOKENS_OUT} out", box=box.MARKDOWN)
    table.add_column("", no_wrap=True)
    for head in (
        "seconds",
        "to the loop",
        "CPU, s",
        "to the loop",
        "memory, MB",
        "bytes a document",
        "USD",
        "to the loop",
    ):
        table.add_column(head, justify="right", no_wrap=True)
    first = runs[0]
    for run in runs:
        table.add_row(
            run.way,
            f"{run.seconds:.1f}",
            f"{run.seconds / first.seconds:.3f}",
            f"{run.cpu:.1f}",
            f"{run.cpu / first.cpu:.3f}",
            f"{run.kilobytes / 1_000:.1f}",
            f"{run.kilobytes * 1_000 / count:,.0f}",
            f"{run.nano_usd / 1e9:.9f}",
            f"{run.nano_usd / first.nano_usd:.6g}",
        )
    console.print(table)
    full = runs[-1]
    checks = {
        "every document has its answer": all(run.answered == count for run in runs),
        "each map_batch cost exactly half of the loop": all(2 * r.nano_usd == first.nano_usd for r in runs[2:]),
        "the ledger has the bill of the last, to the nano-dollar": (ledger.nano_usd, ledger.calls)
        == (full.nano_usd, count),
        "each of three budgets counts every document": set(ledger.budgets.values()) == {count},
    }
    for what, holds in checks.items():
        console.print(f"{'[green]true' if holds else '[red]FALSE'}[/]: {what}", highlight=False)
    return all(checks.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.batching", description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        worker(given.way, given.documents, sys.stdin.read())
        return 0
    with TemporaryDirectory() as name, serving(create_app()) as url, household.agent(Path(name)) as agent:
        folder = Path(name)
        with anthropic.Anthropic(base_url=url, api_key="sk-ant-sandbox") as client:
            text = ticket(client)
        runs = [measured(way, given.documents, text, url, folder, agent) for way in WAYS]
        ledger = household.booked(folder)
    return 0 if show(Console(width=140), runs, given.documents, ledger) else 1


if __name__ == "__main__":
    sys.exit(main())
