"""How are spans sent by OTLP over HTTP: to Jaeger, Tempo, a collector, Langfuse, or Helicone's trace endpoint?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import httpx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from bursar.agent.forward.answers import TIMEOUT_SECONDS, Answer, Scrubber, Verdict, of_status, unreachable
from bursar.agent.forward.bundle import pack
from bursar.agent.forward.calls import Called
from bursar.agent.forward.dressing import Dress, dress
from bursar.agent.spans.seenspan import SeenSpan

_PROTOBUF = "application/x-protobuf"


class OtlpOut:
    """One receiver."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        client: httpx.AsyncClient,
        *,
        dressed: Dress,
        clock_ns: Callable[[], int],
        calls_only: bool = False,
    ) -> None:
        """`dressed` says what is written onto each span; `calls_only`: the receiver takes every span for a call."""
        self._url = url
        self._headers = {**headers, "content-type": _PROTOBUF}
        self._client = client
        self._dressed = dressed
        self._clock_ns = clock_ns
        self._calls_only = calls_only
        self._scrubber = Scrubber(headers)

    async def send(self, spans: Sequence[SeenSpan], calls: Mapping[int, Called]) -> Answer:
        """Send spans in one request; the answer is for all of them."""
        chosen, body = await asyncio.to_thread(packed, spans, calls, self._dressed, calls_only=self._calls_only)
        passed_over = len(spans) - chosen
        if not chosen:
            return Answer(Verdict.DONE, passed_over=passed_over)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response = await self._client.post(
                    self._url, content=body, headers=self._headers, timeout=TIMEOUT_SECONDS
                )
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            return unreachable(error)
        if not response.is_success:
            return of_status(response, self._scrubber.clean(response.text), self._clock_ns())
        said = _partial(response)
        return partly(said[0], self._scrubber.clean(said[1]), chosen, passed_over)

    async def aclose(self) -> None:
        """Nothing: the client is its owner's."""


def packed(
    spans: Sequence[SeenSpan], calls: Mapping[int, Called], dressed: Dress, *, calls_only: bool
) -> tuple[int, bytes]:
    """How many spans are sent, and the request with them, dressed."""
    chosen = [place for place in range(len(spans)) if not calls_only or place in calls]
    for place in chosen:
        dress(spans[place], dressed(spans[place], calls.get(place)))
    return len(chosen), pack(spans[place] for place in chosen)


def partly(rejected: int, message: str, chosen: int, passed_over: int) -> Answer:
    """What an answer means that took the request: all of it, or all but some spans, which must not be sent again."""
    refused = min(max(rejected, 0), chosen)
    said = None
    if refused:
        said = f"it refused {refused} of {chosen} spans: {message or 'it does not say why'}"
    elif message:
        said = f"it took all, and says: {message}"
    return Answer(Verdict.DONE, sent=chosen - refused, refused=refused, passed_over=passed_over, said=said)


def _partial(response: httpx.Response) -> tuple[int, str]:
    """What an answer 200 says of single spans; nothing where it is not in OTLP, as Helicone's is not."""
    if response.headers.get("content-type", "").partition(";")[0].strip() != _PROTOBUF:
        return 0, ""
    try:
        told = ExportTraceServiceResponse.FromString(response.content).partial_success
    except DecodeError:
        return 0, ""
    return told.rejected_spans, told.error_message
