"""What do the bytes of an OTLP export of logs say, and how is it answered?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from bursar.agent.spans.otlp import LATEST_NS, Encoding, attributes, encode, objects, read, refuse_too_many
from bursar.agent.spans.seenevent import SeenEvent

_READ = ("timeUnixNano", "observedTimeUnixNano", "body", "attributes", "eventName")
"""What of a record in JSON anybody here reads. Ids, which OTLP writes in another way than protobuf, are not in it."""


@dataclass(frozen=True, slots=True)
class Logs:
    """What one request brings."""

    events: tuple[SeenEvent, ...]
    rejected: int = 0
    """Records that no account can be kept of: out of time."""


def decode(body: bytes, encoding: Encoding, *, wanted: Callable[[str], bool]) -> Logs:
    """The events of an export that libraries of a wanted name tell. Raises `MalformedError` and `TooManyError`."""
    request = read(body, encoding, ExportLogsServiceRequest, _for_protobuf)
    refuse_too_many(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)
    events: list[SeenEvent] = []
    rejected = 0
    for resource_logs in request.resource_logs:
        resource = attributes(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            if not wanted(scope_logs.scope.name):
                continue
            for record in scope_logs.log_records:
                at_ns = record.time_unix_nano or record.observed_time_unix_nano
                if at_ns > LATEST_NS:
                    rejected += 1
                else:
                    events.append(_seen(record, at_ns, scope_logs.scope.name, resource))
    return Logs(tuple(events), rejected)


def encode_answer(logs: Logs, encoding: Encoding) -> bytes:
    """The body of the answer 200; it says how many records were not taken, if any."""
    response = ExportLogsServiceResponse()
    if logs.rejected:
        response.partial_success.rejected_log_records = logs.rejected
        response.partial_success.error_message = (
            f"{logs.rejected} records were not taken: their times lie beyond the year 2262"
        )
    return encode(response, encoding)


def _seen(record: LogRecord, at_ns: int, scope: str, resource: Mapping[str, Any]) -> SeenEvent:
    name = record.event_name or record.body.string_value
    return SeenEvent(name, scope, at_ns, attributes(record.attributes), resource)


def _for_protobuf(value: Any) -> dict[str, Any]:
    resources = [
        {**resource, "scopeLogs": [_scope_logs(scope) for scope in objects(resource, "scopeLogs")]}
        for resource in objects(value, "resourceLogs")
    ]
    return {"resourceLogs": resources}


def _scope_logs(scope: Mapping[str, Any]) -> dict[str, Any]:
    records = [{name: record[name] for name in _READ if name in record} for record in objects(scope, "logRecords")]
    return {**scope, "logRecords": records}
