"""What stands beside the measured process: a real agent, and a policy of three budgets that every call meets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 30.0
LEDGER = "ledger.sqlite"

POLICY = """
version = 1
mode = "enforce"
on_unreachable = "open"
ladder = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]

[[budget]]
name = "tenant-day"
per = ["tenant"]
limit = "500000 USD"
every = "day"
[budget.at]
"100%" = "block"

[[budget]]
name = "all-month"
limit = "2000000 USD"
every = "month"
[budget.at]
"50%" = "alert log"
"80%" = ["downgrade", "alert log"]
"100%" = "block"

[[budget]]
name = "route-day"
match = { route = "bench.*", env = "prod" }
limit = "500000 USD"
every = "day"
[budget.at]
"100%" = "block"

[[route]]
name = "bench.calls"
find = { code = "tests.benchmarks.workloads:*" }
"""


@contextmanager
def agent(folder: Path, *, policy: str = POLICY, environ: Mapping[str, str] | None = None) -> Generator[str]:
    """A real agent process while the block lasts, with its ledger and log in the folder; its URL."""
    address = f"127.0.0.1:{_free_port()}"
    command = [sys.executable, "-m", "bursar.agent", "agent"]
    if policy:
        (folder / "bursar.toml").write_text(policy)
        command += ["--policy", str(folder / "bursar.toml")]
    command += ["--db", str(folder / LEDGER), "--listen", address]
    log = folder / "agent.log"
    given = {**os.environ, "BURSAR_STATE_DIR": str(folder / "agent-state"), **(environ or {})}
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, env=given, stdout=stderr, stderr=stderr)
    try:
        _wait(f"http://{address}", process, log)
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Booked:
    """What the ledger holds at the end of a run."""

    calls: int
    nano_usd: int
    unknown: int
    """Charges without a price."""
    budgets: dict[str, int]
    """Calls by budget."""


def booked(folder: Path) -> Booked:
    """Read the ledger by the commands that anyone reads it by."""
    total = _asked("report", folder)["total"]
    budgets = {"tenant-day": 0, "all-month": 0, "route-day": 0}
    for row in _asked("budgets", folder)["budgets"]:
        budgets[row["budget"]] += row["calls"]
    return Booked(total["calls"], total["nano_usd"], total["unknown_charges"], budgets)


def _asked(command: str, folder: Path) -> dict[str, Any]:
    given = [sys.executable, "-m", "bursar.agent", command, "--json", "--db", str(folder / LEDGER)]
    found: dict[str, Any] = json.loads(subprocess.run(given, check=True, capture_output=True, text=True).stdout)
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not _ready(url):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"The agent does not answer at {url}. It said: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
