"""How is it shown how far a long command is?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

FIRST_SECONDS, EVERY_SECONDS = 5.0, 10.0
"""When a line is written where there is no terminal to draw on: then, and after every so long."""

Done = Callable[[int], object]
"""Told how much of a stage is done."""
Wait = Callable[[float], bool]
"""Waits so many seconds; whether it is over sooner."""


class Stages(Protocol):
    """A new stage: what is done in it, and of how much; None where nobody can say."""

    def __call__(self, said: str, of: int | None = None) -> Done: ...


@contextmanager
def stages(console: Console | None = None, *, clock: Callable[[], float] = time.monotonic) -> Generator[Stages]:
    """
    Show on standard error how far it is, from stage to stage: bars in a terminal, gone at the end, else a line now and
    then.
    """
    console = console or Console(stderr=True, highlight=False)
    if console.is_terminal:
        with _bars(console) as bars:
            yield _drawn(bars)
        return
    lines, over = Lines(clock, lambda line: console.print(line, soft_wrap=True, markup=False)), threading.Event()
    teller = threading.Thread(target=lines.tell, args=[over.wait], name="bursar-progress", daemon=True)
    teller.start()
    try:
        yield lines.begin
    finally:
        over.set()
        teller.join()


@contextmanager
def progress(said: str, of: int | None = None, *, console: Console | None = None) -> Generator[Done]:
    """The same for one stage."""
    with stages(console) as begin:
        yield begin(said, of)


@dataclass(slots=True)
class _Stage:
    said: str
    of: int | None
    done: int = 0

    def set(self, done: int) -> None:
        self.done = done


class Lines:
    """What is written where there is no terminal: the newest stage, how far it is, and since when."""

    def __init__(self, clock: Callable[[], float], write: Callable[[str], object]) -> None:
        self._clock = clock
        self._write = write
        self._began = clock()
        self._newest: _Stage | None = None

    def begin(self, said: str, of: int | None = None) -> Done:
        """A new stage; the ones before it are not told of any more once it has got anywhere."""
        stage = _Stage(said, of)
        self._newest = self._newest or stage

        def done(count: int) -> None:
            stage.set(count)
            self._newest = stage

        return done

    def tell(self, wait: Wait) -> None:
        """Write a line now and then, until it is over."""
        if wait(FIRST_SECONDS):
            return
        self._say()
        while not wait(EVERY_SECONDS):
            self._say()

    def _say(self) -> None:
        stage = self._newest
        if stage is not None:
            far = "" if stage.of is None else f" {stage.done:,} of {stage.of:,},"
            self._write(f"bursar: {stage.said}:{far} {self._clock() - self._began:.0f} s")


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,  # the answer may be on its way into a file while the bar is drawn
    )


def _drawn(bars: Progress) -> Stages:
    def begin(said: str, of: int | None = None) -> Done:
        task = bars.add_task(said, total=of)
        return lambda count: bars.update(task, completed=count)

    return begin
