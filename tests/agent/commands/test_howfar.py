"""Claims about how it is shown how far a long command is."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable

import pytest
from rich.console import Console

from bursar.agent.commands.howfar import Lines, Wait, progress, stages


class Clock:
    """A clock that only waiting moves; it is over after these waits."""

    def __init__(self, waits: int) -> None:
        self.now = 100.0
        self._left = waits

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        if not self._left:
            return True
        self._left -= 1
        self.now += seconds
        return False


def written(waits: int, stages: Iterable[tuple[str, int | None, int | None]]) -> list[str]:
    """What is written where each stage got so far; None: it has not begun to move."""
    clock, said = Clock(waits), list[str]()
    lines = Lines(clock, said.append)
    for name, of, done in stages:
        tell = lines.begin(name, of)
        if done is not None:
            tell(done)
    wait: Wait = clock.wait
    lines.tell(wait)
    return said


def test_what_is_over_within_five_seconds_says_nothing() -> None:
    """Nobody waited."""
    assert written(0, [("reading", 10, 3)]) == []


def test_lines_at_sensible_intervals() -> None:
    """The first after five seconds, then one every ten."""
    assert written(3, [("reading", 1000, 250)]) == [
        "bursar: reading: 250 of 1,000, 5 s",
        "bursar: reading: 250 of 1,000, 15 s",
        "bursar: reading: 250 of 1,000, 25 s",
    ]


def test_the_stage_that_moves_is_told() -> None:
    """One that was only announced waits its turn; where nobody knows of how much, the time is all there is to say."""
    assert written(1, [("reading", 9, 4), ("writing", 9, None)]) == ["bursar: reading: 4 of 9, 5 s"]
    assert written(1, [("reading", 9, 9), ("writing", 9, 2)]) == ["bursar: writing: 2 of 9, 5 s"]
    assert written(1, [("adding up", None, None)]) == ["bursar: adding up: 5 s"]


def test_nothing_is_said_before_there_is_a_stage() -> None:
    """Such as while the ledger is opened."""
    assert written(2, []) == []


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    """With the share that is done; the last thing that is written takes it away again."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    with progress("reading calls", 200, console=console) as done:
        done(50)
    said = out.getvalue()
    assert "reading calls" in said
    assert "25%" in said
    assert said.endswith("\x1b[1A\x1b[2K")


def test_the_answer_is_written_past_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """Such as an export into a file, while standard error is a terminal."""
    out = io.StringIO()
    with progress("writing", 2, console=Console(file=out, force_terminal=True, width=80)):
        sys.stdout.write("a row of the answer\n")
    assert capsys.readouterr().out == "a row of the answer\n"
    assert "a row" not in out.getvalue()


def test_a_pipe_gets_no_bar() -> None:
    """And nothing at all of what was quick."""
    out = io.StringIO()
    console = Console(file=out, width=80)
    with stages(console) as begin:
        begin("reading", 5)(5)
    assert out.getvalue() == ""
