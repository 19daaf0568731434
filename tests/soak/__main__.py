"""
Budgets hold: measured, not asserted. `python -m tests.soak [NAME ...] [--small] [--json] [--seeds N] [--first SEED]`.

Prints a table for each figure, and ends with 1 if a claim does not hold. With `--keep FOLDER` what is done is kept part
by part: the next run of the same code goes on from there, and its figures are over all. `--minutes N` ends it sooner.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID
from tests.benchmarks import decisions
from tests.soak import badinput, batches, killpoints, modelcheck, storm, trimming, windows
from tests.soak.figure import Figure
from tests.soak.parts import Parts
from tests.soak.tables import show


@dataclass(frozen=True, slots=True)
class Soak:
    """One figure, and how large it is measured."""

    measure: Callable[..., Figure]
    full: int
    small: int
    in_parts: bool = False


SOAKS: Mapping[str, Soak] = {
    "storm": Soak(storm.measure, full=1_000, small=3, in_parts=True),
    "trimming": Soak(trimming.measure, full=1_000_000, small=200, in_parts=True),
    "modelcheck": Soak(modelcheck.measure, full=20_000, small=20, in_parts=True),
    "killpoints": Soak(killpoints.measure, full=10_000, small=24, in_parts=True),
    "windows": Soak(windows.measure, full=1, small=1),
    "batches": Soak(batches.measure, full=1_000, small=8),
    "badinput": Soak(badinput.measure, full=20_000, small=200),
    "decisions": Soak(decisions.measure, full=20_000, small=500),
}


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for; the exit code."""
    asked = _parse(arguments)
    logging.disable()  # of journals that are adopted, thousands of times
    console = Console(stderr=True)
    folder = Path(asked.keep) if asked.keep else None
    figures: list[Figure] = []
    for name in asked.names or SOAKS:
        soak = SOAKS[name]
        size: int = asked.seeds or (soak.small if asked.small else soak.full)
        with Progress(console=console, transient=True) as progress:
            show_progress = partial(_show_progress, progress, progress.add_task(name, total=None))
            kept = {"parts": Parts(folder, time.monotonic() + 60 * asked.minutes)} if soak.in_parts else {}
            figure = soak.measure(size, first=asked.first, progress=show_progress, **kept)
        figures.append(figure)
        if not asked.json:
            show(Console(width=200), figure)
    if asked.json:
        sys.stdout.write(json.dumps({figure.name: _plain(figure) for figure in figures}, indent=1) + "\n")
    return 0 if all(figure.holds for figure in figures) else 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").strip())
    parser.add_argument("names", nargs="*", choices=[*SOAKS, []], metavar="NAME", help=", ".join(SOAKS))
    parser.add_argument("--small", action="store_true", help="as small as in the tests")
    parser.add_argument("--json", action="store_true", help="figures for machines, on standard output")
    parser.add_argument("--seeds", type=int, default=0, help="so many seeds, schedules, deaths or decisions")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--keep", default="", metavar="FOLDER", help="keep what is done, and go on from what is there")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of each figure: begin nothing later")
    return parser.parse_args(arguments)


def _show_progress(progress: Progress, task: TaskID, done: int, of: int) -> None:
    progress.update(task, completed=done, total=of)


def _plain(figure: Figure) -> dict[str, object]:
    claims = [{"text": claim.text, "holds": claim.holds} for claim in figure.claims]
    return {"title": figure.title, "claims": claims, "numbers": figure.numbers, "again": list(figure.repeat)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
