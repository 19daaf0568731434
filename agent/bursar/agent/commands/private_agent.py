"""How does one command get an agent of its own, for as long as it runs?"""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bursar.agent.commands.reach import answers
from bursar.agent.commands.waiting import waiting
from bursar.policies.agentaddress import HOST

READY_SECONDS = 20.0
SETTLE_SECONDS = 10.0
STOP_SECONDS = 10.0
CALM_SECONDS = 2.0
"""How long processes are waited for that still run when the program has ended: most are about to end, too."""
_POLL_SECONDS = 0.02
FOLDER, JOURNALS = "journal", "*.jsonl"
_LOG_LINES = 20


class PrivateAgentError(Exception):
    """The agent did not start; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Left:
    """Journals that are there when the agent is gone."""

    unread: list[Path]
    """Their processes have ended, and the agent could not take them up."""
    in_use: list[Path]
    """Their processes still run."""


@dataclass(slots=True)
class PrivateAgent:
    """A running agent, and where its files are."""

    url: str
    state_dir: Path
    token_file: Path
    db: Path
    process: subprocess.Popen[bytes]
    start: Callable[[], subprocess.Popen[bytes]]
    """Starts it once more, on the same files."""

    def finish(self) -> Left:
        """
        Let it take up the journals of processes that ended without a goodbye, and stop it; what it left.

        Processes that still run are given a moment to end. An agent that was stopped together with the program, as
        service managers do, is started once more.
        """
        journals = self.state_dir / FOLDER
        calm_since = time.monotonic()

        def taken_up() -> bool:
            # While the agent reads a journal it holds the lock, as an owner would: a locked one is looked at again.
            nonlocal calm_since
            if waiting(journals):
                calm_since = time.monotonic()
            calm = time.monotonic() - calm_since > CALM_SECONDS
            return calm or not any(journals.glob(JOURNALS)) or self.process.poll() is not None

        if self.process.poll() is not None and any(journals.glob(JOURNALS)):
            _stop(self.process)
            self.process = self.start()
        _until(taken_up, SETTLE_SECONDS)
        _stop(self.process)
        unread = waiting(journals)
        return Left(unread, [path for path in sorted(journals.glob(JOURNALS)) if path not in unread])


@contextmanager
def private_agent(
    *, policy: Path | None, prices: Path | None, db: Path | None, environ: Mapping[str, str]
) -> Generator[PrivateAgent]:
    """
    An agent on a free port of the loopback interface, with a token and files of its own; all are gone afterwards.

    Its ledger stays if `db` names a place for it, and so do its files where a journal is left. Raises
    `PrivateAgentError`.
    """
    folder = Path(tempfile.mkdtemp(prefix="bursar-run-"))
    token_file = folder / "token"
    token_file.touch(mode=0o600)
    token_file.write_text(secrets.token_urlsafe())
    port = _free_port()
    ledger = db or folder / "bursar.sqlite"
    arguments: list[str | Path] = ["--db", ledger, "--listen", f"{HOST}:{port}", "--token-file", token_file]
    arguments += ["--policy", policy] if policy else []
    arguments += ["--prices", prices] if prices else []
    url = f"http://{HOST}:{port}"
    start = partial(_start, arguments, folder, {**environ, "BURSAR_STATE_DIR": str(folder)})
    agent = PrivateAgent(url, folder, token_file, ledger, start(), start)
    try:
        if not _until(lambda: agent.process.poll() is not None or answers(url, "/readyz"), READY_SECONDS):
            raise PrivateAgentError(f"the agent was not ready after {READY_SECONDS:g} s. It said:\n{_said(folder)}")
        if agent.process.poll() is not None:
            raise PrivateAgentError(_said(folder))
        yield agent
    finally:
        _stop(agent.process)
        if not any((folder / FOLDER).glob(JOURNALS)):
            shutil.rmtree(folder, ignore_errors=True)


def _start(arguments: list[str | Path], folder: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """
    The agent in a session of its own, where the terminal's Ctrl-C does not reach it.

    Its standard input is a pipe that ends with this process, however this process ends, and the agent with it.
    """
    command = [sys.executable, "-m", "bursar.agent", "agent", "--stop-with-input", *map(str, arguments)]
    with (folder / "agent.log").open("ab") as log:
        return subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait for something to become true; whether it did in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _said(folder: Path) -> str:
    """The last lines of the agent's log."""
    lines = (folder / "agent.log").read_text(errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:]) or "the agent ended without a word"
