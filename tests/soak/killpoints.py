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
from tests.soak.parts import NOTHING_KEPT, Parts
from tests.whole.scene import answers, free_port

from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.bill import Line, key_label
from bursar.agent.sandbox.server import serving

PATIENCE_SECONDS = 120.0
PART = 100
"""Deaths in one workshop."""
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


class Nursery:
    """A warmed-up process that bears applications or agents."""

    def __init__(self, kind: str, sandbox: str) -> None:
        command = [sys.executable, "-m", "tests.soak.nursery", kind, sandbox]
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

    @property
    def deaths(self) -> int:
        """So far."""
        return self.points.total()

    def requests(self) -> int:
        """How many of its applications the sandbox has billed."""
        return sum(len(self._costs(key)) for key in self.keys)

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
    with serving(app) as sandbox, tempfile.TemporaryDirectory(dir=_shared_memory()) as folder:
        (Path(folder) / "bursar.toml").write_text(POLICY)
        nurseries = Nursery("application", sandbox), Nursery("agent", sandbox)
        made = Workshop(Path(folder), sandbox, free_port(), billed, *nurseries)
        try:
            yield made
        finally:
            made.applications.close()
            made.agents.close()


def measure(size: int, *, first: int = 0, progress: Progress = silently, parts: Parts = NOTHING_KEPT) -> Figure:
    """So many deaths and a few more, from passage `first` of a life on."""
    found = parts.measured("killpoints", run, range(first, first + size), PART, progress)
    points = Counter[str]()
    for one in found:
        points.update(one["points"])
    deaths, requests = points.total(), sum(one["requests"] for one in found)
    faults = [fault for one in found for fault in one["faults"]]
    steps = max(one["passages"] for one in found)
    return Figure(
        "killpoints",
        f"SIGKILL of the application (at each of {steps} steps of a life) and of the agent, real processes",
        ("killed at", "times"),
        [(point, f"{times:,}") for point, times in sorted(points.items())],
        (Claim(f"{requests:,} billed requests, {deaths:,} deaths: nothing unaccounted, twice or leaked", not faults),),
        tuple(faults[:10]),
        {"deaths": deaths, "requests": requests, "points": dict(points), "faults": faults},
    )


def run(seeds: range) -> dict[str, Any]:
    """A workshop with as many deaths as there are seeds."""
    with workshop() as shop:
        agent = shop.start_agent(0)
        passages = _passages(shop)
        died = seeds.start
        agents_due = 1
        while shop.deaths < len(seeds):
            fatal = 0
            if shop.deaths >= agents_due * AGENTS - AGENTS // 2:
                agents_due += 1
                fatal = 1 + (died * 7) % (2 * passages)
            shop.end_agent(*agent)
            agent = shop.start_agent(fatal)
            for _ in range(JOBS_A_LIFE if fatal else AGENTS):
                shop.run_application(1 + died % passages)
                died += 1
        shop.end_agent(*agent)
        agent = shop.start_agent(0)
        shop.wait_until_booked()
        _until_closed(shop)
        faults = [f"passages from {seeds.start} on: {fault}" for fault in shop.faults()]
        shop.end_agent(*agent)
        return {"passages": passages, "requests": shop.requests(), "points": dict(shop.points), "faults": faults}


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


def _shared_memory() -> str | None:
    """A folder in memory where there is one: what a killed process wrote outlives it there as well."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


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
