"""Claims about OTLP over gRPC, against a real server of OpenTelemetry's own service."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
import pytest
from google.protobuf.any_pb2 import Any as Packed  # type: ignore[import-untyped]
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer
from tests.agent.forward.received import SDK, call, export, seen

from bursar.agent.forward.answers import Answer, Verdict
from bursar.agent.forward.dressing import for_otlp
from bursar.agent.forward.grpcout import GrpcOut

ADD: Any = getattr(trace_service_pb2_grpc, "add_TraceServiceServicer_to_server")  # noqa: B009 - it has no types


class Service(TraceServiceServicer):
    """Takes spans, or says what it was told to say."""

    def __init__(self, code: Any = None, details: bytes | None = None, rejected: int = 0) -> None:
        self.names: list[str] = []
        self.metadata: Mapping[str, str] = {}
        self._code = code
        self._details = details
        self._rejected = rejected

    async def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802 - OpenTelemetry's name
        self.metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        if self._code is not None:
            if self._details is not None:
                context.set_trailing_metadata((("grpc-status-details-bin", self._details),))
            await context.abort(self._code, "no: Bearer k-123")
        spans = [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
        self.names += [span.name for span in spans]
        response = ExportTraceServiceResponse()
        response.partial_success.rejected_spans = self._rejected
        return response


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def send(service: Service | None) -> Answer:
    """Two calls, to a server of this service; to nobody without one."""

    async def sent() -> Answer:
        server: Any = grpc.aio.server()
        port = free_port() if service is None else server.add_insecure_port("127.0.0.1:0")
        if service is not None:
            ADD(service, server)
            await server.start()
        outlet = GrpcOut(f"http://127.0.0.1:{port}", {"authorization": "Bearer k-123"}, dressed=for_otlp)
        try:
            return await outlet.send(seen(export((SDK, [call(1), call(2)]))), {})
        finally:
            await outlet.aclose()
            await server.stop(None)

    return asyncio.run(sent())


def test_spans_arrive_with_their_headers_as_metadata() -> None:
    service = Service()
    assert send(service) == Answer(Verdict.DONE, sent=2)
    assert service.names == ["anthropic.messages.create"] * 2
    assert service.metadata["authorization"] == "Bearer k-123"


def retry_info(seconds: int) -> bytes:
    detail = Packed()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=seconds)))
    told: bytes = Status(code=8, details=[detail]).SerializeToString()
    return told


@pytest.mark.parametrize(
    ("code", "details", "verdict", "retry_after"),
    [
        ("INVALID_ARGUMENT", None, Verdict.POISON, None),
        ("RESOURCE_EXHAUSTED", None, Verdict.POISON, None),
        ("RESOURCE_EXHAUSTED", retry_info(7), Verdict.LATER, 7),
        ("UNAVAILABLE", retry_info(5), Verdict.LATER, 5),
        ("UNAVAILABLE", b"\xff\xff", Verdict.LATER, None),
        ("UNAUTHENTICATED", None, Verdict.LATER, None),
        ("UNIMPLEMENTED", None, Verdict.LATER, None),
    ],
)
def test_codes_say_whether_to_come_again(
    code: str, details: bytes | None, verdict: Verdict, retry_after: float | None
) -> None:
    """As OTLP has it: exhausted means too large unless it says when to come again."""
    answer = send(Service(getattr(grpc.StatusCode, code), details))
    assert answer == Answer(verdict, said=f"it answered {code} no: ***", retry_after=retry_after)


def test_a_server_that_is_away_is_waited_for() -> None:
    answer = send(None)
    assert answer.verdict is Verdict.LATER and answer.said is not None and "UNAVAILABLE" in answer.said


def test_spans_that_it_refuses_are_not_sent_again() -> None:
    assert send(Service(rejected=1)).refused == 1
