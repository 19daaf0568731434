"""Programs of several processes under `bursar run`: what its last line says is what the API billed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.whole.scene import FOR_EVER

from bursar.agent.commands.run import UNSEEN
from bursar.agent.ledger import open_for_reading, reports
from bursar.agent.sandbox import create_app, serving
from bursar.policies.amounts import usd

pytestmark = pytest.mark.timeout(240)

PROGRAMS = Path(__file__).parent / "programs"
PYTHON = sys.executable
PATIENCE_SECONDS = 180
"""Each of these starts more processes than a busy machine has time for."""


@dataclass
class Place:
    """Where one program runs under Bursar."""

    folder: Path
    environ: dict[str, str]
    bill: Callable[[], int]
    code: int | None = None

    @contextmanager
    def running(self, *command: str, fds: tuple[int, ...] = (), **more: str) -> Generator[subprocess.Popen[bytes]]:
        """The command under `bursar run`, which is waited for when the block is left."""
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [PYTHON, "-m", "bursar.agent", "run", "--db", str(self.folder / "ledger.sqlite"), "--", *command],
                cwd=self.folder,
                env={**self.environ, **more},
                stdout=out,
                stderr=err,
                pass_fds=fds,
            )
        try:
            yield process
            self.code = process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
            process.wait()

    def said(self, name: str) -> list[str]:
        """The lines of its standard output, or error."""
        return (self.folder / name).read_text().splitlines()

    def assert_counted(self, calls: int, more: str = "") -> None:
        """It ended well, and the last line, the ledger and the bill are of one mind."""
        err = self.said("err")
        assert self.code == 0, err
        counted = "1 call" if calls == 1 else f"{calls} calls"
        assert err[-1] == f"bursar: {counted}, {usd(self.bill())} USD (0 estimated){more}"
        with open_for_reading(self.folder / "ledger.sqlite") as db:
            total = reports.totals(db, 0, FOR_EVER)
        assert (total["calls"], total["charges"], total["nano_usd"]) == (calls, calls, self.bill())


@pytest.fixture
def place(tmp_path: Path) -> Generator[Place]:
    """A folder, and a sandbox that bills nobody else."""
    app = create_app()
    with serving(app) as url:
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
        environ |= {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "sk-ant-sandbox", "PYTHONPATH": str(PROGRAMS)}
        yield Place(tmp_path, environ, lambda: app.state.bill.totals()["nano_usd"])


def test_gunicorn(place: Place) -> None:
    """Three workers of an application that has called before they were forked; one of them is killed."""
    with listening() as (url, fd):
        command = ["-m", "gunicorn", "--preload", "-w", "3", "--no-control-socket", "-b", f"fd://{fd}", "webapp:app"]
        with place.running(PYTHON, *command, fds=(fd,), WEBAPP_ASKS_FIRST="1") as process:
            answered = ask_until(url, lambda pids: len(pids) == 3)
            kill(answered[-1])
            answered += ask_until(url, lambda pids: len(pids - set(answered)) == 1)
            process.send_signal(signal.SIGTERM)
    place.assert_counted(1 + len(answered))
    assert not list(place.folder.glob("bursar-*")), "nothing temporary is left"


def test_uvicorn(place: Place) -> None:
    """Two workers, each started anew with an interpreter of its own."""
    with listening() as (url, fd):
        command = ["-m", "uvicorn", "webapp:asgi", "--workers", "2", "--fd", str(fd)]
        with place.running(PYTHON, *command, fds=(fd,)) as process:
            answered = ask_until(url, lambda pids: len(pids) == 2)
            process.send_signal(signal.SIGTERM)
    place.assert_counted(len(answered))


def test_celery(place: Place) -> None:
    """Two processes at a time, each of which takes two tasks and ends, without `atexit`."""
    queue = place.folder / "queue"
    queue.mkdir()
    asked = queue / "asked.txt"
    command = ["-m", "celery", "-A", "queued", "worker", "-P", "prefork", "-c", "2", "-l", "ERROR"]
    command += ["--max-tasks-per-child", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with place.running(PYTHON, *command, QUEUE_FOLDER=str(queue)) as process:
        wait_for(lambda: asked.exists() and len(asked.read_text().split()) == 6, "the tasks to be done")
        process.send_signal(signal.SIGTERM)
    place.assert_counted(6)
    assert len(set(asked.read_text().split())) >= 3


def test_every_python_that_a_shell_script_starts(place: Place) -> None:
    """As a module, by a console script, as a script; with the site's own `sitecustomize` in force in each."""
    console = place.folder / "asks"
    console.write_text(f"#!{PYTHON}\nimport sys\nfrom asks import main\nsys.exit(main())\n")
    starts = [f"{PYTHON} -m asks module", "asks console", f"{PYTHON} {PROGRAMS / 'asks.py'} script"]
    script = shell_script(place, *(f"{start} &" for start in starts), "wait")
    console.chmod(0o700)
    (place.folder / "sitecustomize.py").write_text("import sys\nprint('hello from the site', file=sys.stderr)\n")
    path, python_path = (f"{place.folder}{os.pathsep}{place.environ[name]}" for name in ("PATH", "PYTHONPATH"))
    with place.running(str(script), PATH=path, PYTHONPATH=python_path):
        pass
    place.assert_counted(3)
    assert sorted(place.said("out")) == ["console asked", "module asked", "script asked"]
    assert place.said("err").count("hello from the site") == 1 + 3  # in `bursar run`, and in each of them


def test_a_process_that_outlives_the_program(place: Place) -> None:
    """It is told of, and its journal is kept for an agent that comes later."""
    lingering = place.folder / "lingering"
    script = shell_script(
        place, f"{PYTHON} {PROGRAMS / 'lingering.py'} &", "while [ ! -e lingering ]; do sleep 0.05; done"
    )
    try:
        with place.running(str(script)):
            pass
        (journal,) = place.folder.glob("bursar-run-*/journal/*.jsonl")
        place.assert_counted(1, more=f"; 1 process still runs, not counted from here on: {journal}")
    finally:
        os.kill(int(lingering.read_text()), signal.SIGKILL)


def test_a_python_without_bursar(place: Place) -> None:
    """Each process that imports `anthropic` there says so, and `bursar run` does at its end."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(place.folder / "venv")], check=True)
    (place.folder / "anthropic.py").write_text("")
    python = str(place.folder / "venv" / "bin" / "python")
    with place.running(python, "-c", "import anthropic", PYTHONPATH=str(place.folder)):
        pass
    told, line, unseen = place.said("err")
    assert told.startswith(f"bursar: Claude calls of {python} are not counted, since this Python cannot import Bursar")
    assert (line, unseen) == ("bursar: 0 calls, 0.00 USD (0 estimated)", UNSEEN)


def shell_script(place: Place, *lines: str) -> Path:
    """A script of these lines."""
    script = place.folder / "start.sh"
    script.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    script.chmod(0o700)
    return script


@contextmanager
def listening() -> Generator[tuple[str, int]]:
    """A socket to hand down: who asks before the server is there waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", listener.fileno()


def kill(pid: int) -> None:
    """SIGKILL, and wait until it has gone."""
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not Path("/proc", str(pid)).exists(), "the process to end")


def wait_for(true: Callable[[], bool], what: str) -> None:
    """Wait for something that other processes do; they may be many, and each takes long to start."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, f"waited {PATIENCE_SECONDS} s for {what}"
        time.sleep(0.02)


def ask_until(url: str, enough: Callable[[set[int]], bool]) -> list[int]:
    """Ask, four at a time, until enough processes have answered; the process of each answer."""
    answered: list[int] = []

    def several() -> bool:
        answered.extend(int(response.raise_for_status().text) for response in pool.map(client.get, [url] * 4))
        return enough(set(answered))

    with (
        ThreadPoolExecutor(4) as pool,
        httpx.Client(timeout=PATIENCE_SECONDS, headers={"connection": "close"}) as client,
    ):
        answered.append(int(client.get(url).text))  # waits for the server to be there
        wait_for(several, "the workers to answer")
    return answered
