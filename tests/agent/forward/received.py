"""Spans as they come in, for tests: the SDK's own for one call of Claude, and others around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from bursar.agent.spans.otlp import Encoding, decode
from bursar.agent.spans.seenspan import SeenSpan

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
SDK = "com.anthropic.sdk.python"
TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")

CALL: Mapping[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-5-5",
    "gen_ai.response.model": "claude-sonnet-5-5",
    "gen_ai.response.id": "msg_1",
    "gen_ai.usage.input_tokens": 2600,
    "gen_ai.usage.output_tokens": 42,
    "gen_ai.usage.cache_read.input_tokens": 2000,
    "gen_ai.usage.cache_write.input_tokens": 500,
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 300,
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 200,
    "gen_ai.response.time_to_first_chunk": 0.25,
}
"""100 tokens uncached, 2000 read, 300 written for 5 minutes and 200 for an hour, 42 out."""


def value_of(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list | tuple):
        items: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return AnyValue(array_value=ArrayValue(values=[value_of(item) for item in items]))
    return AnyValue(string_value=str(value))


def pairs(told: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value_of(value)) for key, value in told.items()]


def span(number: int, name: str = "work", told: Mapping[str, Any] | None = None, **more: Any) -> Span:
    """A span whose id is its number, of two seconds."""
    return Span(
        trace_id=TRACE,
        span_id=number.to_bytes(8, "big"),
        name=name,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=NOON,
        end_time_unix_nano=NOON + 2 * SECOND,
        attributes=pairs(told or {}),
        **more,
    )


def call(number: int, **told: Any) -> Span:
    """The SDK's span of a call; `told` by attribute name with `__` for a dot."""
    named = {key.replace("__", "."): value for key, value in told.items()}
    return span(number, "anthropic.messages.create", {**CALL, "gen_ai.response.id": f"msg_{number}", **named})


def failed(number: int, kind: str) -> Span:
    """The SDK's span of a call that the API refused."""
    told = {key: value for key, value in CALL.items() if "usage" not in key and "response" not in key}
    return span(
        number, "anthropic.messages.create", {**told, "error.type": kind}, status=Status(code=Status.STATUS_CODE_ERROR)
    )


def export(*scopes: tuple[str, list[Span]], service: str = "desk") -> ExportTraceServiceRequest:
    """One process' export: spans by the name of their scope."""
    resource = ResourceSpans(
        resource=Resource(attributes=pairs({"service.name": service})),
        schema_url="https://opentelemetry.io/schemas/1.30.0",
        scope_spans=[
            ScopeSpans(scope=InstrumentationScope(name=name, version="1"), spans=spans) for name, spans in scopes
        ],
    )
    return ExportTraceServiceRequest(resource_spans=[resource])


def seen(*exports: ExportTraceServiceRequest) -> tuple[SeenSpan, ...]:
    """As the receiver hands spans on."""
    return tuple(span for one in exports for span in decode(one.SerializeToString(), Encoding.PROTOBUF).spans)


def calls(count: int, first: int = 1) -> tuple[SeenSpan, ...]:
    """So many calls, of one export each."""
    return seen(*(export((SDK, [call(number)])) for number in range(first, first + count)))
