"""
How long do `bursar advise` and `bursar simulate` take over a million calls of history, and how much memory?

Run as `python -m tests.benchmarks.history [--calls 100000 300000 1000000]`; docs/figures.md has what it said. Each
command is a process of its own over a ledger that was made up, its progress read from a terminal.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from rich import box
from rich.console import Console
from rich.table import Table
from tests.benchmarks.pastmillion import SECOND, make

CALLS = (100_000, 300_000, 1_000_000)
MOST_GROWTH = 1.3
"""Time and memory may grow by so much more than the calls: above is not linear."""
SHOWN_SECONDS = 2.0
"""A command that takes longer has to show how far it is."""

POLICY = """
version = 1
mode = "enforce"
ladder = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]

[[budget]]
name = "tenant-day"
per = ["tenant"]
limit = "5 USD"
every = "day"
[budget.at]
"80%" = "downgrade"
"100%" = "block"

[[budget]]
name = "all-month"
limit = "20000 USD"
every = "month"
[budget.at]
"50%" = "alert log"
"100%" = "block"
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One command over one ledger."""

    name: str
    calls: int
    seconds: float
    cpu: float
    """Seconds of processor time: what else the machine does moves it less."""
    megabytes: int
    shown: int
    """Different shares of the work that its progress named."""
    code: int
    said: str
    """The end of what it said, where it failed."""


def commands(folder: Path) -> dict[str, list[str]]:
    """What is measured, each with its arguments."""
    policy = folder / "new.toml"
    policy.write_text(POLICY)
    return {
        "advise --json": ["advise", "--json", "--since", "31d"],
        "simulate --policy": ["simulate", "--json", "--since", "31d", "--policy", str(policy)],
        "simulate --levers": ["simulate", "--json", "--since", "31d", "--levers", "tier,cache,batch"],
    }


def run(name: str, arguments: Sequence[str], db: Path, calls: int) -> Run:
    """Run a command to its end, its errors on a terminal of its own."""
    peak = db.with_suffix(".peak")
    command = [sys.executable, "-m", "tests.benchmarks.measured", str(peak), *arguments, "--db", str(db)]
    ours, theirs = pty.openpty()
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "COLUMNS": "80"})
    os.close(theirs)
    heard = bytearray()
    listener = threading.Thread(target=_listen, args=(ours, heard))
    listener.start()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    listener.join()
    os.close(ours)
    text = heard.decode(errors="replace")
    shown = len(set(re.findall(r"\d+%", text)))
    said = "" if process.returncode == 0 else text[-300:]
    return Run(
        name,
        calls,
        seconds,
        used.ru_utime + used.ru_stime,
        int(peak.read_text()) // 1024,
        shown,
        process.returncode,
        said,
    )


def _listen(terminal: int, heard: bytearray) -> None:
    try:
        while part := os.read(terminal, 65_536):
            heard += part
    except OSError:  # how a terminal says that nobody writes to it any more
        pass


def wrong(runs: Sequence[Run]) -> list[str]:
    """What does not hold of one command's runs, smallest first."""
    found = [f"{one.name}, {one.calls:,} calls: ended with {one.code}: {one.said}" for one in runs if one.code]
    if found:
        return found
    found = [
        f"{one.name}, {one.calls:,} calls: no progress in {one.seconds:.0f} s"
        for one in runs
        if one.seconds > SHOWN_SECONDS and one.shown < 2
    ]
    for smaller, larger in pairwise(runs):
        calls = larger.calls / smaller.calls
        for what, growth in (
            ("time", larger.cpu / smaller.cpu),
            ("memory", larger.megabytes / smaller.megabytes),
        ):
            if growth > MOST_GROWTH * calls:
                found.append(f"{larger.name}, {larger.calls:,} calls: {growth:.1f} times the {what} for {calls:.1f}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the ledgers, run every command over each; 1 where something grows faster than the calls, or fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", nargs="+", type=int, default=CALLS)
    parser.add_argument("--only", nargs="+", help="Commands by the beginning of their names.")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False)
    runs: dict[str, list[Run]] = {}
    with TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        for calls in sorted(asked.calls):
            db = Path(folder) / f"{calls}.sqlite"
            with console.status(f"making a ledger of {calls:,} calls"):
                make(db, calls, time.time_ns() - 60 * SECOND)
            console.print(f"{calls:,} calls: {db.stat().st_size / 1e6:,.0f} MB on disk")
            for name, arguments_ in commands(Path(folder)).items():
                if asked.only and not any(name.startswith(begin) for begin in asked.only):
                    continue
                with console.status(f"{name} over {calls:,} calls"):
                    runs.setdefault(name, []).append(run(name, arguments_, db, calls))
            db.unlink()
    failures = [sentence for listed in runs.values() for sentence in wrong(listed)]
    if asked.json:
        told = [asdict(one) for listed in runs.values() for one in listed]
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        Console().print(_table(runs))
    for sentence in failures:
        console.print(f"[red]Not met:[/] {sentence}")
    return 1 if failures else 0


def _table(runs: dict[str, list[Run]]) -> Table:
    table = Table(title="History", title_justify="left", box=box.MARKDOWN)
    for head in ("command", "calls", "s", "CPU s", "µs a call", "MB", "progress"):
        table.add_column(head, justify="left" if head == "command" else "right", no_wrap=True)
    for listed in runs.values():
        for one in listed:
            each = one.cpu * 1e6 / one.calls
            shares = "" if one.shown == 0 else f"{one.shown} steps"
            spent = (f"{one.seconds:.1f}", f"{one.cpu:.1f}", f"{each:.0f}")
            table.add_row(one.name, f"{one.calls:,}", *spent, f"{one.megabytes:,}", shares)
    return table


if __name__ == "__main__":
    sys.exit(main())
