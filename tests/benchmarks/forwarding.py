"""
What does passing spans on cost the sender, and how fast does an outage of the receiver come in again?

Run as `python -m tests.benchmarks.forwarding [--spans N] [--json]`; docs/figures.md has what it said. Spans are like
those of the SDK's own tracing, each of a call of its own. An agent in a process of its own takes them over four
connections, 512 and 16 to a request: first without a [[forward]], then with one whose receiver is away, so that all of
them are on the disk. Then the receiver comes back. In the end it must have each span once, and the queue be empty; else
the exit code is 1.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich import box
from rich.console import Console
from rich.table import Table
from tests.agent.forward.received import SDK, call, export

from bursar.agent.ledger.forwardtables import path_beside, states

CONNECTIONS = 4
SIZES = (512, 16)
PATIENCE_SECONDS = 600
_TOP = 'version = 1\nmode = "observe"\n'
_FORWARD = '[[forward]]\nname = "away"\nkind = "otlp"\nurl = "{url}"\n'


@dataclass(frozen=True, slots=True)
class Passed:
    """Spans a second, and what waited."""

    size: int
    """Spans to a request."""
    alone: float
    """Taken without a [[forward]]."""
    kept: float
    """Taken with one."""
    queue_mb: float
    """What the queue's file had when all of them waited."""
    sent: float
    """From the moment that the receiver was back to the last span."""
    once: bool
    """Whether it has each span once."""


class Receiver:
    """Away, or there: then it counts spans by their id."""

    def __init__(self) -> None:
        self.away = True
        self.seen: Counter[bytes] = Counter()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if not receiver.away:
                    request = ExportTraceServiceRequest.FromString(body)
                    scopes = (scope for one in request.resource_spans for scope in one.scope_spans)
                    receiver.seen.update(span.span_id for scope in scopes for span in scope.spans)
                self.send_response(503 if receiver.away else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Says nothing."""

        return Handler


def main(arguments: Sequence[str]) -> int:
    """Measure both sizes; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.forwarding")
    parser.add_argument("--spans", type=int, default=20_000, help="spans of each size")
    parser.add_argument("--json", action="store_true", help="figures for machines, on standard output")
    asked = parser.parse_args(arguments)
    found = [measure(size, asked.spans) for size in SIZES]
    if asked.json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    else:
        Console(width=100).print(_table(found))
    return 0 if all(one.once for one in found) else 1


def measure(size: int, spans: int) -> Passed:
    """One size of request."""
    bodies = [
        export((SDK, [call(number) for number in range(first, min(first + size, spans + 1))])).SerializeToString()
        for first in range(1, spans + 1, size)
    ]
    with _agent(_TOP) as (url, _):
        alone = spans / _seconds(lambda: _post(url, bodies))
    receiver = Receiver()
    try:
        with _agent(_TOP + _FORWARD.format(url=receiver.url)) as (url, queue):
            kept = spans / _seconds(lambda: _post(url, bodies))
            waiting_mb = queue.stat().st_size / 10**6
            receiver.away = False
            sent = spans / _seconds(lambda: _until_empty(queue))
        once = len(receiver.seen) == spans and set(receiver.seen.values()) == {1}
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
    return Passed(size, alone, kept, waiting_mb, sent, once)


@contextmanager
def _agent(policy: str) -> Generator[tuple[str, Path]]:
    """A real agent process: its URL, and where its queue is."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bursar.toml").write_text(policy)
        command = [sys.executable, "-m", "bursar.agent", "agent", "--policy", str(folder / "bursar.toml")]
        command += ["--db", str(folder / "db"), "--listen", "127.0.0.1:0"]
        environ = {**os.environ, "BURSAR_STATE_DIR": name, "NO_PROXY": "*"}
        process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            ready = next(line for line in process.stderr if "ready at" in line)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield ready.split("ready at ")[1].split(",")[0], path_beside(folder / "db")
        finally:
            process.kill()
            process.wait()


def _post(url: str, bodies: Sequence[bytes]) -> None:
    """Send all of it over a few connections, each body until it is taken."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for sending in [pool.submit(_send, url, bodies[place::CONNECTIONS]) for place in range(CONNECTIONS)]:
            sending.result()


def _send(url: str, bodies: Iterable[bytes]) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    for body in bodies:
        taken = False
        while not taken:
            connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            answer = connection.getresponse()
            answer.read()
            taken = answer.status == 200
            if not taken:
                time.sleep(float(answer.headers.get("retry-after", "0")))
    connection.close()


def _until_empty(queue: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while any(state.spans for state in states(queue)) and time.monotonic() < until:
        time.sleep(0.02)


def _seconds(do: Callable[[], object]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def _table(found: Sequence[Passed]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("to a request", "alone, spans/s", "kept, spans/s", "share", "waiting, MB", "sent, spans/s", "once"):
        table.add_column(title, justify="right")
    for one in found:
        table.add_row(
            str(one.size),
            f"{one.alone:,.0f}",
            f"{one.kept:,.0f}",
            f"{one.kept / one.alone:.2f}",
            f"{one.queue_mb:.1f}",
            f"{one.sent:,.0f}",
            "yes" if one.once else "NO",
        )
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
