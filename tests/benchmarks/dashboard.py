"""
How long does the agent work for each page, and how much does it send, with a million attempts in the ledger?

Run as `python -m tests.benchmarks.dashboard [--calls N] [--keep FILE] [--json]`; docs/figures.md has what it said.
The ledger is made up as `pastmillion` says, and on top of it some thousand calls of now under a policy of budgets, and
refusals. Each page is asked for some times in turn over HTTP, of the last 24 hours, 30 days and of a tenant; told are
the medians of what the agent says it took (`server-timing`) and of the clock, and the bytes. In the end the exit code
is 1 where a page's median is above 300 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich import box
from rich.console import Console
from rich.table import Table
from tests.agent.ledger.booked import used
from tests.benchmarks.pastmillion import SECOND, WORKS, make

from bursar.agent.app import serving_agent
from bursar.agent.ledger import Ledger
from bursar.agent.settings import Settings, Tcp
from bursar.policies.policyfile import parse_policy
from bursar.policies.records import Decided
from bursar.policies.usage import Usage

CALLS = 1_000_000
MOST_MS = 300.0
ROUNDS = 11
RECENT, REFUSED = 2_000, 5_000
ROUTE = "support.answer"
POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "everything"
limit = "100000 USD"
every = "month"
[[budget]]
name = "tenants"
per = ["tenant"]
limit = "50 USD"
every = "day"
[budget.at]
"100%" = "block"
"""
_TIMED = re.compile(r"read;dur=([\d.]+), render;dur=([\d.]+)")


@dataclass(frozen=True, slots=True)
class Took:
    """One page: medians in milliseconds, bytes of its HTML."""

    url: str
    read_ms: float
    render_ms: float
    whole_ms: float
    size: int


def urls(call: str) -> list[str]:
    """Every page, and the longer stretches of those that have one."""
    spans = [f"{path}?{asked}" for path in ("/routes", f"/routes/{ROUTE}", "/calls") for asked in _ASKED]
    searches = [f"/calls?span=30d&{asked}" for asked in _SEARCHED]
    budgets = ["/budgets", "/budgets?find=t7", "/budgets/tenants?span=30d", "/budgets/everything?span=30d"]
    return ["/", *spans, *searches, *budgets, f"/calls/{call}", f"/calls?find={call}", "/batches"]


_SEARCHED = (
    "state=refused", "state=released", "action=effort", "model=fable", "find=nothing", "route=kyc.check",
    "label=tenant%3Dnobody", "state=settled&action=go&model=opus&label=tenant%3Dt150&find=code",
)  # fmt: skip
"""Among them what there is nothing of: the longest searches."""
_ASKED = ("span=24h", "span=30d", "span=30d&label=tenant%3Dt1")


def furnish(path: Path, now_ns: int) -> str:
    """Calls of now, refusals, and balances beside what is made up; the id of one of the calls."""
    policy = parse_policy(POLICY, file="bursar.toml")
    ledger = Ledger(path, clock_ns=lambda: now_ns)
    at = now_ns // SECOND
    for number in range(RECENT):
        route = WORKS[number % len(WORKS)].route
        records = used(f"now-{number}", Usage(input=900 + number, output=90), at=at - number, route=route)
        ledger.book(records, holder="h", policy=policy)
    refused = [
        Decided(f"no-{n}", now_ns - n * SECOND, ROUTE, "claude-opus-5-5", "block", "spent", {"tenant": f"t{n % 200}"})
        for n in range(REFUSED)
    ]
    ledger.book(refused, holder="h", policy=policy).result()
    ledger.close()
    return "now-1"


def ask(url: str, paths: Sequence[str]) -> Iterator[Took]:
    """Each page some times in turn, after once to warm up."""
    found: dict[str, list[tuple[float, float, float]]] = {path: [] for path in paths}
    sizes: dict[str, int] = {}
    with httpx.Client(base_url=url, timeout=60) as client:
        for turn in range(ROUNDS + 1):
            for path in paths:
                began = time.perf_counter()
                answer = client.get(path)
                whole = (time.perf_counter() - began) * 1e3
                answer.raise_for_status()
                timed = _TIMED.fullmatch(answer.headers["server-timing"])
                assert timed is not None
                sizes[path] = len(answer.content)
                if turn:
                    found[path].append((float(timed[1]), float(timed[2]), whole))
                time.sleep(0.06)  # fewer than a client may ask
    for path, times in found.items():
        read, render, whole = (statistics.median(column) for column in zip(*times, strict=True))
        yield Took(path, read, render, whole, sizes[path])


def assets(url: str) -> tuple[int, int]:
    """Bytes that a first visit fetches beside the page, and how many files these are: later visits have them kept."""
    with httpx.Client(base_url=url, timeout=60) as client:
        names = re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/budgets").text)
        return sum(len(client.get(name).content) for name in set(names)), len(set(names))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the ledger, ask for every page; 1 where one takes too long."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dashboard")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--keep", type=Path, help="Where the ledger is made, or lies already.")
    parser.add_argument("--json", action="store_true", help="figures for machines, on standard output")
    asked = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=os.environ.get("TMPDIR"))))
        db = asked.keep or folder / "ledger.sqlite"
        if not db.exists():
            made_ns = time.time_ns() // SECOND * SECOND
            make(db, asked.calls, made_ns)
            furnish(db, made_ns)
        policy = folder / "bursar.toml"
        policy.write_text(POLICY)
        settings = Settings(state_dir=folder / "state", db=db, listen=(Tcp(port=0),), policy=policy)
        agent = stack.enter_context(serving_agent(settings))
        took = list(ask(agent.url, urls("now-1")))
        fetched = assets(agent.url)
    if asked.json:
        sys.stdout.write(json.dumps({"took": [asdict(one) for one in took], "assets": fetched}, indent=1) + "\n")
    else:
        Console().print(_table(took, *fetched))
    return int(any(one.read_ms + one.render_ms > MOST_MS for one in took))


def _table(took: Sequence[Took], fetched: int, files: int) -> Table:
    title = f"a first visit fetches {fetched:,} bytes in {files} files beside the page, later ones none"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for name in ("page", "read ms", "render ms", "by the clock ms", "bytes"):
        table.add_column(name, justify="left" if name == "page" else "right", overflow="fold")
    for one in took:
        table.add_row(one.url, *(f"{ms:.1f}" for ms in (one.read_ms, one.render_ms, one.whole_ms)), f"{one.size:,}")
    return table


if __name__ == "__main__":
    sys.exit(main())
