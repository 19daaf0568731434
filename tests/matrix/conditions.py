"""In which conditions every case is observed: without Bursar, and with it in good health and in every trouble."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any

from tests.matrix.case import SDK_TRACES, Case, Charged
from tests.matrix.sight import differences

MODES = ["traced", "untraced"] if SDK_TRACES else ["untraced"]
ROOT = Path(__file__).resolve().parents[2]
WITHOUT = "without Bursar"
AGENT_UP = "agent up"
AGENT_STOPPED = "agent stopped"
READ_ONLY = "journal read-only"
FULL_DISK = "disk full"
HAS_AGENT = find_spec("uvicorn") is not None
"""Whether what the agent stands on is installed; without it the guest is watched alone."""
CONDITIONS = [AGENT_UP, AGENT_STOPPED, READ_ONLY, FULL_DISK] if HAS_AGENT else [READ_ONLY, FULL_DISK]

Sights = dict[str, dict[str, Any]]
"""What the caller of each case saw, by the case's name and mode of tracing."""
Ask = Callable[[Mapping[str, dict[str, str]]], dict[str, Sights]]
"""One round: jobs with their variables in, what they found out."""


@cache
def sights() -> dict[str, Sights]:
    """What the callers saw, by condition: a process for each, run once for all who ask."""
    with TemporaryDirectory(prefix="bursar-matrix-") as folder, _observer() as ask:
        return _with_agent(Path(folder), ask) if HAS_AGENT else ask({WITHOUT: {}, **_jobs(Path(folder), {})})


@cache
def unwatched() -> dict[str, list[Charged]]:
    """The charges by case, where there is no tracer provider."""
    with _observer() as ask:
        found: dict[str, Any] = ask({"unwatched": {"MATRIX_UNWATCHED": "1"}})["unwatched"]
        return {name: [Charged(**charge) for charge in charges] for name, charges in found.items()}


def changes(case: Case, condition: str) -> list[str]:
    """What a condition changes for the caller of a case; the header of any middleware is compared by itself."""
    found, lines = sights(), list[str]()
    for mode in MODES:
        name = f"{case.name} {mode}"
        if name not in found[condition]:  # the troubles of journal and agent know nothing of spans
            continue
        one, other = ({**found[where][name], "raw headers": None} for where in (WITHOUT, condition))
        lines += differences(one, other, f"{condition}: {mode}")
    return lines


def _with_agent(folder: Path, ask: Ask) -> dict[str, Sights]:
    """A real agent with a budget in force; stopped at last, when the application knows its rules already."""
    from tests.whole.scene import POLICY, House

    policy = folder / "bursar.toml"
    policy.write_text(POLICY.format(limit="1000 USD"))
    home = House(folder, "", _free_port(), {"PYTHONPATH": os.pathsep.join(sys.path)}, ("--policy", str(policy)))
    with home.agent() as agent:
        jobs = _jobs(folder, {"BURSAR_AGENT": home.agent_url})
        found = ask({WITHOUT: {}, AGENT_UP: jobs[AGENT_UP]}) | ask(
            {name: jobs[name] for name in (READ_ONLY, FULL_DISK)}
        )
        agent.send_signal(signal.SIGSTOP)
        return {**found, **ask({AGENT_STOPPED: {**jobs[AGENT_UP], "MATRIX_TRACED": "1"}})}


def _jobs(folder: Path, reached: dict[str, str]) -> dict[str, dict[str, str]]:
    """The variables of a process in each condition but the last, which is that of the first."""
    jobs: dict[str, dict[str, str]] = {}
    for condition in CONDITIONS:
        state = folder / condition.replace(" ", "-")
        state.mkdir()
        if condition == READ_ONLY:
            (state / "journal").write_text("a file where a folder should be")
        more = {} if condition == CONDITIONS[0] else {"MATRIX_TRACED": "1"}
        full = {"MATRIX_FULL_DISK": "1"} if condition == FULL_DISK else {}
        jobs[condition] = {"MATRIX_BURSAR": "1", "BURSAR_STATE_DIR": str(state), **reached, **more, **full}
    return jobs


@contextmanager
def _observer() -> Generator[Ask]:
    """A process that answers rounds of jobs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BURSAR_", "OTEL_"))}
    command = [sys.executable, "-m", "tests.matrix.observing"]
    with subprocess.Popen(command, cwd=ROOT, env=kept, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:

        def ask(jobs: Mapping[str, dict[str, str]]) -> dict[str, Sights]:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(json.dumps(jobs) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line, process.stderr.read()
            found: dict[str, Sights] = json.loads(line)
            return found

        try:
            yield ask
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
