"""Where do spans go, does anybody make them twice, and do OpenTelemetry's variables fit?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from bursar.agent.doctor.finding import Finding, State, Surroundings
from bursar.agent.ledger import LedgerError
from bursar.agent.ledger.forwardtables import TargetState, path_beside, states
from bursar.policies.agentaddress import UNIX

PEERS_SECONDS = 60.0
_PEERS = "bursar.instrumentation.peers"
_BASE, _TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_PORTS = {4317: "grpc", 4318: "http/protobuf"}
_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


def others(around: Surroundings) -> Iterator[Finding]:
    """Other instrumentations of the SDK that are installed here."""
    peers = installed()
    if peers is None:
        said = "nobody knows: bursar.instrumentation.peers does not run in this Python"
        yield Finding("other instrumentations", State.WARN, said, f"see why: {sys.executable} -m {_PEERS}")
    else:
        yield from judge_others(peers, _words(around.environ, _DISABLED))


def installed() -> Sequence[Mapping[str, Any]] | None:
    """
    Told by the instrumentation, in a process of its own: the agent never imports it. None where it does not answer.
    """
    command = [sys.executable, "-m", _PEERS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PEERS_SECONDS, check=True)
        found: list[Mapping[str, Any]] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return found


def judge_others(peers: Sequence[Mapping[str, Any]], disabled: Sequence[str]) -> Iterator[Finding]:
    """Whether another package would make a second span of every call: each with what it means, and what to do."""
    what, off = "other instrumentations", "anthropic" in disabled or "*" in disabled
    for peer in peers:
        name = peer["name"]
        if off:
            yield Finding(what, State.OK, f"{name}, switched off by {_DISABLED}")
        elif peer["doubles"]:
            said = f"{name} can instrument anthropic too: {peer['means']}"
            yield Finding(what, State.WARN, said, f"{peer['remedy']}, if it does")
        else:
            yield Finding(what, State.OK, f"{name}: where it is used, {peer['means']}")
    if not peers:
        yield Finding(what, State.OK, "none for anthropic")


def traces(around: Surroundings) -> Iterator[Finding]:
    names = (_TRACES, _BASE, "BURSAR_AGENT")
    named = next((name for name in names if around.environ.get(name)), None)
    if named is None:
        remedy = "set BURSAR_AGENT or OTEL_EXPORTER_OTLP_ENDPOINT, or set up a tracer provider in the application"
        yield Finding("traces", State.WARN, "no endpoint is known: spans go nowhere by themselves", remedy)
    elif around.environ[named].startswith(UNIX):
        remedy = (
            "set OTEL_EXPORTER_OTLP_ENDPOINT to a collector, or to the agent's own address with a second --listen; "
            "money does not need it"
        )
        yield Finding("traces", State.WARN, f"{named} is a Unix socket, and no exporter speaks over one", remedy)
    elif not can_export():
        yield Finding(
            "traces", State.WARN, f"{named} is set, but no exporter is installed", 'pip install "bursar[otel]"'
        )
    else:
        yield Finding("traces", State.OK, f"they go to {around.environ[named]} ({named})")


def can_export() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def variables(around: Surroundings) -> Iterator[Finding]:
    """One finding for each of OpenTelemetry's variables that cannot work as it stands."""
    yield from judge_variables(around.environ)


def judge_variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that keep spans from where they should go; nothing where all fit."""
    what = "OTEL variables"
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        said = "OTEL_SDK_DISABLED=true: no span and no metric is made; the ledger still counts"
        yield Finding(what, State.WARN, said, "unset it, if traces are wanted")
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter == "none":
        yield Finding(what, State.WARN, "OTEL_TRACES_EXPORTER=none: spans go nowhere", "unset it, or set it to otlp")
    if {"bursar", "*"} & set(_words(environ, _DISABLED)):
        said = f"{_DISABLED} switches Bursar off under opentelemetry-instrument"
        yield Finding(what, State.WARN, said, "take bursar out of it, or call instrument() in the application")
    for name in (_BASE, _TRACES):
        if environ.get(name):
            yield from _endpoint(what, name, environ[name].strip(), _protocol(environ))


def _endpoint(what: str, name: str, url: str, protocol: str) -> Iterator[Finding]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        yield Finding(what, State.FAIL, f"{name}={url} is no address ({error})", "write it as http://127.0.0.1:4318")
        return
    http = not protocol.startswith("grpc")
    if http and parts.scheme not in ("http", "https"):
        said = f"{name}={url} has no http:// or https:// in front"
        yield Finding(what, State.FAIL, said, f"write it as http://{url}")
        return
    usual = _PORTS.get(port or 0)
    if usual is not None and (usual == "grpc") == http:
        said = f"{name}={url} has the usual port of {usual}, and {protocol} is spoken to it"
        remedy = f"set OTEL_EXPORTER_OTLP_PROTOCOL={usual}, or change the port"
        yield Finding(what, State.WARN, said, remedy)
    if http and name == _BASE and parts.path.rstrip("/").endswith("/v1/traces"):
        said = f"{name} ends in /v1/traces, and exporters add that once more"
        yield Finding(what, State.WARN, said, f"cut it off there, or name it {_TRACES}")


def _protocol(environ: Mapping[str, str]) -> str:
    named = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    return (named or "http/protobuf").strip().lower()


def forwards(around: Surroundings) -> Iterator[Finding]:
    """How it stands with whom the agent passes spans on to; nothing where that is nobody."""
    try:
        found = [state for state in states(path_beside(around.settings.db)) if state.present]
    except LedgerError as error:
        yield Finding("forwards", State.WARN, str(error), "see that the file beside the ledger may be read")
        return
    yield from judge_forwards(found)


def judge_forwards(found: Sequence[TargetState]) -> Iterator[Finding]:
    """One finding for each receiver that does not take what it is sent, or lost some; one if all is well."""
    troubled = [state for state in found if state.failing_since_ns is not None or state.dropped]
    for state in troubled:
        if state.failing_since_ns is not None:
            said = f"{state.name} takes nothing, {state.spans:,} spans wait: {state.last_error or 'nobody knows why'}"
            yield Finding("forwards", State.WARN, said, f"see `bursar forwards`, and that {state.url} answers")
        else:
            said = f"{state.name} takes spans, and {state.dropped:,} are lost"
            yield Finding("forwards", State.WARN, said, "see `bursar forwards` for why; give it a larger queue")
    if found and not troubled:
        yield Finding("forwards", State.OK, f"{len(found)} take what they are sent")


def _words(environ: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in environ.get(name, "").split(",") if word.strip()]
