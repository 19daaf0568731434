"""
How many spans a second reach the ledger over OTLP, beside what SQLite and protobuf alone manage in the same run?

Run as `python -m tests.benchmarks.ingest [--spans N] [--rounds N] [--policy] [--json]`; docs/figures.md has what it
said. Spans are like those of the SDK's own tracing, each of a call of its own, in protobuf. An agent in a process of
its own takes them over four connections, 512 and 16 to a request; counted is the time from the first byte to the last
200, which says that they are on the disk. Both sizes take turns, and told are the medians of all rounds. Beside each,
on the same machine right after:

- the bare `executemany`: the rows that the agent has made of these spans, put into an empty table of the same columns
  and indexes, WAL and synchronous FULL as the ledger's, with a commit for each request's worth of them;
- the bare parse: the same bodies through protobuf's own parser.

A busy machine slows the agent more than what runs beside it alone, so the same share is told by CPU time as well: the
agent's, less that of an agent that takes nothing, against that of the bare executemany.

Last comes a crowd: as many spans over 32 connections, which is more than an agent takes at a time. How often a sender
was told to wait, and how much memory the agent had at the most.

In the end each ledger must hold each span once, priced; else the exit code is 1.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from rich import box
from rich.console import Console
from rich.table import Table
from tests.benchmarks import household
from tests.soak.badinput import memory

CONNECTIONS = 4
CROWD = 32
SIZES = (512, 16)
GOAL = 0.13
"""Of the bare executemany."""
PATIENCE_SECONDS = 600
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Speed:
    """Spans a second, by what takes them."""

    size: int
    ledger: float
    executemany: float
    parse: float
    cpu_share: float
    """The bare executemany's CPU time as a share of the agent's."""
    whole: bool
    """Whether the ledger has each span once, priced."""
    share: float
    """Of the bare executemany."""


def main(arguments: Sequence[str]) -> int:
    """Measure both sizes; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ingest")
    parser.add_argument("--spans", type=int, default=40_000, help="spans of each size")
    parser.add_argument("--policy", action="store_true", help="with three budgets that every span meets")
    parser.add_argument("--json", action="store_true", help="figures for machines, on standard output")
    parser.add_argument("--rounds", type=int, default=3, help="of both sizes in turn")
    asked = parser.parse_args(arguments)
    rounds = [[measure(size, asked.spans, policy=asked.policy) for size in SIZES] for _ in range(asked.rounds)]
    speeds = [_median(of_size) for of_size in zip(*rounds, strict=True)]
    crowded = crowd(asked.spans, policy=asked.policy)
    if asked.json:
        told = {"speeds": [asdict(speed) for speed in speeds], "crowd": asdict(crowded)}
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
    else:
        console = Console()
        console.print(_table(speeds))
        console.print(
            f"{CROWD} connections, {SIZES[0]} spans a request: told to wait {crowded.waits:,} times, at most "
            f"{crowded.megabytes} MB, each once: {'yes' if crowded.whole else 'no'}"
        )
    return 0 if crowded.whole and all(speed.whole for speed in speeds) else 1


@dataclass(frozen=True, slots=True)
class Crowded:
    """What became of senders that are faster than the agent."""

    waits: int
    """How often one was told to come again."""
    megabytes: int
    """What the agent had in memory at the most."""
    whole: bool


def crowd(spans: int, *, policy: bool) -> Crowded:
    """So many spans from more senders than the agent takes at a time."""
    bodies = list(requests(spans, SIZES[0]))
    with TemporaryDirectory() as name:
        folder = Path(name)
        with household.agent(folder, policy=household.POLICY if policy else "") as url:
            waits = send_all(url, bodies, connections=CROWD)
            most = memory(url)["VmHWM"]
        return Crowded(waits, most, _whole(folder / household.LEDGER, spans))


def _median(speeds: Sequence[Speed]) -> Speed:
    """Of each figure by itself, over the rounds of one size."""

    def middle(of: Callable[[Speed], float]) -> float:
        return statistics.median(of(speed) for speed in speeds)

    return Speed(
        speeds[0].size,
        middle(lambda speed: speed.ledger),
        middle(lambda speed: speed.executemany),
        middle(lambda speed: speed.parse),
        middle(lambda speed: speed.cpu_share),
        whole=all(speed.whole for speed in speeds),
        share=middle(lambda speed: speed.share),
    )


def measure(size: int, spans: int, *, policy: bool) -> Speed:
    """One size of requests, with an agent and a ledger of its own."""
    bodies = list(requests(spans, size))
    with TemporaryDirectory() as name:
        folder = Path(name)
        rules = household.POLICY if policy else ""
        _, idle_cpu = _under_agent(folder / "idle", rules, [])
        ledger, agent_cpu = _under_agent(folder / "busy", rules, bodies)
        whole = _whole(folder / "busy" / household.LEDGER, spans)
        bare, bare_cpu = _executemany(folder / "busy", size)
    parse = _timed(lambda: [ExportTraceServiceRequest.FromString(body) for body in bodies])
    cpu_share = bare_cpu / (agent_cpu - idle_cpu)
    return Speed(size, spans / ledger, spans / bare, spans / parse, cpu_share, whole, share=bare / ledger)


def _under_agent(folder: Path, policy: str, bodies: Sequence[bytes]) -> tuple[float, float]:
    """Seconds that an agent took for these, and of CPU that it used in all."""
    folder.mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with household.agent(folder, policy=policy) as url:
        seconds = _timed(lambda: send_all(url, bodies))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def requests(spans: int, size: int) -> Iterator[bytes]:
    """So many spans in requests of so many, begun a millisecond apart up to now."""
    first = time.time_ns() - spans * 10**6
    for start in range(0, spans, size):
        made = [_span(number, first + number * 10**6) for number in range(start, min(start + size, spans))]
        scope = ScopeSpans(scope=InstrumentationScope(name="com.anthropic.sdk.python"), spans=made)
        resource = Resource(attributes=_pairs({"service.name": "desk", "deployment.environment.name": "prod"}))
        body: bytes = ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])]
        ).SerializeToString()
        yield body


def _span(number: int, at_ns: int) -> Span:
    return Span(
        trace_id=(number + 1).to_bytes(16, "big"),
        span_id=(number + 1).to_bytes(8, "big"),
        name="anthropic.messages.create",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=at_ns,
        end_time_unix_nano=at_ns + _SECOND,
        attributes=_pairs(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "anthropic",
                "gen_ai.request.model": "claude-sonnet-5-5",
                "gen_ai.response.model": "claude-sonnet-5-5",
                "gen_ai.response.id": f"msg_{number:024}",
                "anthropic.request.id": f"req_{number:024}",
                "gen_ai.request.max_tokens": 1024,
                "gen_ai.usage.input_tokens": 2600 + number % 100,
                "gen_ai.usage.output_tokens": 42,
                "gen_ai.usage.cache_read.input_tokens": 2000,
                "gen_ai.usage.cache_write.input_tokens": 500,
                "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 300,
                "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 200,
                "anthropic.response.service_tier": "standard",
                "anthropic.message.stop_reason": "end_turn",
                "http.request.method": "POST",
                "http.response.status_code": 200,
                "server.address": "api.anthropic.com",
                "url.full": "https://api.anthropic.com/v1/messages",
            }
        ),
    )


def _pairs(attributes: dict[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for key, value in attributes.items()
    ]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def send_all(url: str, bodies: Sequence[bytes], *, connections: int = CONNECTIONS) -> int:
    """Every body until it is taken, over some connections; who is told to wait does: how often anybody was."""
    waiting = iter(bodies)
    lock = threading.Lock()

    def send() -> int:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
        waits = 0
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return waits
            waits += _send(connection, body)

    with ThreadPoolExecutor(connections) as pool:
        return sum(sent.result() for sent in [pool.submit(send) for _ in range(connections)])


def _send(connection: http.client.HTTPConnection, body: bytes) -> int:
    """How often it had to wait."""
    for waits in itertools.count():
        connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status == 200:
            return waits
        if answer.status not in (429, 503):
            raise RuntimeError(f"the agent answered {answer.status}: {said!r}")
        time.sleep(int(answer.headers["retry-after"]))
    raise AssertionError


def _whole(ledger: Path, spans: int) -> bool:
    """Whether each span is there once, as a charge with a price."""
    command = [sys.executable, "-m", "bursar.agent", "report", "--json", "--db", str(ledger)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ)).stdout
    total = json.loads(told)["total"]
    return total["charges"] == spans and not total["unknown_charges"] and total["nano_usd"] > 0


def _executemany(folder: Path, size: int) -> tuple[float, float]:
    """
    Seconds, and those of CPU, to put the agent's rows into an empty table like its own.

    With a commit for each request's worth.
    """
    with sqlite3.connect(folder / household.LEDGER) as ledger:
        schema = ledger.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'attempts' AND sql IS NOT NULL ORDER BY type = 'index'"
        ).fetchall()
        rows = ledger.execute("SELECT * FROM attempts").fetchall()
    ledger.close()
    bare = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    bare.execute("PRAGMA journal_mode = WAL")
    bare.execute("PRAGMA synchronous = FULL")
    for (sql,) in schema:
        bare.execute(sql)
    insert = f"INSERT INTO attempts VALUES ({', '.join('?' * len(rows[0]))})"

    def work() -> None:
        for start in range(0, len(rows), size):
            bare.execute("BEGIN")
            bare.executemany(insert, rows[start : start + size])
            bare.execute("COMMIT")

    before = time.process_time()
    seconds = _timed(work)
    cpu = time.process_time() - before
    bare.close()
    return seconds, cpu


def _table(speeds: Sequence[Speed]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title=f"spans a second; the goal is a share of {GOAL}",
        title_justify="left",
    )
    for name in ("a request", "ledger", "executemany", "parse", "share", "by CPU", "each once"):
        table.add_column(name, justify="right")
    for speed in speeds:
        table.add_row(
            f"{speed.size}",
            f"{speed.ledger:,.0f}",
            f"{speed.executemany:,.0f}",
            f"{speed.parse:,.0f}",
            f"{speed.share:.3f}",
            f"{speed.cpu_share:.3f}",
            "yes" if speed.whole else "no",
        )
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
