"""
Does a page that is left open for an hour of traffic grow the browser, or the agent?

Run as `python -m tests.benchmarks.openpage [--refreshes 1800] [--json]`; docs/figures.md has what it said. An agent in
a process of its own, with the demo's kind of traffic going into its ledger, and a page in a Chromium that refreshes as
often as it would in an hour, one after the other instead of every two seconds. Told are the script's heap (after a
collection), the nodes of the document and the agent's memory, after a tenth of the refreshes and at the end. The exit
code is 1 where one of them grew by more than a tenth, and by more than what a measurement is off.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import httpx
from playwright.sync_api import Page
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tests.agent.ledger.booked import used
from tests.benchmarks import household
from tests.browser.chromium import launched

from bursar.policies import records
from bursar.policies.usage import Usage

REFRESHES = 1_800
PAGES = ("/", "/routes?span=24h", "/calls")
GROWTH = 1.1
SLACK_BYTES = 2 * 1024 * 1024
SLACK_NODES = 500
PACE_SECONDS = 0.06
"""Fewer than one client may ask for."""
_REFRESH = """
() => htmx.ajax("GET", location.pathname + location.search, {target: "#page", select: "#page", swap: "outerMorph"})
"""


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of the script's heap, nodes of the document, bytes of the agent."""

    heap: int
    nodes: int
    agent: int


@dataclass(frozen=True, slots=True)
class Grown:
    """A page early on, and at the end."""

    url: str
    early: Size
    late: Size

    @property
    def steady(self) -> bool:
        """Whether nothing has grown."""
        slack = {"heap": SLACK_BYTES, "nodes": SLACK_NODES, "agent": 8 * SLACK_BYTES}
        return all(
            getattr(self.late, name) <= max(getattr(self.early, name) * GROWTH, getattr(self.early, name) + more)
            for name, more in slack.items()
        )


def measured(page: Page, devtools: Any, pid: int) -> Size:
    """As it is after a collection."""
    devtools.send("HeapProfiler.collectGarbage")
    told: list[dict[str, Any]] = devtools.send("Performance.getMetrics")["metrics"]
    metrics: dict[str, float] = {one["name"]: one["value"] for one in told}
    nodes = page.evaluate("document.getElementsByTagName('*').length")
    return Size(int(metrics["JSHeapUsedSize"]), int(nodes), _memory(pid))


def left_open(page: Page, path: str, refreshes: int, pid: int) -> Grown:
    """Open it and refresh it so often."""
    page.goto(path)
    page.wait_for_selector("#live[data-state=live]")
    devtools: Any = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    early: Size | None = None
    for turn in track(range(refreshes), f"{path} is open", console=Console(stderr=True)):
        page.evaluate(_REFRESH)
        time.sleep(PACE_SECONDS)
        if turn == refreshes // 10:
            early = measured(page, devtools, pid)
    assert early is not None
    return Grown(path, early, measured(page, devtools, pid))


def traffic(url: str, over: Event) -> None:
    """A guard's messages, several a second, so that each refresh finds other figures."""
    holder: dict[str, Any] = {"id": "open", "pid": os.getpid(), "host": "h", "service": "s", "started_ns": 1}
    seq = 0
    with httpx.Client(base_url=url, timeout=30) as client:
        while not over.wait(0.2):
            seq += 1
            sent = used(f"open-{seq}", Usage(input=100 + seq, output=9), at=int(time.time()), route=f"work.{seq % 7}")
            told = [records.to_json(record) for record in sent]
            body = {"protocol": 1, "holder": holder, "seq": seq, "records": told}
            client.post("/guard/sync", json=body).raise_for_status()


def main(arguments: Sequence[str] | None = None) -> int:
    """Leave each page open for an hour's refreshes; 1 where something grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.openpage")
    parser.add_argument("--refreshes", type=int, default=REFRESHES)
    parser.add_argument("--json", action="store_true", help="figures for machines, on standard output")
    asked = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        url = stack.enter_context(household.agent(folder))
        pid = int((folder / f"{household.LEDGER}.lock").read_text())
        over = Event()
        teller = Thread(target=traffic, args=[url, over])
        teller.start()
        stack.callback(teller.join)
        stack.callback(over.set)
        browser = stack.enter_context(launched())
        page = browser.new_page(base_url=url)
        grown = [left_open(page, path, asked.refreshes, pid) for path in PAGES]
    if asked.json:
        sys.stdout.write(json.dumps([asdict(one) for one in grown], indent=1) + "\n")
    else:
        Console().print(_table(grown, asked.refreshes))
    return int(not all(one.steady for one in grown))


def _memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _table(grown: Sequence[Grown], refreshes: int) -> Table:
    title = f"{refreshes:,} refreshes: after a tenth of them, and at the end"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for name in ("page", "heap MB", "nodes", "agent MB", "steady"):
        table.add_column(name)
    for one in grown:
        early, late = one.early, one.late
        table.add_row(
            one.url,
            f"{early.heap / 1e6:.1f} to {late.heap / 1e6:.1f}",
            f"{early.nodes:,} to {late.nodes:,}",
            f"{early.agent / 1e6:.0f} to {late.agent / 1e6:.0f}",
            "yes" if one.steady else "no",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
