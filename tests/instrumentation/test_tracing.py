"""Tracing: who exports spans, decided once per process and said in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.certificates import authority

from bursar.agent.serving.certificate import Certificate
from bursar.agent.serving.listening import answering, listening
from bursar.agent.settings import Tcp

pytestmark = pytest.mark.xdist_group("tracing")

SCRIPT = """
import json, logging, sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util._once import Once
from bursar.instrumentation.config import read_config
from bursar.instrumentation.tracing import set_up

exported, lines = [], []

class Exporter(trace_exporter.OTLPSpanExporter):
    def __init__(self, *arguments, **options):
        session = options.get("session")
        exported.append([arguments, {**options, "session": session and {"trust_env": session.trust_env}}])
        super().__init__(*arguments, **options)

class Keep(logging.Handler):
    def emit(self, record):
        lines.append([record.levelname, record.getMessage()])

trace_exporter.OTLPSpanExporter = Exporter
logging.getLogger("bursar").addHandler(Keep())
logging.getLogger("bursar").setLevel(logging.INFO)

def play(how, environ):
    trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = None, Once()
    exported.clear()
    lines.clear()
    own = TracerProvider() if how == "own" else None
    if own:
        trace.set_tracer_provider(own)
    sys.modules["opentelemetry.exporter.otlp.proto.http.trace_exporter"] = None if how == "bare" else trace_exporter
    config = read_config(environ)
    set_up(config)
    set_up(config)
    provider = trace.get_tracer_provider()
    return {
        "lines": [*lines],
        "provider": type(provider).__name__,
        "own": provider is own,
        "exported": [*exported],
        "processors": len(getattr(getattr(provider, "_active_span_processor", None), "_span_processors", ())),
    }

cases = json.load(sys.stdin)
print(json.dumps({name: play(*case) for name, case in cases.items()}))
"""

OWN = "bursar: traces go to the application's own tracer provider"
AGENT = {"BURSAR_AGENT": "http://127.0.0.1:4319"}
COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
SOCKET = {"BURSAR_AGENT": "unix:/run/bursar/agent.sock"}
CASES: dict[str, tuple[str, dict[str, str]]] = {
    "nothing": ("", {}),
    "own provider": ("own", AGENT),
    "agent": ("", AGENT),
    "collector": ("", COLLECTOR),
    "socket": ("", SOCKET),
    "socket and collector": ("", {**SOCKET, **COLLECTOR}),
    "tls": ("", {"BURSAR_AGENT": "https://agent", "BURSAR_CA_FILE": "ca.pem"}),
    "both": ("", {**AGENT, **COLLECTOR}),
    "no exporter": ("bare", AGENT),
    "token": ("", {**AGENT, "BURSAR_TOKEN_FILE": "token"}),
    "no token": ("", {**AGENT, "BURSAR_TOKEN_FILE": "absent"}),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What becomes of each case, in a process of its own: the provider is global, and set once."""
    folder = tmp_path_factory.mktemp("tracing")
    (folder / "token").write_text("secret\n")
    authority(folder)
    cases = {name: (how, {"HOME": str(folder), **environ}) for name, (how, environ) in CASES.items()}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        input=json.dumps(cases),
        env={"HOME": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def said(result: Any) -> list[str]:
    return [message for _, message in result["lines"]]


def test_an_application_s_own_provider_is_left_alone(seen: dict[str, Any]) -> None:
    """Nothing is added to it."""
    result = seen["own provider"]
    assert (result["own"], result["processors"], result["exported"]) == (True, 0, [])
    assert said(result) == [OWN, OWN]


def test_without_an_endpoint_no_provider_is_made(seen: dict[str, Any]) -> None:
    """And the line says what would make one."""
    result = seen["nothing"]
    assert result["provider"] == "ProxyTracerProvider"
    assert said(result)[0].startswith("bursar: no traces: ")
    assert "BURSAR_AGENT or OTEL_EXPORTER_OTLP_ENDPOINT" in said(result)[0]


def test_an_agent_is_sent_the_traces(seen: dict[str, Any]) -> None:
    """Once, however often it is asked for; an agent that is away keeps no process from ending."""
    result = seen["agent"]
    options: dict[str, Any] = {"certificate_file": None, "headers": {}, "timeout": 1, "session": {"trust_env": False}}
    assert result["exported"] == [[["http://127.0.0.1:4319/v1/traces"], options]]
    assert (result["provider"], result["processors"]) == ("TracerProvider", 1)
    assert said(result) == ["bursar: traces go to http://127.0.0.1:4319", OWN]


def test_over_tls_the_exporter_trusts_whom_the_journal_trusts(seen: dict[str, Any]) -> None:
    """The agent's own port, since the address has none; one file for both."""
    (((url,), options),) = seen["tls"]["exported"]
    assert (url, options["certificate_file"]) == ("https://agent:4319/v1/traces", "ca.pem")
    assert options["session"] == {"trust_env": False}


SENDING = """
import os, sys
from opentelemetry import trace
from bursar.instrumentation.config import read_config
from bursar.instrumentation.tracing import set_up

set_up(read_config(os.environ))
trace.get_tracer("here").start_span("call").end()
sys.exit(not trace.get_tracer_provider().force_flush())
"""


@pytest.mark.parametrize("over_tls", [False, True])
def test_spans_reach_the_agent_whatever_requests_is_told(tmp_path: Path, over_tls: bool) -> None:
    """In an environment with a proxy, and authorities, for everybody else: the agent itself has the span."""
    ours, others = authority(tmp_path / "ours"), authority(tmp_path / "others", "somebody else")
    taken: list[str] = []

    async def take(request: Request) -> Response:
        taken.append(request.url.path)
        return Response()

    app = Starlette(routes=[Route("/v1/traces", take, methods=["POST"])])
    with (
        listening(Tcp(port=0), Certificate(ours.issue("agent")) if over_tls else None) as listener,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(answering(app, listener)),
    ):
        environ = {"HOME": str(tmp_path), "BURSAR_AGENT": listener.url, "BURSAR_CA_FILE": str(ours.file)}
        environ |= dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(others.file))
        environ |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
        done = subprocess.run([sys.executable, "-c", SENDING], env=environ, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, taken) == (0, ["/v1/traces"]), done.stderr


def test_a_unix_socket_is_no_endpoint(seen: dict[str, Any]) -> None:
    """No exporter speaks over one: said in one line, with what to set."""
    result = seen["socket"]
    assert (result["provider"], result["exported"]) == ("ProxyTracerProvider", [])
    (line, again) = said(result)
    assert line == again
    assert line.startswith("bursar: no traces: BURSAR_AGENT is a Unix socket")
    assert "money goes that way all the same" in line
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in line


@pytest.mark.parametrize("case", ["collector", "both", "socket and collector"])
def test_opentelemetry_s_own_variables_go_first(seen: dict[str, Any], case: str) -> None:
    """Its exporter reads them; the agent then hears of money by the journal alone."""
    assert seen[case]["exported"] == [[[], {"session": None}]]
    assert said(seen[case])[0] == "bursar: traces go to the endpoint of OpenTelemetry's variables"


def test_without_an_exporter_the_line_names_the_extra(seen: dict[str, Any]) -> None:
    """An application with the SDK alone is none the worse."""
    result = seen["no exporter"]
    assert (result["provider"], result["exported"]) == ("ProxyTracerProvider", [])
    assert 'pip install "bursar[otel]"' in said(result)[0]


def test_the_agent_s_token_is_shown(seen: dict[str, Any]) -> None:
    """And a token file that cannot be read is told."""
    ((_, options),) = seen["token"]["exported"]
    assert options["headers"] == {"authorization": "Bearer secret"}
    ((_, options),) = seen["no token"]["exported"]
    assert options["headers"] == {}
    level, message = seen["no token"]["lines"][0]
    assert (level, "absent cannot be read" in message) == ("WARNING", True)
