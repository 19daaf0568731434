"""What do the bytes of an OTLP export of metrics say of sums, and how is it answered?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint

from bursar.agent.spans.otlp import LATEST_NS, Encoding, attributes, encode, objects, read, refuse_too_many
from bursar.agent.spans.seenevent import SeenPoint

_READ = ("startTimeUnixNano", "timeUnixNano", "attributes", "asDouble", "asInt")
_MOST = 2.0**53
"""Above this a double no longer tells one whole number from the next."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one request brings."""

    points: tuple[SeenPoint, ...]
    rejected: int = 0
    """Points that no account can be kept of: out of time, or no number from zero on."""


def decode(body: bytes, encoding: Encoding, *, wanted: Callable[[str], bool]) -> Metrics:
    """The points of monotonic sums with a wanted metric name. Raises `MalformedError` and `TooManyError`."""
    request = read(body, encoding, ExportMetricsServiceRequest, _for_protobuf)
    metrics = (metric for told in request.resource_metrics for scope in told.scope_metrics for metric in scope.metrics)
    refuse_too_many(1 + len(metric.sum.data_points) for metric in metrics)
    points: list[SeenPoint] = []
    rejected = 0
    for resource_metrics in request.resource_metrics:
        resource = attributes(resource_metrics.resource.attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                if not (wanted(metric.name) and metric.HasField("sum") and metric.sum.is_monotonic):
                    continue
                for point in metric.sum.data_points:
                    seen = _seen(metric, point, scope_metrics.scope.name, resource)
                    rejected += seen is None
                    points += () if seen is None else (seen,)
    return Metrics(tuple(points), rejected)


def encode_answer(metrics: Metrics, encoding: Encoding) -> bytes:
    """The body of the answer 200; it says how many points were not taken, if any."""
    response = ExportMetricsServiceResponse()
    if metrics.rejected:
        response.partial_success.rejected_data_points = metrics.rejected
        response.partial_success.error_message = (
            f"{metrics.rejected} points were not taken: their values are no counts, or their times beyond the year 2262"
        )
    return encode(response, encoding)


def _seen(metric: Metric, point: NumberDataPoint, scope: str, resource: Mapping[str, Any]) -> SeenPoint | None:
    value = float(point.as_int) if point.WhichOneof("value") == "as_int" else point.as_double
    times = (point.start_time_unix_nano, point.time_unix_nano)
    if not math.isfinite(value) or not 0 <= value <= _MOST or max(times) > LATEST_NS or times[0] > times[1]:
        return None
    temporality = metric.sum.aggregation_temporality
    return SeenPoint(
        metric.name,
        scope,
        value,
        *times,
        cumulative=temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE,
        attributes=attributes(point.attributes),
        resource=resource,
    )


def _for_protobuf(value: Any) -> dict[str, Any]:
    resources = [
        {**resource, "scopeMetrics": [_scope_metrics(scope) for scope in objects(resource, "scopeMetrics")]}
        for resource in objects(value, "resourceMetrics")
    ]
    return {"resourceMetrics": resources}


def _scope_metrics(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics with what is read of sums; exemplars have ids, which OTLP writes in another way than protobuf."""
    metrics: list[dict[str, Any]] = []
    for metric in objects(scope, "metrics"):
        told = metric.get("sum")
        if isinstance(told, Mapping):
            points = [{name: point[name] for name in _READ if name in point} for point in objects(told, "dataPoints")]
            metrics.append({"name": metric.get("name"), "sum": {**told, "dataPoints": points}})
    return {**scope, "metrics": metrics}
