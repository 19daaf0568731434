"""How are spans cut into parcels for the queue, and put together for a receiver, without being changed?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from bursar.agent.spans.otlp import Encoding, decode
from bursar.agent.spans.seenspan import SeenSpan, Wire

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
    wires = [_wire(span) for span in spans]
    for _, of_resource in groupby(wires, key=lambda wire: id(wire.resource)):
        neighbours = list(of_resource)
        came = neighbours[0].resource
        resource = request.resource_spans.add(schema_url=came.schema_url)
        if came.HasField("resource"):
            resource.resource.CopyFrom(came.resource)
        for _, of_scope in groupby(neighbours, key=lambda wire: id(wire.scope)):
            _add_scope(resource, list(of_scope))
    body: bytes = request.SerializeToString()
    return body


def _add_scope(resource: ResourceSpans, wires: Sequence[Wire]) -> None:
    came = wires[0].scope
    scope = resource.scope_spans.add(schema_url=came.schema_url)
    if came.HasField("scope"):
        scope.scope.CopyFrom(came.scope)
    for wire in wires:
        scope.spans.add().CopyFrom(wire.span)


def unpack(bodies: Iterable[bytes]) -> tuple[SeenSpan, ...]:
    """The spans of parcels, in their order. A message of protobuf after another is the two of them in one."""
    return decode(b"".join(bodies), Encoding.PROTOBUF).spans


def _length(span: SeenSpan) -> int:
    return int(_wire(span).span.ByteSize())


def _wire(span: SeenSpan) -> Wire:
    if span.wire is None:
        raise ValueError(f"the span {span.span_id} was not received, so there is nothing to be passed on")
    return span.wire
