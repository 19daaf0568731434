"""Claims of docs/exports.md: its variables, as they stand there, bring a call's span where they say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import Template
from urllib.parse import urlsplit, urlunsplit

import anthropic
import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bursar.agent.serving.listening import answering, bind, url_of
from bursar.agent.spans import receiver
from bursar.agent.spans.seenspan import SeenSpan

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exports.md"
ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
TOKENS = {"gen_ai.usage.input_tokens": 2600, "gen_ai.usage.output_tokens": 42}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "yes"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 100,
        "cache_read_input_tokens": 2000,
        "cache_creation_input_tokens": 500,
        "output_tokens": 42,
    },
}


def recipe(name: str, **secrets: str) -> dict[str, str]:
    """The variables of one recipe of the page, as a shell would set them."""
    block = re.search(rf"^```sh {name}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert block is not None, f"{PAGE} has no block `sh {name}`"
    words = [shlex.split(line) for line in block[1].splitlines()]
    assert all(word[0] == "export" and len(word) == 2 for word in words)
    pairs = (word[1].partition("=") for word in words)
    return {variable: Template(value).substitute(secrets) for variable, _, value in pairs}


class Contract:
    """What a receiver asks of an export, kept as the product keeps it, and the spans that met it."""

    def __init__(self, path: str, *, authorization: str | None = None) -> None:
        self.spans: list[Span] = []
        self._authorization = authorization
        self.routes = [Route(path, self._take, methods=["POST"])]

    async def _take(self, request: Request) -> Response:
        if self._authorization is not None and request.headers.get("authorization") != self._authorization:
            return PlainTextResponse("unauthorized", 401)
        if request.headers.get("content-type") != "application/x-protobuf":
            return PlainTextResponse("unsupported media type", 415)
        data = TracesData.FromString(await request.body())
        self.spans += [
            span for resource in data.resource_spans for scope in resource.scope_spans for span in scope.spans
        ]
        answer: bytes = ExportTraceServiceResponse().SerializeToString()
        return Response(answer, media_type="application/x-protobuf")


@contextmanager
def serving(routes: Sequence[BaseRoute]) -> Generator[str]:
    """A real server on a free port; its address."""
    listener = bind("127.0.0.1", 0)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(answering(Starlette(routes=routes), listener)),
    ):
        yield urlsplit(url_of(listener)).netloc


def export_a_call(variables: dict[str, str], netloc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call of the real SDK, exported as the variables say; only the host is another."""
    documented = urlsplit(variables[ENDPOINT])
    served = {**variables, ENDPOINT: urlunsplit(documented._replace(scheme="http", netloc=netloc))}
    assert served["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"  # what the exporter below speaks
    for name, value in {**served, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=MESSAGE))
    with httpx2.Client(transport=transport) as http_client:
        client = anthropic.Anthropic(api_key="k", http_client=http_client, open_telemetry={"tracer_provider": provider})
        client.messages.create(
            model="claude-sonnet-5-5", max_tokens=10, messages=[{"role": "user", "content": "hello"}]
        )
    provider.shutdown()


def tokens_of(span: Span) -> dict[str, int]:
    return {pair.key: pair.value.int_value for pair in span.attributes if pair.key in TOKENS}


def test_the_jaeger_recipe_brings_spans_to_jaegers_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 4318, path /v1/traces, protobuf: what Jaeger 2 takes OTLP on; the span has the call's tokens."""
    variables = recipe("jaeger")
    assert urlsplit(variables[ENDPOINT]).port == 4318
    contract = Contract("/v1/traces")
    with serving(contract.routes) as netloc:
        export_a_call(variables, netloc, monkeypatch)
    (span,) = contract.spans
    assert (span.name, tokens_of(span)) == ("anthropic.messages.create", TOKENS)


def test_the_helicone_recipe_brings_spans_to_helicones_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helicone's own path, its key as a bearer token, protobuf; the span has the call's tokens, under today's names."""
    variables = recipe("helicone", HELICONE_API_KEY="sk-helicone-1")
    assert variables[ENDPOINT] == "https://api.helicone.ai/v1/trace/log-python"
    contract = Contract("/v1/trace/log-python", authorization="Bearer sk-helicone-1")
    with serving(contract.routes) as netloc:
        export_a_call(variables, netloc, monkeypatch)
    (span,) = contract.spans
    names = {pair.key for pair in span.attributes}
    assert tokens_of(span) == TOKENS
    assert "gen_ai.response.model" in names
    assert not names & {"gen_ai.system", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"}


def test_the_agent_recipe_brings_spans_to_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's port and path, compressed; the real receiver sees the call's tokens."""
    variables = recipe("agent")
    assert urlsplit(variables[ENDPOINT]).port == 4319
    seen: list[SeenSpan] = []

    async def on_spans(spans: Sequence[SeenSpan]) -> None:
        seen.extend(spans)

    with serving(receiver.routes(on_spans)) as netloc:
        export_a_call(variables, netloc, monkeypatch)
    (span,) = seen
    assert TOKENS.items() <= dict(span.attributes).items()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/x-protobuf"}, 401),
        ({"content-type": "application/x-protobuf", "authorization": "Bearer other"}, 401),
        ({"content-type": "application/json", "authorization": "Bearer k"}, 415),
        ({"content-type": "application/x-protobuf", "authorization": "Bearer k"}, 200),
    ],
)
def test_the_contract_servers_are_strict(headers: dict[str, str], status: int) -> None:
    """A recipe that forgot the key or spoke another encoding would fail against them."""
    contract = Contract("/v1/trace/log-python", authorization="Bearer k")
    with serving(contract.routes) as netloc, httpx2.Client(trust_env=False) as client:
        assert client.post(f"http://{netloc}/v1/trace/log-python", content=b"", headers=headers).status_code == status
