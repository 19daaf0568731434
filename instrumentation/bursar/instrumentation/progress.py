"""How far is a long list? Told on standard error: with Rich's bar where Rich is installed, else in plain lines."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Protocol, TextIO

TENTHS = 10


class Progress(Protocol):
    """Who is told how far a list is."""

    def stage(self, text: str) -> None:
        """What is done now."""
        ...

    def done(self, count: int) -> None:
        """So many more requests have their answer."""
        ...

    def close(self) -> None:
        """It is over."""
        ...


class Silent:
    """Nobody looks."""

    def stage(self, text: str) -> None:
        """Not told."""

    def done(self, count: int) -> None:
        """Not told."""

    def close(self) -> None:
        """Nothing to end."""


class Lines:
    """One line for each stage, and each tenth of the answers."""

    def __init__(self, total: int, out: TextIO) -> None:
        self._total, self._out = total, out
        self._done = self._tenths = 0
        self._stage = ""

    def stage(self, text: str) -> None:
        """What is done now, once."""
        if text != self._stage:
            self._stage = text
            self._write(text)

    def done(self, count: int) -> None:
        """A line, where another tenth is full."""
        self._done += count
        tenths = self._done * TENTHS // max(self._total, 1)
        if tenths > self._tenths:
            self._tenths = tenths
            self._write("answered")

    def close(self) -> None:
        """The lines stand."""

    def _write(self, text: str) -> None:
        self._out.write(f"map_batch: {self._done:,} of {self._total:,}, {text}\n")
        self._out.flush()


class Bar:
    """Rich's progress bar, on standard error."""

    def __init__(self, rich: Any, console: Any, total: int) -> None:
        self._bar = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task("map_batch", total=total)
        self._bar.start()

    def stage(self, text: str) -> None:
        """What is done now."""
        self._bar.update(self._task, description=text)

    def done(self, count: int) -> None:
        """Move on."""
        self._bar.advance(self._task, count)

    def close(self) -> None:
        """The bar stays as it is."""
        self._bar.stop()


def progress_of(total: int, wanted: bool | None, out: TextIO | None = None) -> Progress:
    """Whom to tell: by default nobody, unless `out` (standard error) is a terminal; `wanted` says so in any case."""
    told: TextIO | None = sys.stderr if out is None else out
    # A process without a console may have no standard error.
    if told is None or wanted is False or (wanted is None and not told.isatty()):
        return Silent()
    return _shown(total, told)


def _shown(total: int, out: TextIO) -> Progress:
    if out.isatty():
        try:
            rich, console = import_module("rich.progress"), import_module("rich.console")
        except ImportError:
            return Lines(total, out)
        return Bar(rich, console.Console(file=out), total)
    return Lines(total, out)
