"""What happened when a desk ran? The sandbox's account, what came back and was seen, and the agent's ledger."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.frameworks.catalog import ENVIRON, Framework, Run
from tests.frameworks.stage import Billed, Stage
from tests.whole.scene import FOR_EVER, House

from bursar.agent.ledger import open_for_reading, reports
from bursar.agent.sandbox.server import serving

PLAY = Path(__file__).parent / "applications" / "play.py"
LONGEST_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Charged:
    """One charge as the process saw it."""

    message_id: str | None
    nano_usd: int | None
    route: str
    basis: str


@dataclass(frozen=True, slots=True)
class Case:
    """What one case gave back, and its charges."""

    result: str
    charges: tuple[Charged, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """One span that the application's tracer provider saw."""

    scope: str
    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Performance:
    """One run of a desk."""

    billed: tuple[Billed, ...]
    cases: dict[str, Case]
    spans: tuple[Span, ...]
    booked: Counter[int | None]
    """The ledger's charges: how many of each price, None for those without."""
    bases: frozenset[str]


def perform(framework: Framework, run: Run, python: Path) -> Performance:
    """Run a desk against a sandbox and an agent of its own."""
    stage = Stage()
    with tempfile.TemporaryDirectory(prefix="bursar-frameworks-") as folder, serving(stage) as sandbox:
        house = House(Path(folder), sandbox, _free_port())
        agent = house.start_agent()
        try:
            seen = _play(house, framework, run, python)
            agent.send_signal(signal.SIGTERM)  # what it has taken in, it books before it ends
            assert agent.wait() == 0, (house.folder / "agent.log").read_text()
        finally:
            agent.kill()
            agent.wait()
        return Performance(
            billed=tuple(stage.billed),
            cases={name: _case(case) for name, case in seen["cases"].items()},
            spans=tuple(Span(**span) for span in seen["spans"]),
            booked=_booked(house),
            bases=frozenset(row["basis"] for row in house.by("basis")),
        )


def _play(house: House, framework: Framework, run: Run, python: Path) -> dict[str, Any]:
    out = house.folder / "out.json"
    done = subprocess.run(
        [str(python), "-W", "ignore", str(PLAY), framework.desk, str(out)],
        env=_environ(house, framework, run),
        cwd=house.folder,  # LangSmith tells the revision of the repository that it runs in
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{framework.name}, {run}: the desk ended with {done.returncode}:\n{done.stderr[-4000:]}")
    seen: dict[str, Any] = json.loads(out.read_text())
    return seen


def _environ(house: House, framework: Framework, run: Run) -> dict[str, str]:
    traces = f"{house.agent_url}/v1/traces"
    if framework.exports_by_itself:
        exporting = {"OTEL_ENDPOINT": traces} if "OWN_SPANS" in ENVIRON[run] else {}
    else:
        exporting = {"SPANS_TO": traces}
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        **house.environ,
        "BURSAR_STATE_DIR": str(house.folder / "state"),
        "ANTHROPIC_BASE_URL": house.sandbox,
        "ANTHROPIC_API_KEY": "sk-ant-sandbox",
        "BURSAR_AGENT": house.agent_url,
        **exporting,
        **ENVIRON[run],
        **framework.environ.get(run, {}),
    }


def _case(case: dict[str, Any]) -> Case:
    return Case(case["result"], tuple(Charged(**charge) for charge in case["charges"]))


def _booked(house: House) -> Counter[int | None]:
    with open_for_reading(house.db) as db:
        return Counter(row["cost_nano"] for row in reports.recent_calls(db, 0, FOR_EVER, limit=1_000))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
