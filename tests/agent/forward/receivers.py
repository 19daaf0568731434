"""Receivers as their documentation has them: what each asks of a request, reads out of it, and shows of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

PROTOBUF = "application/x-protobuf"


@dataclass
class Staged:
    """What every receiver can be told to do, and how often it was asked."""

    answers: list[Response] = field(default_factory=list[Response])
    """Given instead of its own, one each, before anything is taken."""
    down: bool = False
    refuses: Callable[[Span], bool] = lambda _span: False
    """Spans for which a whole request is refused with 400."""
    asked: int = 0

    def answer(self) -> Response | None:
        self.asked += 1
        if self.down:
            return PlainTextResponse("no healthy upstream", 503)
        return self.answers.pop(0) if self.answers else None


def plain(value: AnyValue) -> Any:
    """An attribute's value as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    return None if kind is None else getattr(value, kind)


def attributes_of(pairs: Any) -> dict[str, Any]:
    found: list[KeyValue] = list(pairs)
    return {pair.key: plain(pair.value) for pair in found}


def taken_by_otlp() -> Response:
    body: bytes = ExportTraceServiceResponse().SerializeToString()
    return Response(body, media_type=PROTOBUF)


class Otlp:
    """An OTLP/HTTP endpoint: protobuf, its path alone, the headers that it wants."""

    def __init__(self, path: str = "/v1/traces", **wanted: str) -> None:
        """`wanted`: headers by name, `_` for `-`."""
        self.staged = Staged()
        self.resources: list[ResourceSpans] = []
        self.headers: list[Mapping[str, str]] = []
        self._wanted = {name.replace("_", "-"): value for name, value in wanted.items()}
        self.app = Starlette(routes=[Route(path, self._take, methods=["POST"]), *self.more()])

    def more(self) -> list[Route]:
        """Its other routes."""
        return []

    @property
    def spans(self) -> list[Span]:
        return [span for one in self.resources for scope in one.scope_spans for span in scope.spans]

    async def _take(self, request: Request) -> Response:
        staged = self.staged.answer()
        if staged is not None:
            return staged
        if any(request.headers.get(name) != value for name, value in self._wanted.items()):
            return PlainTextResponse("unauthorized", 401)
        if request.headers.get("content-type") != PROTOBUF:
            return PlainTextResponse("unsupported media type", 415)
        self.headers.append(dict(request.headers))
        export = ExportTraceServiceRequest.FromString(await request.body())
        spans = [span for one in export.resource_spans for scope in one.scope_spans for span in scope.spans]
        if any(self.staged.refuses(span) for span in spans):
            return PlainTextResponse("an attribute is not valid", 400)
        self.resources += export.resource_spans
        return taken_by_otlp()


class Jaeger(Otlp):
    """Jaeger 2: OTLP on /v1/traces, and /api/traces of its query service, which knows a span by its id once."""

    def more(self) -> list[Route]:
        return [Route("/api/traces/{trace_id}", self._trace)]

    async def _trace(self, request: Request) -> Response:
        wanted = request.path_params["trace_id"]
        spans: dict[str, Any] = {}
        processes: dict[str, Any] = {}
        for number, one in enumerate(self.resources, 1):
            resource = attributes_of(one.resource.attributes)
            for scope in one.scope_spans:
                for span in scope.spans:
                    if span.trace_id.hex() == wanted:
                        processes[f"p{number}"] = {"serviceName": resource.get("service.name"), "tags": []}
                        spans[span.span_id.hex()] = self._shown(span, f"p{number}")
        if not spans:
            return JSONResponse({"data": [], "errors": [{"code": 404, "msg": "trace not found"}]}, 404)
        trace = {"traceID": wanted, "spans": list(spans.values()), "processes": processes}
        return JSONResponse({"data": [trace], "total": 0, "limit": 0, "offset": 0, "errors": None})

    def _shown(self, span: Span, process: str) -> dict[str, Any]:
        parents = [{"refType": "CHILD_OF", "traceID": span.trace_id.hex(), "spanID": span.parent_span_id.hex()}]
        kinds = {bool: "bool", int: "int64", float: "float64", str: "string", list: "string"}
        return {
            "traceID": span.trace_id.hex(),
            "spanID": span.span_id.hex(),
            "operationName": span.name,
            "references": parents if span.parent_span_id else [],
            "startTime": span.start_time_unix_nano // 1000,
            "duration": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
            "tags": [
                {"key": key, "type": kinds[type(value)], "value": json.dumps(value) if type(value) is list else value}
                for key, value in attributes_of(span.attributes).items()
            ],
            "logs": [{"timestamp": event.time_unix_nano // 1000, "fields": []} for event in span.events],
            "processID": process,
        }


class Langfuse(Otlp):
    """
    Langfuse's OTLP endpoint, and the observations that its ingestion makes of spans.

    Usage and cost details of its own go before everything else; else every `gen_ai.usage.*`, of which cached tokens
    are taken off the input by the names that it knows; a cost, where there is none, by `gen_ai.usage.cost`.
    """

    def __init__(self, public: str, secret: str) -> None:
        pair = base64.b64encode(f"{public}:{secret}".encode()).decode()
        super().__init__("/api/public/otel/v1/traces", authorization=f"Basic {pair}")

    def observations(self) -> dict[str, dict[str, Any]]:
        """By span id, which is their id: what comes again replaces what was."""
        return {span.span_id.hex(): self._observed(attributes_of(span.attributes)) for span in self.spans}

    def _observed(self, told: Mapping[str, Any]) -> dict[str, Any]:
        usage: dict[str, Any] = json.loads(told.get("langfuse.observation.usage_details", "{}"))
        if not usage:
            prefix = "gen_ai.usage."
            usage = {key.removeprefix(prefix): value for key, value in told.items() if key.startswith(prefix)}
            cached = ("cache_read.input_tokens", "cache_creation.input_tokens")
            if "input_tokens" in usage:
                usage["input"] = usage.pop("input_tokens") - sum(usage.get(name, 0) for name in cached)
        cost: dict[str, Any] = json.loads(told.get("langfuse.observation.cost_details", "{}"))
        if not cost and "gen_ai.usage.cost" in told:
            cost = {"total": told["gen_ai.usage.cost"]}
        metadata = "langfuse.trace.metadata."
        return {
            "type": "GENERATION" if "gen_ai.request.model" in told else "SPAN",
            "usageDetails": usage,
            "costDetails": cost,
            "sessionId": told.get("langfuse.session.id", told.get("session.id")),
            "userId": told.get("langfuse.user.id", told.get("user.id")),
            "metadata": {key.removeprefix(metadata): value for key, value in told.items() if key.startswith(metadata)},
        }


class HeliconeTraces(Otlp):
    """Helicone's trace endpoint: every span a request, by the names of 2024; texts and whole numbers alone."""

    def __init__(self, key: str) -> None:
        super().__init__("/v1/trace/log-python", authorization=f"Bearer {key}")

    def requests(self) -> list[dict[str, Any]]:
        return [self._read(attributes_of(span.attributes)) for span in self.spans]

    def _read(self, told: Mapping[str, Any]) -> dict[str, Any]:
        known = {key: value for key, value in told.items() if type(value) in (str, int)}
        prefix = "traceloop.association.properties.Helicone-"
        properties = {key.removeprefix(prefix): value for key, value in known.items() if key.startswith(prefix)}
        return {
            "provider": str(known.get("gen_ai.system", "")).upper(),
            "model": known.get("gen_ai.response.model"),
            "prompt_tokens": known.get("gen_ai.usage.prompt_tokens"),
            "completion_tokens": known.get("gen_ai.usage.completion_tokens"),
            "user": properties.pop("User-Id", ""),
            "properties": {key.removeprefix("Property-"): value for key, value in properties.items()},
        }


class HeliconeLogs:
    """Helicone's custom log: one request each, known by its id once, headers in `meta` as a header may be written."""

    def __init__(self, key: str) -> None:
        self.staged = Staged()
        self.requests: dict[str, dict[str, Any]] = {}
        self.got = 0
        self._authorization = f"Bearer {key}"
        self.app = Starlette(routes=[Route("/custom/v1/log", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        staged = self.staged.answer()
        if staged is not None:
            return staged
        if request.headers.get("authorization") != self._authorization:
            return PlainTextResponse("unauthorized", 401)
        told: dict[str, Any] = await request.json()
        asked, answered, timing = told["providerRequest"], told["providerResponse"], told["timing"]
        meta = {key.lower(): value for key, value in asked["meta"].items()}
        assert all(value.encode("latin-1") and "\n" not in value for value in meta.values())
        assert isinstance(asked["json"], dict) and isinstance(asked["url"], str)
        self.got += 1
        self.requests[meta["helicone-request-id"]] = {
            "provider": told.get("provider", "OPENAI"),
            "status": answered["status"],
            "model": answered["json"].get("model"),
            "usage": answered["json"].get("usage"),
            "ms": _ms(timing["endTime"]) - _ms(timing["startTime"]),
            "ttft": timing.get("timeToFirstToken"),
            "user": meta.get("helicone-user-id"),
            "session": meta.get("helicone-session-id"),
            "path": meta.get("helicone-session-path"),
            "properties": {
                key.removeprefix("helicone-property-"): value
                for key, value in meta.items()
                if key.startswith("helicone-property-")
            },
            "request": asked["json"],
            "response": answered["json"],
        }
        return Response(status_code=200)


def _ms(at: Mapping[str, int]) -> int:
    return at["seconds"] * 1000 + at["milliseconds"]
