"""
Is what `bursar advise` predicts what the bill shows once its marks are set? On generated and on recorded traffic.

Run as `python -m tests.savings`; docs/figures.md has what it said. Each day is played twice at a sandbox of its own,
under both readings of what a hit in the cache refreshes. Exit code 1 where a prediction is off by more than 2%.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text
from tests.savings import generated, rebuilt
from tests.savings.adviser import advised
from tests.savings.prints import Blur
from tests.savings.proof import MOST_ERROR, Proof, prove
from tests.savings.trying import best
from tests.savings.workload import Workload

from bursar.agent.sandbox import Refresh

MOVED = "claude-haiku-5-5"
"""Caches from 512 tokens on: most recorded prompts are too short for the models that they were sent to."""


@dataclass(frozen=True, slots=True)
class Row:
    """A proof, and what the best of all sets of marks would have saved, where they were tried. Nano-dollars."""

    proof: Proof
    best: int | None

    def to_json(self) -> dict[str, object]:
        """As the command prints it."""
        proof = self.proof
        return {
            "day": proof.name,
            "refresh": proof.refresh.value,
            "calls": proof.calls,
            "left_out": len(proof.left_out),
            "bill_nano_usd": proof.bill,
            "predicted_nano_usd": proof.predicted,
            "realised_nano_usd": proof.realised,
            "best_nano_usd": self.best,
            "holds": proof.holds,
            "marks": {model: [str(mark) for mark in marks] for model, marks in proof.marks.items()},
            "refused_as_advised": list(proof.broken),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table of each rule; 1 where one day's prediction does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.savings", description=__doc__)
    parser.add_argument("names", nargs="*", help="Days whose names have these words in them; without, all.")
    parser.add_argument("--share", type=float, default=1.0, help="Of each generated day, only the first part.")
    parser.add_argument("--alone", action="store_true", help="Recorded conversations only, each a route of its own.")
    parser.add_argument("--off", type=float, default=0.0, help="Put estimates of tokens off by up to this share.")
    parser.add_argument("--told", type=float, default=1.0, help="Share of conversations with fingerprints.")
    parser.add_argument("--best", action="store_true", help="Also try all sets of marks, to hold the advice against.")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    days = [
        day
        for day in _days(asked.share, alone=asked.alone)
        if not asked.names or any(word in day.name for word in asked.names)
    ]
    rows = _proved(days, Blur(asked.off, asked.told), tried=asked.best)
    if asked.json:
        sys.stdout.write(json.dumps([row.to_json() for row in rows]) + "\n")
    else:
        console = Console()
        for refresh in Refresh:
            console.print(_table(refresh, [row for row in rows if row.proof.refresh is refresh]))
    if not rebuilt.RECORDED.exists():
        sys.stderr.write("The recorded traffic does not lie beside this checkout: its conversations were left out.\n")
    return 0 if rows and all(row.proof.holds for row in rows) else 1


def _days(share: float, *, alone: bool) -> list[Workload]:
    if alone:
        return [*rebuilt.alone(), *rebuilt.alone(MOVED)]
    return [*generated.workloads(share), *rebuilt.workloads(), *rebuilt.workloads(MOVED)]


def _proved(days: Sequence[Workload], blur: Blur, *, tried: bool) -> list[Row]:
    rows: list[Row] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for day in progress.track(days, description="days"):
            for refresh in Refresh:
                proof = prove(day, refresh, advised, blur)
                rows.append(Row(proof, _best(day, proof) if tried else None))
    return rows


def _best(day: Workload, proof: Proof) -> int:
    served = [ask for number, ask in enumerate(day.asks) if number not in proof.left_out]
    return proof.bill - sum(one.nano for one in best(served, proof.refresh).values())


def _table(refresh: Refresh, rows: Sequence[Row]) -> Table:
    worst = max((row.proof.error for row in rows), default=0.0)
    held = sum(row.proof.holds for row in rows)
    table = Table(title=f"A hit refreshes: {refresh}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.caption = f"{held} of {len(rows)} within {MOST_ERROR:.0%}; the worst is off by {worst:.2%}"
    table.add_column("day: marks advised", overflow="fold")
    tried = any(row.best is not None for row in rows)
    for head in ("calls", "USD", "predicted", "realised", "off", *(["of best"] if tried else [])):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        proof = row.proof
        table.add_row(
            Text(f"{proof.name}: {_marks(proof)}"),
            f"{proof.calls - len(proof.left_out):,}",
            *(f"{nano / 1e9:.4f}" for nano in (proof.bill, proof.predicted, proof.realised)),
            Text(f"{proof.error:.2%}", "green" if proof.holds else "red"),
            *([f"{proof.realised / row.best:.1%}" if row.best else "-"] if tried else []),
        )
    return table


def _marks(proof: Proof) -> str:
    told = {", ".join(map(str, marks)) or "none" for marks in proof.marks.values()}
    return "; ".join(sorted(told)) or "as it is"


if __name__ == "__main__":
    sys.exit(main())
