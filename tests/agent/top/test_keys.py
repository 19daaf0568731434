"""Claims about keys."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Iterator

import pytest

from bursar.agent.top.keys import keys


class Input:
    """Standard input that is this terminal, or none."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def fileno(self) -> int:
        return self._fd


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Both ends of one: that of the person, and ours."""
    person, ours = pty.openpty()
    monkeypatch.setattr("sys.stdin", Input(ours))
    yield person, ours
    os.close(person)
    os.close(ours)


def test_a_key_is_heard_without_return(terminal: tuple[int, int]) -> None:
    """And nothing where none is pressed in time."""
    with keys() as pressed:
        assert pressed(0) == ""
        os.write(terminal[0], b"q")
        assert pressed(5) == "q"


def test_the_terminal_is_put_back(terminal: tuple[int, int]) -> None:
    """Also where it ends with an exception."""
    before, during = termios.tcgetattr(terminal[1]), list[list[object]]()

    def interrupted() -> None:
        with keys():
            during.append(termios.tcgetattr(terminal[1]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert during != [before]
    assert termios.tcgetattr(terminal[1]) == before


def test_without_a_terminal_nobody_presses_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as under a supervisor: the time passes."""
    reading, writing = os.pipe()
    monkeypatch.setattr("sys.stdin", Input(reading))
    with keys() as pressed:
        assert pressed(0) == ""
    os.close(reading)
    os.close(writing)
