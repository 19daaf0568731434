"""Where a call's CPU time goes, by Python function: for whoever makes it cheaper."""

from __future__ import annotations

import pstats
from pathlib import PurePath
from typing import Any, cast

from rich import box
from rich.console import Console
from rich.table import Table
from tests.benchmarks.process import House, process
from tests.benchmarks.ways import Way

SHOWN = 45


def show_hotspots(console: Console, house: House, name: str, way: Way) -> None:
    """Profile so many calls with the clock standing still, and print Bursar's functions, then everybody's."""
    with process(way, house, still=True) as one:
        found = one.order("profile", name)
        stats = cast(Any, pstats.Stats(found["path"])).stats
    calls: int = found["calls"]
    rows = [(_place(*place), counts[1], counts[2], counts[3]) for place, counts in stats.items()]
    total = max(inclusive for _, _, _, inclusive in rows)
    console.print(f"{total / calls * 1e6:,.0f} µs of CPU a call under the profiler, over {calls} calls.")
    ours = sorted((row for row in rows if row[0].startswith("bursar")), key=lambda row: -row[3])
    console.print(_table("Bursar's functions, by time with what they call", ours[:SHOWN], calls, total))
    console.print(_table("All functions, by their own time", sorted(rows, key=lambda r: -r[2])[:SHOWN], calls, total))


def _place(file: str, line: int, function: str) -> str:
    """`bursar/…/guard.py:12 admit` for ours, the file's last two parts for others."""
    parts = PurePath(file).parts
    if "bursar" in parts:
        start = len(parts) - 1 - parts[::-1].index("bursar")
        return f"{'/'.join(parts[start:])}:{line} {function}"
    return f"{'/'.join(parts[-2:])}:{line} {function}"


def _table(title: str, rows: list[tuple[str, int, float, float]], calls: int, total: float) -> Table:
    table = Table(title=title, title_justify="left", box=box.MARKDOWN)
    table.add_column("function")
    for head in ("times a call", "own µs", "µs with callees", "share"):
        table.add_column(head, justify="right")
    for place, times, own, inclusive in rows:
        figures = (f"{own / calls * 1e6:.1f}", f"{inclusive / calls * 1e6:.1f}", f"{inclusive / total:.1%}")
        table.add_row(place, f"{times / calls:.1f}", *figures)
    return table
