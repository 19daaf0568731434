"""Money is never sampled, whatever spans are."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.whole.scene import house, until
from tests.whole.test_content import receiver

SAMPLED = Path(__file__).parent / "programs" / "sampled.py"


@pytest.mark.parametrize(("ratio", "least", "most"), [("0.01", 0, 30), ("1", 200, 200)])
def test_the_ledger_is_the_bill_however_few_spans_there_are(tmp_path: Path, ratio: str, least: int, most: int) -> None:
    """Of two hundred calls two are expected to be sampled; more than thirty would be by chance once in 10^22 runs."""
    with receiver() as (endpoint, received), house(tmp_path) as home, home.agent():
        home.environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_TRACES_SAMPLER": "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": ratio,
        }
        home.run(SAMPLED)
        until(lambda: not any((tmp_path / "state" / "journal").glob("*.jsonl")), "the agent to book everything")
        total, bill = home.total(), home.bill
        assert (bill["requests"], total["charges"], total["calls"]) == (200, 200, 200)
        assert (total["nano_usd"], total["estimated_nano_usd"]) == (bill["nano_usd"], 0)
    assert least <= spans(received) <= most


def spans(received: list[bytes]) -> int:
    """How many spans came."""
    requests = [ExportTraceServiceRequest.FromString(body) for body in received]
    resources = [resource for request in requests for resource in request.resource_spans]
    return sum(len(scope.spans) for resource in resources for scope in resource.scope_spans)
