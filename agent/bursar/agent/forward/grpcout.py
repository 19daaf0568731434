"""How are spans sent by OTLP over gRPC?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from bursar.agent.forward.answers import TIMEOUT_SECONDS, Answer, Scrubber, Verdict
from bursar.agent.forward.calls import Called
from bursar.agent.forward.dressing import Dress
from bursar.agent.forward.otlpout import packed, partly
from bursar.agent.spans.seenspan import SeenSpan

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_POISON = frozenset(("INVALID_ARGUMENT",))
_TOO_LARGE = "RESOURCE_EXHAUSTED"
_DETAILS = "grpc-status-details-bin"


class GrpcOut:
    """One receiver. The channel is made with the first spans, in the event loop that sends them."""

    def __init__(self, url: str, headers: Mapping[str, str], *, dressed: Dress) -> None:
        self._url = urlsplit(url)
        self._headers = tuple(headers.items())
        self._dressed = dressed
        self._scrubber = Scrubber(headers)
        self._channel: Any = None
        self._export: Callable[..., Any] | None = None

    async def send(self, spans: Sequence[SeenSpan], calls: Mapping[int, Called]) -> Answer:
        """Send spans in one request; the answer is for all of them."""
        grpc: Any = import_module("grpc")
        chosen, body = await asyncio.to_thread(packed, spans, calls, self._dressed, calls_only=False)
        try:
            response = await self._opened()(body, metadata=self._headers, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return self._refused(error)
        partial = response.partial_success
        return partly(partial.rejected_spans, self._scrubber.clean(partial.error_message), chosen, 0)

    async def aclose(self) -> None:
        """Let the channel go."""
        if self._channel is not None:
            await self._channel.close()

    def _opened(self) -> Callable[..., Any]:
        if self._export is not None:
            return self._export
        grpc: Any = import_module("grpc")
        aio: Any = import_module("grpc.aio")
        secure = self._url.scheme == "https"
        address = f"{self._url.hostname}:{self._url.port or (443 if secure else 4317)}"
        self._channel = (
            aio.secure_channel(address, grpc.ssl_channel_credentials()) if secure else aio.insecure_channel(address)
        )
        export: Callable[..., Any] = self._channel.unary_unary(
            _METHOD, request_serializer=None, response_deserializer=ExportTraceServiceResponse.FromString
        )
        self._export = export
        return export

    def _refused(self, error: Any) -> Answer:
        code: str = error.code().name
        said = self._scrubber.clean(f"it answered {code} {error.details() or ''}")
        asked = _asked(error)
        if code in _POISON or (code == _TOO_LARGE and asked is None):
            return Answer(Verdict.POISON, said=said)
        return Answer(Verdict.LATER, said=said, retry_after=asked)


def _asked(error: Any) -> float | None:
    """The seconds that the receiver asks to wait, by a `RetryInfo` in its answer's details."""
    details = [value for key, value in error.trailing_metadata() or () if key == _DETAILS]
    for told in details:
        try:
            status = Status.FromString(told)
        except DecodeError:
            continue
        for detail in status.details:
            info = RetryInfo()
            if detail.Unpack(info):
                return float(info.retry_delay.ToNanoseconds()) / 10**9
    return None
