"""A call that comes by both ways, journal and span, counts once; one that comes by span alone is priced on arrival."""

from __future__ import annotations

from pathlib import Path

from tests.whole.scene import house, program, until
from tests.whole.test_crashes import BUSY, booked

ITS_OWN_TRACING = """
import anthropic
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
client = anthropic.Anthropic()
for n in range(5):
    client.messages.create(model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": str(n)}])
list(client.messages.create(model="claude-haiku-5-5", max_tokens=50, stream=True,
                            messages=[{"role": "user", "content": "streamed"}]))
"""


def test_journal_and_spans_of_the_same_calls_count_once(tmp_path: Path) -> None:
    """`instrument()` sets tracing up to the agent: every call arrives twice, and is one exact charge."""
    with house(tmp_path) as home, home.agent():
        home.run(program(tmp_path, BUSY), "5")
        until(lambda: booked(home), "the agent to book everything")
        total = home.total()
        assert (total["charges"], total["nano_usd"]) == (20, home.bill["nano_usd"])
        assert [row["basis"] for row in home.by("basis")] == ["usage"]


def test_an_application_with_the_sdk_s_own_tracing_alone_is_priced_on_arrival(tmp_path: Path) -> None:
    """No Bursar in the process at all: the sandbox's bill, from spans, and each charge says that it is from one."""
    with house(tmp_path) as home, home.agent():
        endpoint = f"{home.agent_url}/v1/traces"
        home.run(program(tmp_path, ITS_OWN_TRACING), alone=True, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint)
        until(lambda: home.total()["charges"] == 6, "the spans to be booked")
        assert home.total()["nano_usd"] == home.bill["nano_usd"]
        assert [row["basis"] for row in home.by("basis")] == ["span"]


LATE_PROVIDER = """
import anthropic
from bursar.instrumentation import instrument

instrument()

def main():
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    mine = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(mine))
    trace.set_tracer_provider(provider)
    anthropic.Anthropic().messages.create(
        model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "x"}])
    (span,) = mine.get_finished_spans()
    print(span.attributes["bursar.cost.nano_usd"])

main()
"""


def test_an_application_that_sets_its_tracing_up_late_keeps_it(tmp_path: Path) -> None:
    """After `instrument()` and before its first call: the provider is the application's, and its span has the cost."""
    with house(tmp_path) as home, home.agent():
        assert int(home.run(program(tmp_path, LATE_PROVIDER))) == home.bill["nano_usd"]
