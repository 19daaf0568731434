"""Claims about exports of metrics: which points are read, in protobuf and in loose JSON, and which are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum
from tests.agent.spans.claudecodedata import needs_data, recordings

from bursar.agent.spans import claudecodemetrics
from bursar.agent.spans.otlp import MOST_ITEMS, Encoding, MalformedError, TooManyError
from bursar.agent.spans.otlpmetrics import Metrics, decode, encode_answer

DELTA, CUMULATIVE = 1, 2


def anyone(metric: str) -> bool:
    return bool(metric)


def export(*points: NumberDataPoint, **changes: Any) -> bytes:
    settings: dict[str, Any] = {"aggregation_temporality": DELTA, "is_monotonic": True, **changes}
    total = Sum(data_points=points, **settings)
    scope = ScopeMetrics(metrics=[Metric(name="spent", sum=total)])
    body: bytes = ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(scope_metrics=[scope])]
    ).SerializeToString()
    return body


@pytest.mark.parametrize(
    ("temporality", "cumulative"), [(DELTA, False), (CUMULATIVE, True), ("AGGREGATION_TEMPORALITY_CUMULATIVE", True)]
)
def test_loose_json_says_what_protobuf_does(temporality: Any, cumulative: bool) -> None:
    """Numbers for enums, whole numbers for doubles, exemplars with ids in hex."""
    point = {
        "startTimeUnixNano": 1,
        "timeUnixNano": "2",
        "asDouble": 5,
        "exemplars": [{"traceId": "0a", "spanId": "x"}],
    }
    told = {"name": "spent", "sum": {"aggregationTemporality": temporality, "isMonotonic": True, "dataPoints": [point]}}
    other: dict[str, Any] = {"name": "else", "gauge": {}}
    written = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [told, other]}]}]}
    [seen] = decode(json.dumps(written).encode(), Encoding.JSON, wanted=anyone).points
    assert (seen.metric, seen.value, seen.since_ns, seen.until_ns, seen.cumulative) == ("spent", 5.0, 1, 2, cumulative)


@pytest.mark.parametrize(
    "point",
    [
        NumberDataPoint(as_double=float("nan")),
        NumberDataPoint(as_double=float("inf")),
        NumberDataPoint(as_double=-1),
        NumberDataPoint(as_int=2**60),
        NumberDataPoint(as_int=1, time_unix_nano=2**63),
        NumberDataPoint(as_int=1, start_time_unix_nano=2, time_unix_nano=1),
    ],
)
def test_points_that_count_nothing_are_a_partial_success(point: NumberDataPoint) -> None:
    """The others are taken, and the sender learns how many were not."""
    metrics = decode(export(point, NumberDataPoint(as_int=3)), Encoding.PROTOBUF, wanted=anyone)
    assert ([seen.value for seen in metrics.points], metrics.rejected) == ([3.0], 1)
    answer = ExportMetricsServiceResponse.FromString(encode_answer(metrics, Encoding.PROTOBUF))
    assert answer.partial_success.rejected_data_points == 1
    assert encode_answer(Metrics(()), Encoding.JSON) == b"{}"


def test_what_may_fall_is_no_count() -> None:
    """Only sums that never fall are read, and only of wanted names."""
    assert decode(export(NumberDataPoint(as_int=3), is_monotonic=False), Encoding.PROTOBUF, wanted=anyone) == Metrics(
        ()
    )
    assert decode(export(NumberDataPoint(as_int=3)), Encoding.PROTOBUF, wanted=claudecodemetrics.is_metric) == Metrics(
        ()
    )


def test_too_many_at_once_are_refused() -> None:
    """Points count as metrics do."""
    with pytest.raises(TooManyError):
        decode(export(*[NumberDataPoint()] * MOST_ITEMS), Encoding.PROTOBUF, wanted=anyone)


def test_what_is_no_export_is_said() -> None:
    """In whatever encoding it comes."""
    with pytest.raises(MalformedError, match="ExportMetricsServiceRequest"):
        decode(
            b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"dataPoints":5}}]}]}]}',
            Encoding.JSON,
            wanted=anyone,
        )
    with pytest.raises(MalformedError, match="ExportMetricsServiceRequest"):
        decode(b"\xff\xff", Encoding.PROTOBUF, wanted=anyone)


@needs_data
def test_every_recorded_export_is_read() -> None:
    """Of both encodings, as Claude Code wrote them: 14 points of cost, and four of tokens for each."""
    points = [
        point
        for recording in recordings("metrics")
        for point in decode(recording.body, recording.encoding, wanted=claudecodemetrics.is_metric).points
    ]
    costs = [point for point in points if point.metric == claudecodemetrics.COST]
    assert len(points) == 5 * len(costs)
    assert {point.cumulative for point in points} == {True, False}
