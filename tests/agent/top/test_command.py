"""Claims about `bursar top`, once and live."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from tests.agent.asking import alone, answer, bursar, complaint, lines, small_ledger

from bursar.agent.top import command
from bursar.agent.top.command import View, watch

SECONDS = 60.0


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small ledger that all commands find."""
    path = small_ledger(tmp_path / "bursar.sqlite")
    monkeypatch.setenv("BURSAR_DB", str(path))
    return path


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, tmp_path)
    monkeypatch.setenv("BURSAR_AGENT", "http://127.0.0.1:9")


def test_once(db: Path) -> None:
    """A frame and an end, also where nobody asked for it and standard output is no terminal."""
    for arguments in (("--once",), ()):
        said = lines(bursar("top", *arguments))
        assert said[0].startswith("bursar top ")
        assert "1 in flight" in said[1]
        assert any(line.startswith("desk:answer 2 1.50") for line in said)


def test_as_data(db: Path) -> None:
    """JSON, with whether the agent answers."""
    made = answer("top")
    assert made["agent"] == {"url": "http://127.0.0.1:9", "alive": False}
    assert (made["budgets"][0]["budget"], made["budgets"][0]["spent"]) == ("all-month", 1_750_000_000)


def test_no_ledger_is_no_start_where_nobody_waits(tmp_path: Path) -> None:
    """Exit code 3, the path, and what to do."""
    said = complaint("top", "--once", "--db", str(tmp_path / "none.sqlite"), code=3)
    assert said.startswith(f"bursar: there is no ledger at {tmp_path / 'none.sqlite'}: start the agent once")


def test_a_picture_for_pages(db: Path, tmp_path: Path) -> None:
    """An image that fetches nothing."""
    assert bursar("top", "--once", "--picture", str(tmp_path / "top.svg")).exit_code == 0
    drawn = (tmp_path / "top.svg").read_text()
    assert drawn.startswith("<svg")
    assert "desk:answer" in drawn
    assert "@font-face" not in drawn
    assert str(tmp_path) not in drawn


class Person:
    """Presses keys, one each time it is asked, and notes how long it was waited for."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)
        self.waited: list[float] = []

    def __call__(self, seconds: float) -> str:
        self.waited.append(seconds)
        return self._keys.pop(0)


class Clock:
    """Each look at it takes so long."""

    def __init__(self, step: float) -> None:
        self._now = 0.0
        self._step = step

    def __call__(self) -> float:
        self._now += self._step
        return self._now


def test_frame_after_frame_until_q(db: Path) -> None:
    """Other keys do nothing."""
    shown: list[RenderableType] = []
    view = View(db, "http://127.0.0.1:9", clock=Clock(0.0))
    person = Person("", "x", "q")
    watch(view, Console(width=80, height=24), 1.0, person, shown.append)
    assert len(shown) == 3
    assert person.waited == [1.0, 1.0, 1.0]


def test_a_slow_ledger_is_read_less_often(db: Path) -> None:
    """At most a fifth of the time goes into reading, whatever was asked for."""
    person = Person("q")
    clock = Clock(1.0)
    watch(View(db, "http://127.0.0.1:9", clock=clock), Console(width=80, height=24), 1.0, person, lambda _: None)
    frame_seconds = clock() - 3.0  # all looks after the first, but for the last two
    assert person.waited == [4 * (frame_seconds + 1.0)]


def test_the_agent_is_asked_every_five_seconds(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in every frame: one that hangs would stop them all."""
    asked: list[str] = []

    def ask(url: str, path: str, *, ca_file: Path | None, seconds: float) -> tuple[int, str]:
        asked.append(f"{url}{path}")
        return 200, "alive"

    monkeypatch.setattr(command, "ask", ask)
    view = View(db, "http://a:1", clock=Clock(1.0))
    assert [view.alive() for _ in range(7)] == [True] * 7
    assert asked == ["http://a:1/healthz"] * 2


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal of 80 by 24: the person's end, and the program's."""
    person, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    yield person, program
    os.close(person)
    os.close(program)


def started(db: Path, program: int) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "BURSAR_DB": str(db), "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES"):
        environ.pop(name, None)
    return subprocess.Popen(
        [sys.executable, "-m", "bursar.agent", "top", "--every", "0.1"],
        stdin=program, stdout=program, stderr=program, env=environ, start_new_session=True,
    )  # fmt: skip


def until(person: int, wanted: bytes) -> bytes:
    """Everything that is written up to this."""
    said, end = b"", time.monotonic() + SECONDS
    while wanted not in said:
        ready, _, _ = select.select([person], [], [], max(end - time.monotonic(), 0))
        assert ready, said
        said += os.read(person, 65536)
    return said


LEFT = b"\x1b[?1049l"
"""The screen that was there before is shown again."""


@pytest.mark.parametrize(("ending", "code"), [("q", 0), ("interrupt", 0), ("terminate", 143)])
def test_a_real_terminal(db: Path, terminal: tuple[int, int], ending: str, code: int) -> None:
    """Live on a screen of its own; however it ends, the terminal is as it was, and the cursor is back."""
    person, program = terminal
    before = termios.tcgetattr(program)
    process = started(db, program)
    try:
        said = until(person, b"quits")
        assert b"\x1b[?1049h" in said
        assert b"desk:answer" in said
        if ending == "q":
            os.write(person, b"q")
        else:
            process.send_signal(signal.SIGINT if ending == "interrupt" else signal.SIGTERM)
        last = until(person, LEFT)
        assert process.wait(SECONDS) == code
    finally:
        process.kill()
        process.wait()
    assert b"Traceback" not in last
    assert re.search(rb"\x1b\[\?25h", last)
    assert termios.tcgetattr(program) == before


def test_a_ledger_that_comes_later(db: Path, terminal: tuple[int, int]) -> None:
    """It is waited for, and shown as soon as it is there."""
    person, program = terminal
    elsewhere = db.with_name("elsewhere.sqlite")
    db.rename(elsewhere)
    process = started(db, program)
    try:
        until(person, b"start the agent once")
        elsewhere.rename(db)
        until(person, b"desk:answer")
        os.write(person, b"q")
        until(person, LEFT)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()
