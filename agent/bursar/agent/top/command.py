"""`bursar top`: what goes on in the ledger, live?"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console, RenderableType
from rich.live import Live

from bursar.agent.commands.options import answer, db_option, json_option, settings_of
from bursar.agent.commands.reach import UnreachableError, ask
from bursar.agent.ledger import LedgerError, open_for_reading
from bursar.agent.top.keys import Pressed, keys
from bursar.agent.top.picture import Picture, to_json
from bursar.agent.top.reading import Reader
from bursar.agent.top.screen import render, waiting
from bursar.policies.agentaddress import HOST, PORT

AGENT_SECONDS, PATIENCE_SECONDS = 5.0, 0.25
"""How often the agent is asked whether it is alive, and how long it may take to say so."""
RESTS = 4
"""The pause between two pictures is at least so many times what reading one took: a fifth of a core at most."""
PICTURE_COLUMNS = 110
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""What a picture would fetch from elsewhere; without it the reader's own monospaced font serves."""
_TERMINATED = 128 + signal.SIGTERM


@click.command("top")
@click.option(
    "--every", default=1.0, show_default=True, metavar="SECONDS", type=click.FloatRange(0.1, 3600), help="How often."
)
@click.option("--once", is_flag=True, help="Print it once; so too where standard output is no terminal.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), hidden=True)
@db_option
@json_option
def top_command(every: float, once: bool, picture: Path | None, db: Path | None, as_json: bool) -> None:
    """Budgets, routes and the last decisions, live. q quits."""
    settings, url = settings_of(db), os.environ.get("BURSAR_AGENT") or f"http://{HOST}:{PORT}"
    view = View(settings.db, url, settings.ca_file)
    console = Console(highlight=False, record=picture is not None, width=PICTURE_COLUMNS if picture else None)
    if as_json:
        seen = view.read()
        answer({**to_json(seen), "agent": {"url": view.agent, "alive": view.alive()}})
    elif picture is not None:
        console.print(view.draw(replace(view.read(), ledger=view.ledger.name), width=console.width))
        picture.write_text(_FONTS.sub("", console.export_svg(title="bursar top")), encoding="utf-8")
    elif once or not console.is_terminal:
        console.print(view.draw(view.read(), width=console.width))
    else:
        _live(view, console, every)


@dataclass(slots=True)
class View:
    """What is looked at, and what is known of the agent."""

    ledger: Path
    agent: str
    ca_file: Path | None = None
    clock: Callable[[], float] = time.monotonic
    clock_ns: Callable[[], int] = time.time_ns
    _reader: Reader = field(init=False, default_factory=Reader)
    _asked: float | None = field(init=False, default=None)
    _alive: bool = field(init=False, default=False)

    def read(self) -> Picture:
        """The ledger as last committed. Raises `LedgerError`."""
        with open_for_reading(self.ledger) as db:
            return self._reader.read(db, self.ledger, self.clock_ns())

    def draw(self, seen: Picture, *, width: int, height: int | None = None) -> RenderableType:
        """What was read, in a terminal of this size."""
        return render(seen, width=width, height=height, agent=self.agent, alive=self.alive())

    def frame(self, *, width: int, height: int) -> RenderableType:
        """What stands in the terminal now; where the ledger cannot be read, why: it may be on its way."""
        try:
            return self.draw(self.read(), width=width, height=height)
        except LedgerError as error:
            return waiting(str(error), width=width)

    def alive(self) -> bool:
        """Whether the agent answers, as it was asked last."""
        now = self.clock()
        if self._asked is None or now - self._asked >= AGENT_SECONDS:
            self._asked = now
            try:
                self._alive = ask(self.agent, "/healthz", ca_file=self.ca_file, seconds=PATIENCE_SECONDS)[0] == 200
            except UnreachableError:
                self._alive = False
        return self._alive


def _live(view: View, console: Console, every: float) -> None:
    """Until q or Ctrl-C; the terminal is then as it was before."""
    with _ended_by_terminate(), keys() as pressed:
        try:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                watch(view, console, every, pressed, lambda drawn: live.update(drawn, refresh=True))
        except KeyboardInterrupt:
            return


def watch(
    view: View, console: Console, every: float, pressed: Pressed, show: Callable[[RenderableType], object]
) -> None:
    """One picture after the other, until q is pressed."""
    while True:
        began = view.clock()
        show(view.frame(width=console.width, height=console.height))
        took = view.clock() - began
        if "q" in pressed(max(every - took, RESTS * took)).lower():
            return


@contextmanager
def _ended_by_terminate() -> Generator[None]:
    """SIGTERM ends it as an exception would, so that the terminal is left in order."""

    def end(_: int, __: FrameType | None) -> NoReturn:
        sys.exit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
