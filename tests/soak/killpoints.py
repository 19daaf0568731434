"""Is everything accounted for, once, wherever the application or the agent is killed?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from tests.soak.accounts import Charged, charged, leaked
from tests.soak.figure import Claim, Figure, Progress, silently
from tests.whole.scene import answers, free_port

from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.bill import Line, key_label
from bursar.agent.sandbox.server import serving

PATIENCE_SECONDS = 120.0
AGENTS = 8
"""Of so many points one is the agent's."""
JOBS_A_LIFE = 3
"""Applications that one agent serves, unless it is killed before."""
POLICY = """
version = 1
mode = "enforce"
on_unreachable = "open"
[[budget]]
name = "all"
limit = "1000 USD"
every = "month"
[budget.at]
"100%" = "block"
"""
PLAIN: dict[str, Any] = {"stream": False, "headers": {}}
STREAM: dict[str, Any] = {"stream": True, "headers": {}}
ERROR: dict[str, Any] = {"stream": False, "headers": {"x-sandbox-error": "529"}}
CALLS = [PLAIN, STREAM, ERROR, PLAIN]


class Nursery:
    """A warmed-up process that bears applications or agents."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, "-m", "tests.soak.nursery", kind]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ends: dict[str, Mapping[str, Any]] = {}

    def bear(self, name: str, fatal: int, **job: Any) -> int:
        """A child that dies at passage `fatal`; its process id."""
        entry = cast(IO[str], self._process.stdin)
        entry.write(json.dumps({"name": name, "fatal": fatal, **job}) + "\n")
        entry.flush()
        while "pid" not in (told := self._read()):
            self._ends[told["name"]] = told
        return int(told["pid"])

    def end(self, name: str) -> Mapping[str, Any]:
        """How a child ended, once it has."""
        while name not in self._ends:
            told = self._read()
            self._ends[told["name"]] = told
        return self._ends.pop(name)

    def close(self) -> None:
        """No more children."""
        cast(IO[str], self._process.stdin).close()
        self._process.wait()
        cast(IO[str], self._process.stdout).close()

    def _read(self) -> dict[str, Any]:
        line = cast(IO[str], self._process.stdout).readline()
        assert line, "the nursery died"
        found: dict[str, Any] = json.loads(line)
        return found


@dataclass
class Workshop:
    """A sandbox that remembers each request, a folder of state, and where processes come from."""

    folder: Path
    sandbox: str
    port: int
    billed: dict[str, list[Line]]
    applications: Nursery
    agents: Nursery
    points: Counter[str] = field(default_factory=Counter[str])
    lives: int = 0
    jobs: int = 0
    keys: list[str] = field(default_factory=list[str])

    def start_agent(self, fatal: int) -> tuple[str, int]:
        """An agent that answers, or has died on the way."""
        self.lives += 1
        name = f"agent-{self.lives}"
        policy = str(self.folder / "bursar.toml")
        pid = self.agents.bear(name, fatal, state=str(self.folder), port=self.port, policy=policy)
        end = time.monotonic() + PATIENCE_SECONDS
        while not answers(f"http://127.0.0.1:{self.port}") and _lives(pid):
            assert time.monotonic() < end, "the agent does not answer"
            time.sleep(0.02)
        return name, pid

    def end_agent(self, name: str, pid: int) -> None:
        """Kill it, if it still lives."""
        if _lives(pid):
            os.kill(pid, signal.SIGKILL)
        self._ended(self.agents.end(name))

    def run_application(self, fatal: int) -> Mapping[str, Any]:
        """One application to its end."""
        self.jobs += 1
        key = f"sk-job-{self.jobs}"
        self.keys.append(key)
        self.applications.bear(
            key,
            fatal,
            key=key,
            state=str(self.folder),
            agent=f"http://127.0.0.1:{self.port}",
            sandbox=self.sandbox,
            calls=CALLS,
        )
        return self._ended(self.applications.end(key))

    def _ended(self, end: Mapping[str, Any]) -> Mapping[str, Any]:
        if end["point"] and not end["point"].startswith("passed"):
            self.points[end["point"]] += 1
        return end

    def wait_until_booked(self) -> None:
        """Until every journal is adopted."""
        end = time.monotonic() + PATIENCE_SECONDS
        while any((self.folder / "journal").glob("*.jsonl")):
            assert time.monotonic() < end, "journals are not adopted"
            time.sleep(0.05)

    def faults(self) -> list[str]:
        """What is wrong between the sandbox's bill and the ledger."""
        rows = charged(self.folder / "ledger.sqlite", "job")
        wrong = [fault for key in self.keys if (fault := fault_of(self._costs(key), rows.get(key, []), key))]
        return wrong + leaked(self.folder / "ledger.sqlite")

    def requests(self) -> int:
        """How many the sandbox has billed."""
        return sum(map(len, self.billed.values()))

    def _costs(self, key: str) -> list[int]:
        lines = self.billed.get(key_label(key), [])
        return [line._nano for line in lines]  # pyright: ignore[reportPrivateUsage] - what it was billed in the end


def fault_of(costs: list[int], rows: list[Charged], key: str) -> str:
    """What is wrong with one application: each billed request once, exactly or under a bound; nothing twice."""
    left = Counter(costs)
    for row in rows:
        if row.exact:
            if not left[row.nano]:
                return f"{key}: {row.nano} is in the ledger and not on the bill, or twice"
            left[row.nano] -= 1
    bounds = sorted((row.nano for row in rows if not row.exact), reverse=True)
    for cost in sorted(left.elements(), reverse=True):
        if not bounds or bounds.pop(0) < cost:
            return f"{key}: {cost} was billed, and nothing in the ledger holds it"
    return ""


@contextmanager
def workshop() -> Generator[Workshop]:
    """All of it, while the block lasts."""
    app = create_app()
    billed = _remember(app.state.bill)
    with serving(app) as sandbox, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bursar.toml").write_text(POLICY)
        made = Workshop(Path(folder), sandbox, free_port(), billed, Nursery("application"), Nursery("agent"))
        try:
            yield made
        finally:
            made.applications.close()
            made.agents.close()


def measure(size: int, *, first: int = 0, progress: Progress = silently) -> Figure:
    """So many deaths, from passage `first` of each life on."""
    with workshop() as shop:
        agent = shop.start_agent(0)
        passages = _passages(shop)
        died = first
        agents_due = 1
        while sum(shop.points.values()) < size:
            fatal = 0
            if sum(shop.points.values()) >= agents_due * AGENTS - AGENTS // 2:
                agents_due += 1
                fatal = 1 + (died * 7) % (2 * passages)
            shop.end_agent(*agent)
            agent = shop.start_agent(fatal)
            for _ in range(JOBS_A_LIFE if fatal else AGENTS):
                shop.run_application(1 + died % passages)
                died += 1
            progress(min(sum(shop.points.values()), size), size)
        shop.end_agent(*agent)
        agent = shop.start_agent(0)
        shop.wait_until_booked()
        _until_closed(shop)
        faults = shop.faults()
        shop.end_agent(*agent)
        return _figure(shop, faults, passages)


def _figure(shop: Workshop, faults: list[str], passages: int) -> Figure:
    deaths = sum(shop.points.values())
    return Figure(
        "killpoints",
        f"SIGKILL of the application (at each of {passages} steps of a life) and of the agent, real processes",
        ("killed at", "times"),
        [(point, f"{times:,}") for point, times in sorted(shop.points.items())],
        (
            Claim(
                f"{shop.requests():,} billed requests, {deaths:,} deaths: nothing unaccounted, twice or leaked",
                not faults,
            ),
        ),
        tuple(faults[:10]),
        {"deaths": deaths, "requests": shop.requests(), "points": dict(shop.points), "faults": faults},
    )


def _passages(shop: Workshop) -> int:
    """How many points one whole life has."""
    end = shop.run_application(0)
    assert end["status"] == 0, f"an application that nobody kills must end well: {end}"
    return int(end["point"].removeprefix("passed "))


def _until_closed(shop: Workshop) -> None:
    """The agent recovers those that said goodbye and took their journal along with its next look."""
    end = time.monotonic() + PATIENCE_SECONDS
    while leaked(shop.folder / "ledger.sqlite") and time.monotonic() < end:
        time.sleep(0.1)


def _remember(bill: Any) -> dict[str, list[Line]]:
    """Every line of the bill, by key: the sandbox itself keeps sums alone."""
    lines: dict[str, list[Line]] = {}
    opened = bill.open

    def remembering(model: Any, key: str) -> Line:
        line: Line = opened(model, key)
        lines.setdefault(key, []).append(line)
        return line

    bill.open = remembering
    return lines


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except (OSError, IndexError):
        return False
