"""
The measured process: one way of calling, doing what it is ordered to, a line of standard input at a time.

    python -m tests.benchmarks.worker WAY FOLDER [--still] [--counting]
"""

from __future__ import annotations

import cProfile
import gc
import importlib
import json
import os
import pkgutil
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from tests.benchmarks.callgrind import Counted, Valgrind
from tests.benchmarks.ways import Way
from tests.benchmarks.workloads import WORKLOADS, Clients, answered

import bursar.instrumentation
from bursar.instrumentation import flush, instrument, route
from bursar.instrumentation.link import AgentLink
from bursar.instrumentation.sync import Sync

FLUSH_SECONDS = 600.0
STILL = 1e5
"""By how much Bursar's clock-driven work is put off where it must stand still."""
FILLING, KEPT = 1_200, 2_000
"""Calls until bounded memories are full, such as that of recent responses; and calls after these."""
WARMING = 2
ASKING = 5
PROFILED = 400
Figures = dict[str, Any]


class Exchanges:
    """How often the agent was spoken to: asks, on a caller's path, and shipments, off it; asks are counted aside."""

    def __init__(self, valgrind: Valgrind | None) -> None:
        self.asks = self.shipments = 0
        post: Any = AgentLink.post
        ask: Any = Sync.ask

        def aside(*given: Any, **more: Any) -> Any:
            with valgrind.aside() if valgrind is not None else nullcontext():
                return ask(*given, **more)

        def counted(*given: Any, patient: bool = False, **more: Any) -> Any:
            if patient:
                self.shipments += 1
            else:
                self.asks += 1
            return post(*given, patient=patient, **more)

        mock.patch.object(AgentLink, "post", counted).start()
        mock.patch.object(Sync, "ask", aside).start()

    def reset(self) -> None:
        """From now on."""
        self.asks = self.shipments = 0


def stand_still() -> None:
    """
    Put off whatever Bursar does by the clock: shipping, heartbeats, asking again for figures that are a second old.

    Under valgrind a call takes fifty times as long and would meet each of these fifty times as often as it does.
    """
    package = bursar.instrumentation
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if found.ispkg:
            continue
        module = importlib.import_module(found.name)
        for name, value in tuple(vars(module).items()):
            if name.endswith("_SECONDS") and isinstance(value, int | float):
                setattr(module, name, value * STILL)


def set_up_telemetry() -> None:
    """Real providers; spans go to the SDK's base processor, which takes each and drops it, metrics to memory."""
    provider = TracerProvider()
    provider.add_span_processor(SpanProcessor())
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider(metric_readers=[InMemoryMetricReader()]))


class Worker:
    """One way of calling, and the orders that can be given to it: each is told a workload and answers figures."""

    def __init__(self, way: Way, folder: Path, *, counting: bool) -> None:
        self._folder = folder
        self._valgrind = Valgrind(folder) if counting else None
        self._exchanges = Exchanges(self._valgrind)
        self._clients = Clients(traced=way.traced)

    def warm(self, name: str) -> Figures:
        """Unmeasured calls: caches are filled, money is lent."""
        self._act(name, WARMING)
        return {}

    def time(self, name: str) -> Figures:
        """CPU seconds per call of all threads, over one round."""
        work = WORKLOADS[name]
        self._exchanges.reset()
        began, cpu_began = time.monotonic(), time.process_time()
        self._act(name, work.timed)
        spent, lasted = time.process_time() - cpu_began, time.monotonic() - began
        calls = work.timed * work.calls
        return {
            "cpu": spent / calls,
            "asks": self._exchanges.asks / calls,
            "shipments": self._exchanges.shipments / calls,
            "exchanges_per_second": (self._exchanges.asks + self._exchanges.shipments) / lasted,
        }

    def count(self, name: str) -> Figures:
        """Instructions per call; then those of counting and shipping what these calls left, per call too."""
        work, valgrind = WORKLOADS[name], self._in_valgrind()
        self._act(name, work.counted)
        flush(FLUSH_SECONDS)
        self.warm(name)
        self._exchanges.reset()
        gc.collect()
        gc.freeze()  # else one full collection, which falls where it will, is more than what is looked for
        found: list[Counted] = []
        with valgrind.counting(found):
            self._act(name, work.counted)
        asks = self._exchanges.asks
        # The background thread ships by the same function.
        with valgrind.counting(found):
            flush(FLUSH_SECONDS)
        calls = work.counted * work.calls
        left = calls + WARMING * work.calls  # nothing was shipped since before the warming
        return {
            "instructions": (found[0].main + found[0].others) / calls,
            "asking": (found[0].aside + found[0].others) / calls,
            "shipping": found[1].main / left,
            "batch": left,
            "asks": asks / calls,
        }

    def ask(self, name: str) -> Figures:
        """Instructions of one ask, by the first calls of new tenants; and those of shipping one call alone."""
        valgrind = self._in_valgrind()
        asked: list[Counted] = []
        shipped: list[Counted] = []
        flush(FLUSH_SECONDS)
        self._exchanges.reset()
        for number in range(ASKING):
            with route(tenant=f"new-{number}"), valgrind.counting(asked):
                self._act(name, 1)
            with valgrind.counting(shipped):
                flush(FLUSH_SECONDS)
        return {
            "asks": self._exchanges.asks / ASKING,
            "asking": sum(one.aside for one in asked) / max(self._exchanges.asks, 1),
            "shipping": sum(one.main for one in shipped) / ASKING,
        }

    def keep(self, name: str) -> Figures:
        """Bytes that a call leaves behind for good: what grows once bounded memories are full and all is shipped."""
        tracemalloc.start()
        before = self._kept_after(name, FILLING)
        after = self._kept_after(name, KEPT)
        tracemalloc.stop()
        return {"bytes": (after - before) / KEPT}

    def profile(self, name: str) -> Figures:
        """Where the time of calls goes, for `pstats`."""
        work = WORKLOADS[name]
        self.warm(name)
        acts = max(1, PROFILED * work.timed // WORKLOADS["small"].timed)
        profile = cProfile.Profile(time.thread_time)  # waiting for the agent is not work
        profile.runcall(self._act, name, acts)
        path = self._folder / f"{name}.pstats"
        profile.dump_stats(path)
        return {"path": str(path), "calls": acts * work.calls}

    def dump(self, name: str) -> Figures:
        """Let callgrind write down where the instructions of one act go, for `callgrind_annotate`."""
        self.warm(name)
        with self._in_valgrind().counting([], keep=True):
            self._act(name, 1)
        return {"folder": str(self._folder)}

    def end(self, _: str) -> Figures:
        """Ship the rest; how many calls were made in all, and whether the agent has booked them."""
        return {"booked": flush(FLUSH_SECONDS), "calls": answered()}

    def _in_valgrind(self) -> Valgrind:
        if self._valgrind is None:
            raise RuntimeError(
                "Instructions are counted in valgrind only; start this by `callgrind.command`, with --counting."
            )
        return self._valgrind

    def _act(self, name: str, times: int) -> None:
        act, clients = WORKLOADS[name].act, self._clients
        for _ in range(times):
            act(clients)

    def _kept_after(self, name: str, calls: int) -> int:
        self._act(name, calls // WORKLOADS[name].calls)
        flush(FLUSH_SECONDS)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


def main(way: Way, folder: Path, *, still: bool, counting: bool) -> None:
    """Set up as a real application would, then take orders until there are no more."""
    if still:
        stand_still()
    set_up_telemetry()
    worker = Worker(way, folder, counting=counting)
    if way.instrumented:
        instrument()
    for line in sys.stdin:
        order, name = line.split()
        done: Callable[[str], Figures] = getattr(worker, order)
        sys.stdout.write(json.dumps(done(name)) + "\n")
        sys.stdout.flush()
    os._exit(0)  # nothing of the teardown is measured, and in valgrind it takes long


if __name__ == "__main__":
    main(Way(sys.argv[1]), Path(sys.argv[2]), still="--still" in sys.argv, counting="--counting" in sys.argv)
