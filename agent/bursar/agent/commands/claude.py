"""Which variables make Claude Code tell an agent what it uses?"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

PROGRAM = "claude"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
NOT_OVER_UNIX = (
    f"Claude Code tells nobody over a Unix socket: name the agent's http:// address in BURSAR_AGENT or {ENDPOINT}, and "
    "have the agent listen there as well, with a second --listen"
)
UNTOLD = (
    "bursar: Claude Code told this agent of no request: see docs/claude-code.md, and whether its variables "
    "(CLAUDE_CODE_ENABLE_TELEMETRY, OTEL_*) are set to something else"
)

_RESOURCE = "OTEL_RESOURCE_ATTRIBUTES"
_TRUSTED = "NODE_EXTRA_CA_CERTS"
_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
_REPOSITORY = "vcs.repository.name"
_NAMED = ("repository=", "vcs.repository.")
_GIT_SECONDS = 5.0
_REMOTE = re.compile(r"[/:]([^/:]+/[^/:]+?)(?:\.git)?/?$")


def is_claude(argv: Sequence[str]) -> bool:
    """Whether a command is Claude Code's."""
    return Path(argv[0]).name == PROGRAM


def telling(agent: str, token: str | None, environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """
    The variables that are to be added so that Claude Code tells the agent of its events and metrics.

    What is set stays as it is; the agent's token goes to the agent alone. `folder` is where it runs, which says whose
    code it works on.
    """
    wanted = {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        ENDPOINT: agent,
        "OTEL_LOGS_EXPORT_INTERVAL": "1000",
        "OTEL_METRIC_EXPORT_INTERVAL": "10000",
    }
    if agent.startswith("https:") and environ.get("BURSAR_CA_FILE"):
        wanted[_TRUSTED] = environ["BURSAR_CA_FILE"]
    if token is not None and not environ.get(ENDPOINT):
        wanted[_HEADERS] = f"Authorization=Bearer%20{quote(token, safe='')}"
    added = {name: value for name, value in wanted.items() if not environ.get(name)}
    attributes = _attributes(environ, folder)
    return {**added, _RESOURCE: attributes} if attributes else added


def _attributes(environ: Mapping[str, str], folder: Path) -> str:
    """The attributes that are set, with the repository and the labels of BURSAR_LABELS, where they name none."""
    given = environ.get(_RESOURCE, "")
    entries = [entry for entry in given.split(",") if entry.strip()]
    if not any(entry.strip().startswith(_NAMED) for entry in entries):
        name = repository(folder)
        entries += [] if name is None else [f"{_REPOSITORY}={quote(name, safe='')}"]
    for pair in environ.get("BURSAR_LABELS", "").split(","):
        label, equals, value = pair.partition("=")
        if equals and label.strip():
            entries.append(f"bursar.label.{label.strip()}={quote(value.strip(), safe='')}")
    return ",".join(entries)


def repository(folder: Path) -> str | None:
    """`owner/name` of the origin of the repository that a folder is in; without one its folder's name, else None."""
    origin = _git(folder, "config", "--get", "remote.origin.url")
    found = _REMOTE.search(origin or "")
    if found is not None:
        return found[1]
    top = _git(folder, "rev-parse", "--show-toplevel")
    return Path(top).name or None if top else None


def _git(folder: Path, *words: str) -> str | None:
    try:
        told = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() if told.returncode == 0 else None
