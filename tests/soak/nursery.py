"""
A warmed-up process that bears others: `nursery.py application|agent SANDBOX`; a job as JSON on each line of its input.

Each child has the product's own code in it, wrapped in `points`, and dies at the passage that its job names. What
became of it is a line of JSON on the output: its exit status, the point it died at, and how many it passed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.soak.points import Points

points = Points()
Live = Callable[[Mapping[str, Any]], object]


MODEL = "claude-haiku-5-5"
PLAIN: dict[str, Any] = {"stream": False, "headers": {}}
STREAM: dict[str, Any] = {"stream": True, "headers": {}}
ERROR: dict[str, Any] = {"stream": False, "headers": {"x-sandbox-error": "529"}}
CALLS = [PLAIN, STREAM, ERROR, PLAIN]


def application(job: Mapping[str, Any]) -> None:
    """A create, a stream, a call that is answered by an error, and another create; then the end."""
    from bursar.instrumentation import instrument, route, uninstrument

    instrument(environ={"BURSAR_STATE_DIR": job["state"], "BURSAR_AGENT": job["agent"]})
    with route("soak", job=job["key"]):
        make_calls(job["key"], job["sandbox"])
    uninstrument()


def make_calls(key: str, sandbox: str) -> None:
    """Each of `CALLS`, by the SDK alone or with Bursar in it."""
    client: Any = anthropic().Anthropic(api_key=key, base_url=sandbox, max_retries=0)
    for number, staged in enumerate(CALLS):
        ask: Any = {
            "model": MODEL,
            "max_tokens": 60,
            "messages": [{"role": "user", "content": "x" * (10 + number)}],
            "extra_headers": {"x-sandbox-output-tokens": str(10 + number), **staged["headers"]},
        }
        try:
            answer = client.messages.create(**ask, stream=staged["stream"])
            if staged["stream"]:
                for _ in answer:
                    pass
        except anthropic().APIError:
            pass
    client.close()


def agent(job: Mapping[str, Any]) -> None:
    """The agent, until it is killed."""
    from bursar.agent import app
    from bursar.agent.settings import Settings, Tcp

    app.ADOPT_SECONDS = 1
    state = Path(job["state"])
    settings = Settings(
        state_dir=state, db=state / "ledger.sqlite", listen=(Tcp(port=job["port"]),), policy=Path(job["policy"])
    )
    sys.stderr = open(state / "agent.log", "a")  # noqa: SIM115 - for as long as it lives
    app.run_agent(settings)


def anthropic() -> Any:
    """The SDK, imported only where it is needed."""
    import anthropic as sdk

    return sdk


def warm_application(sandbox: str) -> None:
    """What every life would do first, done once: imports, the price book, and the SDK's models."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from bursar.instrumentation.rules import shipped_rules

    exporter: Any = OTLPSpanExporter(sandbox)
    exporter.shutdown()
    shipped_rules(None)
    make_calls("sk-warm", sandbox)
    client: Any = anthropic().Anthropic(api_key="sk-warm", base_url=sandbox)
    ask: Any = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    with client, client.messages.stream(**ask) as stream:  # the events are put together as for a trace
        stream.until_done()


def warm_agent(_: str) -> None:
    """The same: imports, and the price book."""
    from bursar.agent import app
    from bursar.policies.pricefile import shipped_book

    assert app
    shipped_book()


def wrap_application() -> None:
    """Every step of a call, from the hold to the acknowledgement of its charge."""
    import httpx2

    from bursar.instrumentation.attempt import Attempt
    from bursar.instrumentation.guard import Guard
    from bursar.instrumentation.journal import Journal
    from bursar.instrumentation.leases import Leases
    from bursar.instrumentation.link import AgentLink
    from bursar.instrumentation.sync import Sync

    anthropic()

    def half(journal: Any, file: int, line: bytes) -> None:
        os.pwrite(file, line[: len(line) // 2], journal._end - journal._start)

    points.wrap(Guard, ["admit"])
    points.wrap(Leases, ["hold", "merge", "settle", "release", "give_back"])
    points.wrap(Attempt, ["sent", "counted", "settle", "release"])
    points.wrap(Journal, ["append", "unshipped", "acknowledge", "close"])
    points.tear(Journal, "_write", half)
    points.wrap(AgentLink, ["post", "_send"])
    points.wrap(Sync, ["ask", "flush", "_say_goodbye"])
    points.wrap(httpx2.Client, ["send"])


def wrap_agent() -> None:
    """Every step between a message and its answer, and between a journal and its removal."""
    from bursar.agent.adoption import Adoption
    from bursar.agent.bookkeeper import Bookkeeper
    from bursar.agent.ledger import alertbook, attempts, booking, holders, lending, postings
    from bursar.agent.ledger.writer import Ledger

    points.wrap(Bookkeeper, ["sync", "close_holder"])
    points.wrap(Ledger, ["_commit", "_outcome"])
    points.wrap(lending, ["sync", "close_holder", "book", "orphan"])
    points.wrap(booking, ["_charge_leases", "_hold"])
    points.wrap(postings, ["bring"])
    points.wrap(attempts, ["save"])
    points.wrap(holders, ["register", "grant", "take_back", "square", "move"])
    points.wrap(alertbook, ["raise_reached"])
    points.wrap(Adoption, ["_recover", "_close_finished"])
    points.wrap(Path, ["unlink"])


def bear(live: Live, job: Mapping[str, Any]) -> None:
    """Fork a child, let it live, and tell how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            points.arm(job["fatal"], writing)
            live(job)
            os.write(writing, f"passed {points.passed}\n".encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    _living.add(child)
    threading.Thread(target=_await, args=(child, reading, job["name"])).start()
    _say({"name": job["name"], "pid": child})


def _await(child: int, reading: int, name: str) -> None:
    _, status = os.waitpid(child, 0)
    _living.discard(child)
    with os.fdopen(reading) as told:
        point = told.read().strip()
    _say({"name": name, "status": os.waitstatus_to_exitcode(status), "point": point})


_living: set[int] = set()
_saying = threading.Lock()


def _say(words: Mapping[str, Any]) -> None:
    with _saying:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    lives: dict[str, tuple[Callable[[str], None], Callable[[], None], Live]] = {
        "application": (warm_application, wrap_application, application),
        "agent": (warm_agent, wrap_agent, agent),
    }
    warm, prepare, live = lives[sys.argv[1]]
    warm(sys.argv[2])
    prepare()
    for line in sys.stdin:
        bear(live, json.loads(line))
    for left in tuple(_living):  # whoever asked for it is gone
        os.kill(left, signal.SIGKILL)
