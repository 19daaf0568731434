"""A whole house for a test: sandbox, real agent process, real applications; and the ledger to look into."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bursar.agent.commands import reach
from bursar.agent.ledger import open_for_reading, reports
from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.server import serving

PATIENCE_SECONDS = 100.0
"""Only what never comes is waited for so long; a busy machine may need much of it to begin a process."""
FOR_EVER = 2**62

POLICY = """
version = 1
mode = "enforce"
on_unreachable = "open"

[[budget]]
name = "day"
limit = "{limit}"
every = "month"
[budget.at]
"100%" = "block"
"""


@dataclass
class House:
    """Where everything of one test lives."""

    folder: Path
    sandbox: str
    port: int
    environ: dict[str, str] = field(default_factory=dict[str, str])
    arguments: tuple[str, ...] = ()
    place: str = ""
    """Where the agent listens, if that is not its port: `unix:PATH`."""
    scheme: str = "http"

    @property
    def db(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def agent_url(self) -> str:
        return self.place or f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def bill(self) -> dict[str, Any]:
        """The sandbox's own account."""
        found: dict[str, Any] = httpx.get(f"{self.sandbox}/sandbox/bill").json()
        return found

    def total(self) -> reports.Row:
        """The ledger's."""
        with open_for_reading(self.db) as db:
            return reports.totals(db, 0, FOR_EVER)

    def by(self, *keys: str) -> list[reports.Row]:
        """The ledger's, by these keys."""
        with open_for_reading(self.db) as db:
            return reports.by(db, keys, 0, FOR_EVER)

    def balances(self) -> list[reports.Row]:
        """Balances of now."""
        with open_for_reading(self.db) as db:
            return reports.budgets(db, time.time_ns())

    def start_agent(self) -> subprocess.Popen[bytes]:
        """A real agent; ready when this returns."""
        command = [sys.executable, "-m", "bursar.agent", "agent", "--db", str(self.db)]
        command += ["--listen", self.place or f"127.0.0.1:{self.port}", *self.arguments]
        with (self.folder / "agent.log").open("ab") as log:
            process = subprocess.Popen(command, env=self._environment(), stderr=log)
        ca_file = self.environ.get("BURSAR_CA_FILE")
        until(
            lambda: answers(self.agent_url, Path(ca_file) if ca_file else None),
            f"the agent to answer; see {self.folder / 'agent.log'}",
        )
        return process

    @contextmanager
    def agent(self) -> Generator[subprocess.Popen[bytes]]:
        """An agent while the block lasts."""
        process = self.start_agent()
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def start(self, program: Path, *arguments: str, alone: bool = False, **more: str) -> subprocess.Popen[str]:
        """An application on the sandbox; `alone`: without an agent."""
        environ = {
            **self._environment(),
            "ANTHROPIC_BASE_URL": self.sandbox,
            "ANTHROPIC_API_KEY": "sk-ant-sandbox",
            **({} if alone else {"BURSAR_AGENT": self.agent_url}),
            **more,
        }
        return subprocess.Popen(
            [sys.executable, str(program), *arguments],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, program: Path, *arguments: str, alone: bool = False, **more: str) -> str:
        """The same, to its end; what it printed."""
        process = self.start(program, *arguments, alone=alone, **more)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, err
        return out

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "BURSAR_STATE_DIR": str(self.folder / "state"), **self.environ}


@contextmanager
def house(folder: Path, *, limit: str | None = None) -> Generator[House]:
    """A sandbox in this process, and room for the rest."""
    with serving(create_app()) as sandbox, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        made = House(folder, sandbox, port)
        if limit is not None:
            policy = folder / "bursar.toml"
            policy.write_text(POLICY.format(limit=limit))
            made.arguments = ("--policy", str(policy))
        yield made


def free_port() -> int:
    """One that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def program(folder: Path, source: str, name: str = "desk.py") -> Path:
    """A script of these lines."""
    path = folder / name
    path.write_text(source)
    return path


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does, a bounded time."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, f"waited {PATIENCE_SECONDS:g} s for {what}"
        time.sleep(0.02)


def answers(url: str, ca_file: Path | None = None) -> bool:
    """Whether an agent is ready."""
    return reach.answers(url, "/readyz", ca_file=ca_file)
