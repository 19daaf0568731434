"""Telemetry: whose tracer makes a span of our own."""

from __future__ import annotations

from types import SimpleNamespace

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider

from bursar.instrumentation.telemetry import tracer_of


def test_each_client_s_spans_go_to_its_own_provider() -> None:
    """However they take turns; and to the global one where a client was given none."""
    one, other = (
        TracerProvider(resource=Resource({"name": name}), shutdown_on_exit=False) for name in ("one", "other")
    )
    for provider in (one, other, one):
        client = SimpleNamespace(open_telemetry={"tracer_provider": provider})
        span = tracer_of(client).start_span("chat")
        assert isinstance(span, Span)
        assert span.resource is provider.resource
        assert tracer_of(client) is tracer_of(client)
    for without in (SimpleNamespace(open_telemetry={}), SimpleNamespace(open_telemetry=False), None):
        assert type(tracer_of(without)) is type(trace.get_tracer("t"))
