"""Through what are spans sent to a receiver?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from bursar.agent.forward.answers import Answer
from bursar.agent.forward.calls import Called
from bursar.agent.forward.dressing import for_helicone, for_langfuse, for_otlp
from bursar.agent.forward.grpcout import GrpcOut
from bursar.agent.forward.helicone import HeliconeLog
from bursar.agent.forward.otlpout import OtlpOut
from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies.forward import Forward

_PATHS: Mapping[str, str] = {
    "otlp": "/v1/traces",
    "helicone": "/custom/v1/log",
    "langfuse": "/api/public/otel/v1/traces",
}
"""Where each kind is reached where its address has no path."""

_HELICONE_TRACES = "/v1/trace/log-python"
_LANGFUSE_AT_ONCE = {"x-langfuse-ingestion-version": "4"}
"""Without it Langfuse shows spans some minutes later."""


class Outlet(Protocol):
    """One receiver."""

    async def send(self, spans: Sequence[SeenSpan], calls: Mapping[int, Called]) -> Answer:
        """Send spans, of which these are calls by their place; what became of them."""
        ...

    async def aclose(self) -> None:
        """Let go of what it holds."""
        ...


class Outlets:
    """The outlets in use, made when they are first asked for."""

    def __init__(self, client: httpx.AsyncClient, *, clock_ns: Callable[[], int]) -> None:
        self._client = client
        self._clock_ns = clock_ns
        self._made: dict[tuple[Forward, tuple[tuple[str, str], ...]], Outlet] = {}

    def of(self, forward: Forward, headers: Mapping[str, str]) -> Outlet:
        """The outlet of a receiver with these headers."""
        key = (forward, tuple(headers.items()))
        if key not in self._made:
            self._made[key] = self._make(forward, headers)
        return self._made[key]

    async def aclose(self) -> None:
        """Close all of them."""
        for outlet in self._made.values():
            await outlet.aclose()

    def _make(self, forward: Forward, headers: Mapping[str, str]) -> Outlet:
        url = address_of(forward)
        if forward.protocol == "grpc":
            return GrpcOut(url, headers, dressed=for_otlp)
        if forward.kind == "helicone" and not url.endswith(_HELICONE_TRACES):
            return HeliconeLog(url, headers, self._client, clock_ns=self._clock_ns)
        if forward.kind == "helicone":
            return OtlpOut(url, headers, self._client, dressed=for_helicone, clock_ns=self._clock_ns, calls_only=True)
        if forward.kind == "langfuse":
            sent = {**_LANGFUSE_AT_ONCE, **headers}
            return OtlpOut(url, sent, self._client, dressed=for_langfuse, clock_ns=self._clock_ns)
        return OtlpOut(url, headers, self._client, dressed=for_otlp, clock_ns=self._clock_ns)


def address_of(forward: Forward) -> str:
    """The whole address: what the policy says, with the usual path of the kind where it has none."""
    parts = urlsplit(forward.url)
    if forward.protocol == "grpc" or parts.path not in ("", "/"):
        return forward.url
    return parts._replace(path=_PATHS[forward.kind]).geturl()
