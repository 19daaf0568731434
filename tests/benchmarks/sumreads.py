"""
How long does each reading of the sums take, over thirty days of a ledger with a million attempts?

Run as `python -m tests.benchmarks.sumreads [--calls 1000000] [--json]`; docs/figures.md has what it said. The ledger is
made up as `pastmillion` says, and its sums are those of the upgrade. Each reading is told by the best of some, and by
its CPU time: other programs slow it down. In the end the exit code is 1 where one takes longer than it may.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.table import Table
from sqlite_utils import Database
from tests.benchmarks.pastmillion import DAY_SECONDS, SECOND, make

from bursar.agent.ledger import open_for_reading, spreadbook, sumbook
from bursar.agent.top.reading import Reader

CALLS = 1_000_000
MOST_SECONDS = 0.1
TIMES = 5
_HOUR_NS = 3_600 * SECOND
_DAY_NS = DAY_SECONDS * SECOND
_BERLIN = ZoneInfo("Europe/Berlin")

Reading = Callable[[Database], object]


@dataclass(frozen=True, slots=True)
class Took:
    """One reading: seconds by the clock and of CPU, the best of some."""

    name: str
    seconds: float
    cpu: float


def readings(until_ns: int) -> Mapping[str, Reading]:
    """What is measured: thirty days but where it says otherwise."""
    month = (until_ns - 30 * _DAY_NS, until_ns)
    day = (until_ns - _DAY_NS, until_ns)
    tenant, route, reader = "tenant=t1", "support.triage", Reader()
    return {
        "total": lambda db: sumbook.total(db, *month),
        "total of a tenant": lambda db: sumbook.total(db, *month, label=tenant),
        "by route": lambda db: sumbook.by(db, ["route"], *month),
        "by route and model": lambda db: sumbook.by(db, ["route", "requested_model", "model", "batch"], *month),
        "by model, of a tenant": lambda db: sumbook.by(db, ["model"], *month, label=tenant),
        "by day and route": lambda db: sumbook.series(db, "route", *month, step_seconds=DAY_SECONDS, tz=_BERLIN),
        "by hour and model": lambda db: sumbook.series(db, "model", *month, step_seconds=3_600),
        "by minute and route, a day": lambda db: sumbook.series(db, "route", *day, step_seconds=60),
        "output": lambda db: spreadbook.spread(db, "output", *month).quantile(0.95),
        "output of a route": lambda db: spreadbook.spread(db, "output", *month, route=route).quantile(0.95),
        "output by route": lambda db: spreadbook.spreads_by_route(db, "output", *month),
        "groups": lambda db: sumbook.groups(db, *month),
        "groups of a route": lambda db: sumbook.groups(db, *month, route=route),
        "labels": lambda db: sumbook.labels(db, *month),
        "a picture of bursar top": lambda db: reader.read(db, Path("ledger.sqlite"), until_ns),
    }


def measure(db: Database, name: str, reading: Reading) -> Took:
    """One reading, some times."""
    found: list[tuple[float, float]] = []
    for _ in range(TIMES):
        clock, cpu = time.perf_counter(), time.process_time()
        reading(db)
        found.append((time.perf_counter() - clock, time.process_time() - cpu))
    return Took(name, min(clock for clock, _ in found), min(cpu for _, cpu in found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the ledger, read it; 1 where a reading takes too long."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sumreads")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--json", action="store_true", help="figures for machines, on standard output")
    asked = parser.parse_args(arguments)
    until_ns = time.time_ns() // _HOUR_NS * _HOUR_NS
    with TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        path = Path(folder) / "ledger.sqlite"
        make(path, asked.calls, until_ns)
        with open_for_reading(path) as db:
            rows = {
                name: db.conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
                for name in ("attempts", "sums", "spreads", "label_days")
            }
            took = [measure(db, name, reading) for name, reading in readings(until_ns).items()]
    if asked.json:
        sys.stdout.write(json.dumps({"rows": rows, "took": [asdict(one) for one in took]}, indent=1) + "\n")
    else:
        Console().print(_table(rows, took))
    return int(any(one.cpu > MOST_SECONDS for one in took))


def _table(rows: Mapping[str, int], took: Sequence[Took]) -> Table:
    told = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=told, title_justify="left")
    for name in ("reading", "ms", "CPU ms"):
        table.add_column(name, justify="left" if name == "reading" else "right")
    for one in took:
        table.add_row(one.name, f"{one.seconds * 1e3:.1f}", f"{one.cpu * 1e3:.1f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
