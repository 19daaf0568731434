"""Claims about running somebody's program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from bursar.agent.commands import program
from bursar.agent.commands.program import FORWARDED, ProgramError, resolve, run_program

TELL = "import os, signal, sys, time\ntell = lambda name: os.kill(os.getppid(), getattr(signal, name))\n"
"""A program that signals the process that runs it, as a terminal or a service manager would."""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@contextmanager
def handled(number: int, handler: Any) -> Generator[None]:
    before = signal.signal(number, handler)
    yield
    signal.signal(number, before)


@pytest.fixture(autouse=True)
def unignored() -> Generator[None]:
    """As if started from a terminal: a service manager, nohup or a shell's `&` may have these signals ignored."""
    with handled(signal.SIGINT, signal.default_int_handler), handled(signal.SIGHUP, signal.SIG_DFL):
        yield


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("app.py", "--port", "1"), [sys.executable, "app.py", "--port", "1"]),
        (("-m", "desk.triage", "x"), [sys.executable, "-m", "desk.triage", "x"]),
        (("tool", "app.py"), ["tool", "app.py"]),
        (("./tool",), ["./tool"]),
    ],
)
def test_scripts_and_modules_run_with_this_python(
    command: tuple[str, ...], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything else runs as it was given, found on the path of the environment."""
    monkeypatch.chdir(tmp_path)
    Path("app.py").touch()
    Path("tool").touch(mode=0o755)
    assert resolve(command, {"PATH": str(tmp_path)}) == expected


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("no-such-tool", 127, "there is no command no-such-tool"),
        ("./no-such-tool", 127, "there is no command ./no-such-tool"),
        ("missing.py", 127, "there is no file missing.py"),
        ("./data", 126, "./data may not be executed: make it executable"),
        ("data", 127, "there is no command data"),
    ],
)
def test_what_cannot_be_run(
    command: str, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell's exit codes, and a sentence."""
    monkeypatch.chdir(tmp_path)
    Path("data").touch(mode=0o644)
    with pytest.raises(ProgramError, match=said) as caught:
        resolve((command,), {"PATH": ""})
    assert caught.value.code == code


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    """Executable by its mode, and nothing that the system can execute."""
    tool = tmp_path / "tool"
    tool.write_text("no interpreter is named here")
    tool.chmod(0o755)
    with pytest.raises(ProgramError, match="cannot be run") as caught:
        run_program([str(tool)], os.environ)
    assert caught.value.code == 126


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", 0),
        ("raise SystemExit(7)", 7),
        ("import os; os.kill(os.getpid(), 15)", 143),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; raise SystemExit(int(os.environ['CODE']))", 3),
    ],
)
def test_exit_codes_pass_through(code: str, expected: int) -> None:
    """A signal counts as 128 and its number, as a shell tells it."""
    assert run_program(python(code), {**os.environ, "CODE": "3"}) == expected


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_are_forwarded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the program, which decides what they mean; the process that runs it lives on."""
    monkeypatch.setattr(program, "_in_foreground", lambda: False)
    code = f"{TELL}signal.signal(signal.{name}, lambda *_: sys.exit(42))\ntell('{name}')\nwhile True: time.sleep(0.05)"
    assert run_program(python(code), os.environ) == 42


def test_ctrl_c_of_a_terminal_is_not_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal has sent it to the program already; a SIGTERM after it still goes on."""
    monkeypatch.setattr(program, "_in_foreground", lambda: True)
    code = (
        f"{TELL}signal.signal(signal.SIGINT, lambda *_: sys.exit(1))\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))\n"
        "tell('SIGINT')\ntell('SIGTERM')\nwhile True: time.sleep(0.05)"
    )
    assert run_program(python(code), os.environ) == 2


def test_a_signal_may_reach_any_thread() -> None:
    """The system chooses one that has nothing pending; the handler still runs, and the program hears of it."""
    ready, tell = os.pipe()
    os.set_inheritable(tell, True)

    def pass_on() -> None:
        os.read(ready, 1)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    other = threading.Thread(target=pass_on)
    other.start()
    code = (
        "import os, signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(2))\n"
        f"os.write({tell}, b'.')\nwhile True: time.sleep(0.05)"
    )
    assert run_program(python(code), os.environ) == 2
    other.join()
    os.close(ready)
    os.close(tell)


def test_a_signal_that_comes_before_the_program_waits_for_it() -> None:
    """Between the handler and the process there is a moment."""

    class Process:
        def __init__(self) -> None:
            self.sent: list[int] = []

        def send_signal(self, number: int) -> None:
            self.sent.append(number)

    with program.forwarding() as forwarder:
        forwarder(signal.SIGTERM, None)
        process = Process()
        forwarder.found(cast("subprocess.Popen[bytes]", process))
        assert process.sent == [signal.SIGTERM]
        forwarder(signal.SIGHUP, None)
        assert process.sent == [signal.SIGTERM, signal.SIGHUP]


def test_handlers_are_put_back() -> None:
    """Also after a program that could not be run."""
    before = [signal.getsignal(number) for number in FORWARDED]
    run_program(python(""), os.environ)
    with pytest.raises(ProgramError):
        run_program(["/no/such/program"], os.environ)
    assert [signal.getsignal(number) for number in FORWARDED] == before


def test_what_is_ignored_stays_ignored() -> None:
    """Under nohup a hang-up goes unheard, by the program too."""
    with handled(signal.SIGHUP, signal.SIG_IGN):
        code = f"{TELL}tell('SIGHUP')\nraise SystemExit(signal.getsignal(signal.SIGHUP) != signal.SIG_IGN)"
        assert run_program(python(code), os.environ) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_descriptors_handed_down_go_on() -> None:
    """A socket of a service manager, or a pipe of a job server, reaches the program."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    assert run_program(python(f"import os; os.write({write}, b'here')"), os.environ) == 0
    os.close(write)
    assert os.read(read, 10) == b"here"
    os.close(read)
