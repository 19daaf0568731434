"""How a measured process is started and spoken to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.benchmarks import callgrind
from tests.benchmarks.ways import Way

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("BURSAR_", "OTEL_", "ANTHROPIC_")


@dataclass(frozen=True, slots=True)
class House:
    """What every measured process of one run shares."""

    folder: Path
    agent: str
    """The agent's URL."""


class MeasureError(Exception):
    """A measured process did not do what it was ordered to."""


class Process:
    """A worker: orders in, figures out."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self._popen = popen

    def order(self, order: str, workload: str = "-") -> dict[str, Any]:
        """Have something done, and wait for its figures. Raises `MeasureError` where the process ended instead."""
        if self._popen.stdin is None or self._popen.stdout is None:
            raise RuntimeError("The measured process was started without pipes.")
        with suppress(BrokenPipeError):
            self._popen.stdin.write(f"{order} {workload}\n")
            self._popen.stdin.flush()
        line = self._popen.stdout.readline()
        if not line:
            raise MeasureError(f"The measured process ended at `{order} {workload}`; what it said stands above.")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def process(way: Way, house: House, *, counting: bool = False, still: bool = False) -> Generator[Process]:
    """A measured process while the block lasts. `counting`: in valgrind, which implies `still`."""
    folder = Path(mkdtemp(prefix=f"{way}-", dir=house.folder))
    command = [sys.executable, "-m", "tests.benchmarks.worker", way.value, str(folder)]
    if counting:
        command = [*callgrind.command(folder), *command, "--still", "--counting"]
    elif still:
        command.append("--still")
    environ = _environ(folder, house.agent)
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as popen:
        yield Process(popen)


def _environ(folder: Path, agent: str) -> dict[str, str]:
    """The tenant and the environment come from labels; the route is found by the policy from the code that calls."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return inherited | {
        "PYTHONHASHSEED": "0",
        "BURSAR_AGENT": agent,
        "BURSAR_LABELS": "tenant=acme,env=prod",
        "BURSAR_STATE_DIR": str(folder / "state"),
    }
