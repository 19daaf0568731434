"""Where does Phoenix run? In an environment of its own, made once; and what does its API show of a span?"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv" / "receivers" / "phoenix"
PATIENCE_SECONDS = 120
_SPANS = """
{ projects { edges { node { spans(first: 100) { edges { node {
    spanId name spanKind tokenCountPrompt tokenCountCompletion attributes costSummary { total { cost } }
} } } } } } }
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One span, as its API tells it."""

    kind: str
    prompt: int | None
    completion: int | None
    cost: float | None
    """What Phoenix reckoned, in dollars."""
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Phoenix:
    """A server that answers."""

    port: int
    grpc_port: int

    def spans(self) -> dict[str, Shown]:
        """All spans by their id."""
        with httpx.Client(trust_env=False) as client:
            answer = client.post(f"http://127.0.0.1:{self.port}/graphql", json={"query": _SPANS}).raise_for_status()
        projects = answer.json()["data"]["projects"]["edges"]
        nodes = [edge["node"] for project in projects for edge in project["node"]["spans"]["edges"]]
        return {node["spanId"]: _shown(node) for node in nodes}


def made() -> Path:
    """The interpreter of its environment; made first if there is none, which takes some minutes and 850 MB."""
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / ".made"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run([*pip, "arize-phoenix"], check=True)
        stamp.touch()
    return python


@contextmanager
def serving(python: Path, folder: Path) -> Generator[Phoenix]:
    """A server on free ports, its data in a folder, while the block lasts. Raises `SystemExit` where none starts."""
    server = Phoenix(_free_port(), _free_port())
    environment = {
        **os.environ,
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(server.port),
        "PHOENIX_GRPC_PORT": str(server.grpc_port),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    log = folder / "phoenix.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(python), "-m", "phoenix.server.main", "serve"], env=environment, stdout=output, stderr=output
        )
    try:
        _wait(server, process, log)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _wait(server: Phoenix, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < until and process.poll() is None:
            try:
                if client.get(f"http://127.0.0.1:{server.port}/healthz").is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
    raise SystemExit(f"Phoenix did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _shown(node: Mapping[str, Any]) -> Shown:
    summary = node["costSummary"]
    return Shown(
        kind=node["spanKind"],
        prompt=node["tokenCountPrompt"],
        completion=node["tokenCountCompletion"],
        cost=None if summary is None else summary["total"]["cost"],
        attributes=json.loads(node["attributes"]),
    )


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
