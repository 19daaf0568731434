"""What is measured in which order: instructions and memory two processes at a time, then time in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Any

from tests.benchmarks.process import House, Process, process
from tests.benchmarks.ways import Way

Figures = dict[str, Any]
Found = dict[tuple[str, Way], Figures]
"""Figures by workload and way."""
Step = Callable[[], None]
"""Told whenever something is measured."""

SMALL = "small"
AT_ONCE = 2


class Stages:
    """One run over some workloads and ways. What a process of Bursar's made is added to `calls` when it ends."""

    def __init__(self, house: House, names: Sequence[str], ways: Sequence[Way]) -> None:
        self.house, self.names, self.ways = house, names, ways
        self.counts: Found = {}
        self.times: Found = {}
        self.kept: dict[Way, float] = {}
        self.asking: Figures = {}
        self.working: Figures = {}
        self.calls = 0
        self.booked = True

    def rehearse(self, step: Step) -> None:
        """Every workload as Bursar meets it, unmeasured: what does not work is known before minutes are spent on it."""
        for way in self.ways:
            if way.instrumented:
                with process(way, self.house) as one:
                    for name in self.names:
                        one.order("warm", name)
                        step()
                    self._end(way, one)

    @property
    def keepers(self) -> list[Way]:
        """The ways whose kept memory is worth knowing: Bursar's, and the tracing's that it stands on."""
        return [way for way in (Way.BURSAR, Way.SDK) if way in self.ways and SMALL in self.names]

    def count(self, step: Step) -> None:
        """Instructions."""
        # The longest first, so that both processors are busy to the end.
        longest = sorted(self.ways, key=lambda way: not way.instrumented)
        _at_once([partial(self._count, way, step) for way in longest])

    def keep(self, step: Step) -> None:
        """Memory kept."""
        _at_once([partial(self._keep, way, step) for way in self.keepers])

    def work(self, step: Step) -> None:
        """What the worker of fingerprints takes of large calls without a break."""
        with process(Way.PRINTS, self.house) as one:
            one.order("warm", self.names[0])
            self.working = one.order("work")
            self._end(Way.PRINTS, one)
        step()

    def time(self, rounds: int, step: Step) -> None:
        """CPU time: every way in turn, so many times; the medians."""
        with ExitStack() as stack:
            processes = {way: stack.enter_context(process(way, self.house)) for way in self.ways}
            for name in self.names:
                for one in processes.values():
                    one.order("warm", name)
                seen: dict[Way, list[Figures]] = {way: [] for way in self.ways}
                for _ in range(rounds):
                    for way, one in processes.items():
                        seen[way].append(one.order("time", name))
                    step()
                for way, figures in seen.items():
                    self.times[name, way] = {key: median(one[key] for one in figures) for key in figures[0]}
            for way, one in processes.items():
                self._end(way, one)

    def _count(self, way: Way, step: Step) -> None:
        with process(way, self.house, counting=True) as one:
            for name in self.names:
                self.counts[name, way] = one.order("count", name)
                step()
            if way is Way.BURSAR and SMALL in self.names:
                self.asking = one.order("ask", SMALL)
            self._end(way, one)

    def _keep(self, way: Way, step: Step) -> None:
        with process(way, self.house) as one:
            self.kept[way] = one.order("keep", SMALL)["bytes"]
            self._end(way, one)
        step()

    def _end(self, way: Way, one: Process) -> None:
        if way.instrumented:
            figures = one.order("end")
            self.calls += figures["calls"]
            self.booked = self.booked and figures["booked"]


def _at_once(tasks: Sequence[Step]) -> None:
    """Two at a time: neither instructions nor memory are moved by a busy machine."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()
