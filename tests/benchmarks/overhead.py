"""
What a call costs with Bursar, as a ratio to the bare SDK: process CPU time, medians of interleaved rounds.

    .venv/bin/python tests/benchmarks/overhead.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bursar.instrumentation import instrument, uninstrument

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.instrumentation.scene import ASK, client

CALLS = 40
LARGE: Any = {**ASK, "system": "All work is described here. " * 4_000}

Act = Callable[[Any], object]
ACTS: dict[str, Act] = {
    "create, small": lambda c: c.messages.create(**ASK),
    "create, 100 kB system prompt": lambda c: c.messages.create(**LARGE),
    "stream": lambda c: list(c.messages.create(**ASK, stream=True)),
}
WAYS = ("bare", "the SDK's tracing", "and Bursar")


def cpu(act: Act, way: str, folder: str) -> float:
    """CPU seconds of so many calls, one way."""
    subject = client(open_telemetry=False if way == "bare" else {})
    if way == "and Bursar":
        instrument(environ={"BURSAR_STATE_DIR": folder})
    try:
        act(subject)
        began = time.process_time()
        for _ in range(CALLS):
            act(subject)
        return time.process_time() - began
    finally:
        uninstrument()


def main(rounds: int) -> None:
    """Print the table."""
    trace.set_tracer_provider(TracerProvider())
    table = Table("", "bare, ms of CPU a call", *(f"{way}, ratio" for way in WAYS[1:]))
    with TemporaryDirectory() as folder:
        for name, act in ACTS.items():
            found: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in track(range(rounds), description=name, transient=True):
                for way in WAYS:
                    found[way].append(cpu(act, way, folder))
            medians = {way: statistics.median(values) for way, values in found.items()}
            ratios = (f"{medians[way] / medians['bare']:.3f}" for way in WAYS[1:])
            table.add_row(name, f"{medians['bare'] / CALLS * 1e3:.2f}", *ratios)
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
