"""Claims about passing spans on with real processes: what was acknowledged arrives, also after SIGKILL."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.agent.forward.received import SDK, call, export
from tests.whole.scene import House, free_port, until

POLICY = """
version = 1
mode = "observe"
[[forward]]
name = "slow"
kind = "otlp"
url = "{url}"
headers_env = "SLOW_HEADERS"
"""


class Slow:
    """A receiver that takes a request, and answers once it may."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()
        self.keys: set[str | None] = set()
        self.may_answer = threading.Event()

    def took(self, key: str | None, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        spans = [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
        self.keys.add(key)
        self.seen.update(int.from_bytes(span.span_id, "big") for span in spans)
        self.may_answer.wait(60)


@contextmanager
def serving(slow: Slow) -> Generator[str]:
    """It, on a port of its own; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            slow.took(self.headers["x-key"], self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        slow.may_answer.set()
        server.shutdown()
        server.server_close()


def forwards(house: House) -> dict[str, Any]:
    """What `bursar forwards` says."""
    command = [sys.executable, "-m", "bursar.agent", "forwards", "--json", "--db", str(house.db)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found: dict[str, Any] = told["forwards"][0]
    return found


def test_an_agent_killed_while_its_receiver_answers_loses_nothing(tmp_path: Path) -> None:
    """
    The receiver has a span, the agent is killed before it hears so: the next one sends it again, under its id.

    What came while the receiver was busy waited on the disk, and arrives once. No file holds the key.
    """
    slow = Slow()
    with serving(slow) as url:
        house = House(tmp_path, "", free_port(), {"SLOW_HEADERS": "x-key=very-secret"})
        (tmp_path / "bursar.toml").write_text(POLICY.format(url=url))
        house.arguments = ("--policy", str(tmp_path / "bursar.toml"))
        with house.agent() as agent:
            take(house, 1)
            until(lambda: slow.seen[1] == 1, "the first span to arrive")
            take(house, 2)
            agent.kill()
            agent.wait()
        assert forwards(house)["queued"]["spans"] == 2
        slow.may_answer.set()
        with house.agent():
            until(lambda: slow.seen[2] == 1, "the second span to arrive")
            until(lambda: forwards(house)["queued"]["spans"] == 0, "the queue to be empty")
    assert slow.seen == {1: 2, 2: 1}
    assert slow.keys == {"very-secret"}
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and b"very-secret" in path.read_bytes()]
    assert kept == []


def take(house: House, number: int) -> None:
    """Have the agent acknowledge one call's span."""
    body = export((SDK, [call(number)])).SerializeToString()
    headers = {"content-type": "application/x-protobuf"}
    assert httpx.post(f"{house.agent_url}/v1/traces", content=body, headers=headers).status_code == 200
