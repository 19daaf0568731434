"""How are spans cut into parcels for the queue, and put together for a receiver, without being changed?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from bursar.agent.spans.otlp import Encoding, decode
from bursar.agent.spans.seenspan import SeenSpan

MOST_SPANS = 512
MOST_BYTES = 10**6
"""Of one request; a single span that is larger travels alone."""


def parcels(spans: Sequence[SeenSpan]) -> list[tuple[int, bytes]]:
    """Spans in parcels: how many, and an `ExportTraceServiceRequest` of them, each small enough for one request."""
    cut: list[tuple[int, bytes]] = []
    begin = size = 0
    for place, span in enumerate(spans):
        length = _length(span)
        if place > begin and (place - begin >= MOST_SPANS or size + length > MOST_BYTES):
            cut.append((place - begin, pack(spans[begin:place])))
            begin, size = place, 0
        size += length
    if begin < len(spans):
        cut.append((len(spans) - begin, pack(spans[begin:])))
    return cut


def pack(spans: Iterable[SeenSpan]) -> bytes:
    """
    An `ExportTraceServiceRequest` of these spans, in their order.

    Neighbours of one resource, and of one scope in it, stand under one, as they did when they came.
    """
    request = ExportTraceServiceRequest()
    last_resource: ResourceSpans | None = None
    last_scope: ScopeSpans | None = None
    for span in spans:
        wire = span.wire
        if wire is None:
            raise ValueError(f"the span {span.span_id} was not received, so there is nothing to be passed on")
        if wire.resource is not last_resource:
            resource = request.resource_spans.add(schema_url=wire.resource.schema_url)
            if wire.resource.HasField("resource"):
                resource.resource.CopyFrom(wire.resource.resource)
            last_resource = wire.resource
        if wire.scope is not last_scope:
            scope = request.resource_spans[-1].scope_spans.add(schema_url=wire.scope.schema_url)
            if wire.scope.HasField("scope"):
                scope.scope.CopyFrom(wire.scope.scope)
            last_scope = wire.scope
        request.resource_spans[-1].scope_spans[-1].spans.add().CopyFrom(wire.span)
    body: bytes = request.SerializeToString()
    return body


def unpack(bodies: Iterable[bytes]) -> tuple[SeenSpan, ...]:
    """The spans of parcels, in their order. A message of protobuf after another is the two of them in one."""
    return decode(b"".join(bodies), Encoding.PROTOBUF).spans


def _length(span: SeenSpan) -> int:
    return 0 if span.wire is None else int(span.wire.span.ByteSize())
