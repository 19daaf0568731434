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
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from tests.benchmarks.callgrind import Counted, Valgrind
from tests.benchmarks.ways import Way
from tests.benchmarks.workloads import WORKLOADS, Clients, answered, create_conversation

import bursar.instrumentation
from bursar.instrumentation import flush, instrument, route, rules
from bursar.instrumentation.fingerprinting import Fingerprinting
from bursar.instrumentation.link import AgentLink
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.runtime import current_runtime
from bursar.instrumentation.sync import Sync
from bursar.policies import fingerprint
from bursar.policies.protocol import Snapshot

FLUSH_SECONDS = 600.0
KEY = "5a" * 16
"""Of fingerprints."""
WORKED_SECONDS = 20.0
"""How long calls are made without a break, for what the worker of fingerprints takes."""
STILL = 1e5
"""By how much Bursar's clock-driven work is put off where it must stand still."""
FILLING, KEPT = 1_200, 2_000
"""Calls until bounded memories are full, such as that of recent responses; and calls after these."""
WARMING = 2
ASKING = 5
PROFILED = 400
Figures = dict[str, Any]


class Exchanges:
    """
    How often the agent was spoken to: asks, on a caller's path, and shipments, off it; asks are counted aside.

    Fingerprints are counted and go no further: what they cost the agent is none of this.
    """

    def __init__(self, valgrind: Valgrind | None) -> None:
        self.asks = self.shipments = self.prints = 0
        post: Any = AgentLink.post
        ask: Any = Sync.ask

        def aside(*given: Any, **more: Any) -> Any:
            with valgrind.aside() if valgrind is not None else nullcontext():
                return ask(*given, **more)

        def counted(*given: Any, patient: bool = False, **more: Any) -> Any:
            if given[1] == fingerprint.PATH:
                self.prints += len(json.loads(given[2])["prints"])
                return {}
            if patient:
                self.shipments += 1
            else:
                self.asks += 1
            return post(*given, patient=patient, **more)

        mock.patch.object(AgentLink, "post", counted).start()
        mock.patch.object(Sync, "ask", aside).start()

    def reset(self) -> None:
        """From now on."""
        self.asks = self.shipments = self.prints = 0


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
        with valgrind.counting(found):
            self._take_prints()
        # The background thread ships by the same function.
        with valgrind.counting(found):
            flush(FLUSH_SECONDS)
        calls = work.counted * work.calls
        left = calls + WARMING * work.calls  # nothing was shipped since before the warming
        return {
            "instructions": (found[0].main + found[0].others) / calls,
            "asking": (found[0].aside + found[0].others) / calls,
            "prints": found[1].main / left,
            "shipping": found[2].main / left,
            "batch": left,
            "asks": asks / calls,
        }

    def work(self, _: str) -> Figures:
        """What the worker of fingerprints takes of calls without a break, each of a conversation of its own."""
        self._take_prints()
        self._exchanges.reset()
        prints = _prints()
        spent, made = prints.spent, 0
        began = time.monotonic()
        while time.monotonic() - began < WORKED_SECONDS:
            create_conversation(self._clients)
            made += 1
        lasted = time.monotonic() - began
        return {
            "worked": prints.spent - spent,
            "seconds": lasted,
            "share": prints.share,
            "told": self._exchanges.prints,
            "calls": made,
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

    def _take_prints(self) -> None:
        """Look at all prompts that wait, if any do."""
        runtime = current_runtime()
        if runtime is not None and runtime.prints is not None:
            runtime.prints.flush(FLUSH_SECONDS)

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


def _prints() -> Fingerprinting:
    runtime = current_runtime()
    if runtime is None or runtime.prints is None:
        raise RuntimeError("This way of calling takes no fingerprints; order it of `prints`.")
    return runtime.prints


def want_fingerprints(*, wanted: bool) -> None:
    """Have the agent's rules ask for fingerprints, or not, whatever the agent says."""
    read: Any = rules.rules_of

    def asking(snapshot: Snapshot, fallback: Rules) -> Rules:
        found: Rules = read(snapshot, fallback)
        return replace(found, fingerprint_key=KEY if wanted else "")

    mock.patch.object(bursar.instrumentation.runtime, "rules_of", asking).start()


def main(way: Way, folder: Path, *, still: bool, counting: bool) -> None:
    """Set up as a real application would, then take orders until there are no more."""
    if still:
        stand_still()
    set_up_telemetry()
    want_fingerprints(wanted=way is Way.PRINTS)
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
