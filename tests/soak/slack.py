"""Slack out for an hour while a hundred thousand crossings happen: `python -m tests.soak.slack [CROSSINGS]`."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from tests.agent.alerting.outage import HOUR, Figures, Outage, expected

CROSSINGS = 100_000
RESTARTS = (HOUR // 4, HOUR // 2, HOUR * 3 // 4)


def main(crossings: int = CROSSINGS) -> int:
    """Print what came of it, as one table; 1 where a message is missing or came twice."""
    logging.getLogger("bursar").setLevel(logging.ERROR)  # each try that fails is a warning, and here most do
    with tempfile.TemporaryDirectory() as folder:
        figures = Outage(Path(folder), crossings=crossings, restarts=RESTARTS, step=5).run()
    Console(width=120).print(_table(figures))
    return 0 if holds(figures) else 1


def holds(figures: Figures) -> bool:
    """Whether every alert was taken exactly once, and none is left."""
    return figures.taken == Counter(expected()) and figures.pending == 0 and figures.taken_during == 0


def _table(figures: Figures) -> Table:
    table = Table(title="Slack and a webhook out for an hour", title_justify="left", box=box.MARKDOWN)
    table.add_column("figure")
    table.add_column("value", justify="right")
    wanted = expected()
    missing = len(wanted - set(figures.taken))
    more = sum(figures.taken.values()) - len(set(figures.taken) & wanted)
    for name, value in (
        ("crossings booked", f"{figures.crossings:,}"),
        ("restarts of the agent", f"{figures.restarts}"),
        ("answers", ", ".join(f"{mood}: {count:,}" for mood, count in sorted(figures.answers.items()))),
        ("messages due (balance, window, step, channel)", f"{len(wanted)}"),
        ("of them taken exactly once", f"{sum(figures.taken[told] == 1 for told in wanted)}"),
        ("missing", f"{missing}"),
        ("taken beyond one each", f"{more}"),
        ("tries kept, of them accepted, broken off", f"{figures.tries:,}, {figures.accepted}, {figures.broken_off}"),
        ("the last one arrived after the recovery", f"{figures.recovered_after} s"),
        ("took", f"{figures.seconds:.0f} s"),
    ):
        table.add_row(name, value)
    return table


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else CROSSINGS))
