"""
How long does a guard wait for its answer while exports of 8,192 spans pour in?

Run as `python -m tests.benchmarks.beside [--exports N] [--size N] [--json]`; docs/figures.md has what it said. An agent
in a process of its own takes exports over four connections; a guard syncs one call's records at a time, ten
milliseconds after each answer. Told is how long its answers took while exports were on their way, and before: one
that comes after a second is one that an application has waited for in vain. In the end the ledger must hold every span
and every call once; else the exit code is 1.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from tests.benchmarks import household
from tests.benchmarks.ingest import CONNECTIONS, requests, send_all

from bursar.policies import protocol, records
from bursar.policies.charge import Basis, Charge
from bursar.policies.protocol import Holder, SyncRequest
from bursar.policies.records import Settled
from bursar.policies.usage import Usage

SIZE = 8_192
QUIET_SYNCS = 50
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Waited:
    """Milliseconds that syncs took."""

    syncs: int
    median: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class Found:
    """One run."""

    quiet: Waited
    busy: Waited
    spans_per_second: float
    whole: bool
    """Whether the ledger has everything once."""


def main(arguments: Sequence[str]) -> int:
    """Measure; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.beside")
    parser.add_argument("--exports", type=int, default=12)
    parser.add_argument("--size", type=int, default=SIZE, help="spans of each")
    parser.add_argument("--json", action="store_true", help="figures for machines, on standard output")
    asked = parser.parse_args(arguments)
    found = measure(asked.exports, asked.size)
    sys.stdout.write(json.dumps(asdict(found), indent=1) + "\n" if asked.json else _told(found))
    return 0 if found.whole else 1


def measure(exports: int, size: int) -> Found:
    """So many exports of so many spans, after a while without."""
    bodies = list(requests(exports * size, size))
    with TemporaryDirectory() as name:
        folder = Path(name)
        with household.agent(folder, policy="") as url, ThreadPoolExecutor(1) as pool:
            guard = _Guard(url)
            quiet = [guard.sync() for _ in range(QUIET_SYNCS)]
            over = threading.Event()
            syncing = pool.submit(guard.until, over)
            began = time.perf_counter()
            send_all(url, bodies)
            seconds = time.perf_counter() - began
            over.set()
            busy = syncing.result()
        total = household.booked(folder)
    whole = total.calls == exports * size + len(quiet) + len(busy) and not total.unknown
    return Found(_waited(quiet), _waited(busy), exports * size / seconds, whole)


class _Guard:
    """A process that tells of one call after the other."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._holder = Holder("guard", 1, "elsewhere", 1)
        self._seq = 0

    def until(self, over: threading.Event) -> list[float]:
        """Seconds that each took, one after the other."""
        took: list[float] = []
        while not over.is_set():
            took.append(self.sync())
            time.sleep(_PAUSE_SECONDS)
        return took

    def sync(self) -> float:
        """Seconds from question to answer."""
        self._seq += 1
        body = protocol.to_body(SyncRequest(self._holder, self._seq), [records.to_line(self._settled())])
        began = time.perf_counter()
        self._connection.request("POST", protocol.PATH, body)
        answer = self._connection.getresponse()
        said = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"the agent answered {answer.status}: {said!r}")
        return took

    def _settled(self) -> Settled:
        usage = Usage(input=100, output=10)
        name = f"sync-{self._seq}"
        return Settled(
            Charge(
                name,
                450_000,
                usage,
                Basis.USAGE,
                "claude-sonnet-5-5",
                "claude-sonnet-5-5",
                "desk",
                at_ns=time.time_ns(),
            )
        )


def _waited(seconds: Sequence[float]) -> Waited:
    found = sorted(1_000 * one for one in seconds)
    return Waited(len(found), statistics.median(found), found[len(found) * 99 // 100], found[-1])


def _told(found: Found) -> str:
    lines = [
        f"{name}: {one.syncs} syncs, median {one.median:.1f} ms, 99% {one.p99:.1f} ms, the longest {one.most:.1f} ms"
        for name, one in (("without exports", found.quiet), (f"with, over {CONNECTIONS} connections", found.busy))
    ]
    each = "yes" if found.whole else "no"
    return "\n".join([*lines, f"{found.spans_per_second:,.0f} spans a second; everything once: {each}", ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
