"""Claims of docs/exports.md: its variables, as they stand there, bring a call's span where they say."""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import Template
from urllib.parse import unquote, urlsplit, urlunsplit

import anthropic
import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from tests.agent.forward.receivers import HeliconeLogs, HeliconeTraces, Jaeger, Langfuse, Otlp, attributes_of

from bursar.agent.app import Running, serving_agent
from bursar.agent.forward.outlets import address_of
from bursar.agent.ledger.forwardtables import path_beside, states
from bursar.agent.serving.listening import answering, listening
from bursar.agent.settings import Settings, Tcp
from bursar.agent.spans import receiver
from bursar.agent.spans.seenspan import SeenSpan
from bursar.instrumentation import instrument, uninstrument
from bursar.policies.policyfile import parse_policy

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exports.md"
TEXT = PAGE.read_text(encoding="utf-8")
ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HEADERS = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
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
COST = (100 * 2 + 2000 * 0.1 + 500 * 2.5 + 42 * 10) / 10**6
"""Of `MESSAGE`, in dollars: uncached, read, written for 5 minutes, out, at the book's dollars a million tokens."""


def block(name: str) -> str:
    """One block of the page, by the words behind its fence."""
    found = re.search(rf"^```{name}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    assert found is not None, f"{PAGE} has no block `{name}`"
    return found[1]


def recipe(name: str, **secrets: str) -> dict[str, str]:
    """The variables of one recipe of the page, as a shell would set them."""
    words = [shlex.split(line) for line in block(f"sh {name}").splitlines()]
    assert all(word[0] == "export" and len(word) == 2 for word in words)
    pairs = (word[1].partition("=") for word in words)
    return {variable: Template(value).substitute(secrets) for variable, _, value in pairs}


@contextmanager
def serving(routes: Sequence[BaseRoute]) -> Generator[str]:
    """A real server on a free port; its address."""
    with (
        listening(Tcp(port=0)) as listener,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(answering(Starlette(routes=routes), listener)),
    ):
        yield urlsplit(listener.url).netloc


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


@contextmanager
def agent(folder: Path, policy: str, environment: dict[str, str]) -> Generator[Running]:
    """The real agent with this policy and environment, on a port of its own."""
    (folder / "bursar.toml").write_text(policy)
    settings = Settings(
        state_dir=folder, db=folder / "db", listen=(Tcp(port=0),), policy=folder / "bursar.toml", secrets=environment
    )
    with serving_agent(settings) as running:
        yield running


def delivered(folder: Path, number: int) -> None:
    """Wait until so many receivers have taken a span, for twenty seconds at most."""
    waiting, told = threading.Event(), states(path_beside(folder / "db"))
    for _ in range(400):
        told = states(path_beside(folder / "db"))
        if sum(state.sent for state in told) >= number:
            return
        waiting.wait(0.05)
    raise AssertionError([(state.name, state.sent, state.last_error) for state in told])


def tokens_of(span: Span) -> dict[str, int]:
    return {pair.key: pair.value.int_value for pair in span.attributes if pair.key in TOKENS}


SECRETS = {
    "HELICONE_API_KEY": "sk-helicone-1",
    "LANGFUSE_AUTH": "cGs6c2s=",
    "LANGSMITH_API_KEY": "ls-1",
    "HONEYCOMB_API_KEY": "hc-1",
    "DD_API_KEY": "dd-1",
    "GRAFANA_AUTH": "MTp0",
}


def receivers() -> dict[str, tuple[str, Otlp]]:
    """Each backend as its documentation has it: the host where it is, its path, and the headers that it wants."""
    return {
        "jaeger": ("localhost:4318", Jaeger()),
        "tempo": ("localhost:4318", Otlp()),
        "helicone": ("api.helicone.ai", HeliconeTraces("sk-helicone-1")),
        "langfuse": ("cloud.langfuse.com", Langfuse("pk", "sk")),
        "langsmith": (
            "api.smith.langchain.com",
            Otlp("/otel/v1/traces", x_api_key="ls-1", langsmith_project="desk"),
        ),
        "phoenix": ("localhost:6006", Otlp()),
        "honeycomb": ("api.honeycomb.io", Otlp(x_honeycomb_team="hc-1")),
        "datadog": ("otlp.datadoghq.com", Otlp(dd_api_key="dd-1", dd_otlp_source="llmobs")),
        "grafana": (
            "otlp-gateway-prod-eu-west-2.grafana.net",
            Otlp("/otlp/v1/traces", authorization="Basic MTp0"),
        ),
    }


@pytest.mark.parametrize("name", receivers())
def test_a_direct_recipe_brings_spans_where_it_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, path, headers and encoding as each backend documents them; the span has the call's tokens."""
    variables = recipe(name, **SECRETS)
    host, receiver = receivers()[name]
    assert urlsplit(variables[ENDPOINT]).netloc == host
    with serving(receiver.app.routes) as netloc:
        export_a_call(variables, netloc, monkeypatch)
    (span,), (came,) = receiver.spans, receiver.headers
    assert headers_of(variables).items() <= came.items()
    assert (span.name, tokens_of(span)) == ("anthropic.messages.create", TOKENS)


def headers_of(variables: Mapping[str, str]) -> dict[str, str]:
    """The headers that a recipe names, as they go over the wire."""
    pairs = (pair.partition("=") for pair in variables.get(HEADERS, "").split(",") if pair)
    return {name.lower(): unquote(value) for name, _, value in pairs}


@contextmanager
def bursar(folder: Path, dialects: str) -> Generator[None]:
    """Bursar in this process, without an agent: what it writes on spans, it writes alone."""
    assert instrument(environ={"BURSAR_STATE_DIR": str(folder), "BURSAR_DIALECTS": dialects})
    try:
        yield
    finally:
        uninstrument()


def test_langfuse_gets_every_class_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its direct recipe, with Bursar in the process; of the SDK's span alone it takes cache writes for plain input."""
    variables, receiver = recipe("langfuse", **SECRETS), Langfuse("pk", "sk")
    with serving(receiver.app.routes) as netloc:
        export_a_call(variables, netloc, monkeypatch)
        with bursar(tmp_path, variables["BURSAR_DIALECTS"]):
            export_a_call(variables, netloc, monkeypatch)
    bare, stamped = receiver.observations().values()
    assert (bare["usageDetails"]["input"], bare["costDetails"]) == (600, {})
    names = ("input", "input_cache_read", "input_cache_creation_5m", "output", "total")
    tokens, dollars = (stamped[which] for which in ("usageDetails", "costDetails"))
    assert [tokens[name] for name in names] == [100, 2000, 500, 42, 2642]
    assert [dollars[name] for name in names] == [0.0002, 0.0002, 0.00125, 0.00042, COST]


def test_helicones_names_of_2024_come_by_a_dialect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the page says of its direct recipe: tokens in and out with `BURSAR_DIALECTS=traceloop`, none cached."""
    receiver = HeliconeTraces("sk-helicone-1")
    with serving(receiver.app.routes) as netloc, bursar(tmp_path, "traceloop"):
        export_a_call(recipe("helicone", **SECRETS), netloc, monkeypatch)
    (shown,) = receiver.requests()
    assert (shown["provider"], shown["prompt_tokens"], shown["completion_tokens"]) == ("ANTHROPIC", 2600, 42)


def test_helicone_finds_none_of_the_names_that_it_reads_on_the_sdks_own_span() -> None:
    """But for the model: why the page says that it shows no tokens that way."""
    span = Span(attributes=[KeyValue(key=key, value=AnyValue(int_value=value)) for key, value in TOKENS.items()])
    traces = HeliconeTraces("k")
    traces.resources = [ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])]
    (shown,) = traces.requests()
    assert (shown["prompt_tokens"], shown["completion_tokens"], shown["provider"]) == (None, None, "")


HEAD = 'version = 1\nmode = "observe"\n'


def moved(name: str, host: str, netloc: str) -> str:
    """The page's [[forward]] of a backend, whose address is the backend's; only the host is another."""
    text = block(f"toml {name}")
    (forward,) = parse_policy(HEAD + text, file=name).forwards
    documented = urlsplit(address_of(forward))
    assert documented.netloc == host
    return text.replace(forward.url, f"http://{netloc}/{name}{documented.path}")


def test_the_agents_recipes_bring_spans_where_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The SDK, OpenTelemetry's exporter, the real agent with every [[forward]] of the page, and all backends at once.

    Host and path are the page's; each backend finds the call with its cost, Langfuse and Helicone in their own names.
    """
    backends = {name: known for name, known in receivers().items() if name != "helicone"}
    log = HeliconeLogs("sk-helicone-1")
    apps = {**{name: receiver.app for name, (_, receiver) in backends.items()}, "helicone": log.app}
    hosts = {**{name: host for name, (host, _) in backends.items()}, "helicone": "api.worker.helicone.ai"}
    with serving([Mount(f"/{name}", app) for name, app in apps.items()]) as netloc:
        policy = HEAD + "".join(moved(name, hosts[name], netloc) for name in apps)
        environment = {
            key: value
            for name in apps
            if f"```sh {name}-agent" in TEXT
            for key, value in recipe(f"{name}-agent", **SECRETS).items()
        }
        with agent(tmp_path, policy, environment) as running:
            export_a_call(recipe("agent"), urlsplit(running.url).netloc, monkeypatch)
            delivered(tmp_path, len(apps))
        trace = backends["jaeger"][1].spans[0].trace_id.hex()
        with httpx2.Client(trust_env=False) as client:
            (found,) = client.get(f"http://{netloc}/jaeger/api/traces/{trace}").json()["data"]
    tags = {tag["key"]: tag["value"] for tag in found["spans"][0]["tags"]}
    assert (tags["bursar.cost.nano_usd"], tags["bursar.cost.basis"]) == (round(COST * 10**9), "span")
    for name, (_, backend) in backends.items():
        (span,), (came,) = backend.spans, backend.headers
        told = attributes_of(span.attributes)
        assert (tokens_of(span), told["gen_ai.usage.cost"]) == (TOKENS, COST), name
        pairs = environment.get(f"{name.upper()}_HEADERS")
        assert headers_of({HEADERS: pairs or ""}).items() <= came.items(), name
    langfuse, (logged,) = backends["langfuse"][1], log.requests.values()
    assert isinstance(langfuse, Langfuse)
    (observation,) = langfuse.observations().values()
    assert (observation["costDetails"]["total"], observation["usageDetails"]["input"]) == (COST, 100)
    assert (logged["usage"]["cache_read_input_tokens"], logged["properties"]["cost-usd"]) == (2000, str(COST))


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
        ({"content-type": "application/x-protobuf", "x-api-key": "other"}, 401),
        ({"content-type": "application/json", "x-api-key": "k"}, 415),
        ({"content-type": "application/x-protobuf", "x-api-key": "k"}, 200),
    ],
)
def test_the_contract_servers_are_strict(headers: dict[str, str], status: int) -> None:
    """A recipe that forgot the key or spoke another encoding would fail against them."""
    receiver = Otlp("/v1/traces", x_api_key="k")
    with serving(receiver.app.routes) as netloc, httpx2.Client(trust_env=False) as client:
        assert client.post(f"http://{netloc}/v1/traces", content=b"", headers=headers).status_code == status
