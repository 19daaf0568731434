"""What do the bytes of an OTLP export of traces say, and how is any export written and answered?"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

from google.protobuf.json_format import MessageToJson, ParseDict, ParseError  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bursar.agent.spans.seenspan import AttributeValue, Kind, SeenSpan, StatusCode, Wire

LATEST_NS = 2**63 - 1
"""What a ledger's integer column holds."""

MOST_ITEMS = 20_000
"""Spans, records or metrics of one request: more than twice what a collector sends by default, in bounded memory."""

MOST_BRACKETS = 1_000_000
"""Of lists and objects in JSON: more than 16 MiB of attributes have, and a fraction of the memory of 16 MiB of `{}`."""

_KINDS: Final[Mapping[int, Kind]] = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
_STATUS: Final[Mapping[int, StatusCode]] = {1: "OK", 2: "ERROR"}
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_SCALARS = frozenset(("string_value", "bool_value", "int_value", "double_value"))


class Encoding(StrEnum):
    """How a body is written; the value is its media type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class MalformedError(ValueError):
    """A body that is no export; the text says what is wrong with it."""


class TooManyError(ValueError):
    """An export of more things at once than are taken."""

    def __init__(self, number: int, what: str = "of them", most: int = MOST_ITEMS) -> None:
        super().__init__(f"there are {number} {what}, and at most {most} are taken at once")


M = TypeVar("M", bound=Message)
"""A kind of message that protobuf has made."""


@dataclass(frozen=True, slots=True)
class Export:
    """What one request brings."""

    spans: tuple[SeenSpan, ...]
    rejected: int = 0
    """Spans that no account can be kept of: without valid ids, or out of time."""
    why: str = ""
    """What is wrong with the first of them."""


def decode(body: bytes, encoding: Encoding) -> Export:
    """The spans of an export. Raises `MalformedError` and `TooManyError`."""
    request = read(body, encoding, ExportTraceServiceRequest, _with_protobuf_ids)
    refuse_too_many(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
    spans: list[SeenSpan] = []
    reasons: list[str] = []
    for resource_spans in request.resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                reason = _unusable(span)
                if reason is None:
                    spans.append(_seen(Wire(resource_spans, scope_spans, span), resource))
                else:
                    reasons.append(reason)
    return Export(tuple(spans), len(reasons), reasons[0] if reasons else "")


def refuse_too_many(numbers: Iterable[int]) -> None:
    """Raise `TooManyError` where these come to more than is taken at once."""
    total = sum(numbers)
    if total > MOST_ITEMS:
        raise TooManyError(total)


def encode_answer(export: Export, encoding: Encoding) -> bytes:
    """The body of the answer 200; it names the spans that were not taken, if any."""
    response = ExportTraceServiceResponse()
    if export.rejected:
        response.partial_success.rejected_spans = export.rejected
        response.partial_success.error_message = f"{export.rejected} spans were not taken; the first: {export.why}"
    return encode(response, encoding)


def encode_status(code: int, message: str, encoding: Encoding) -> bytes:
    """The body of an error: a `google.rpc.Status` with one of its codes."""
    return encode(Status(code=code, message=message), encoding)


def encode(message: Any, encoding: Encoding) -> bytes:
    """A protobuf message in the encoding of the request that it answers."""
    if encoding is Encoding.JSON:
        text: str = MessageToJson(message, indent=None)
        return text.encode()
    wire: bytes = message.SerializeToString()
    return wire


def read(body: bytes, encoding: Encoding, kind: type[M], shaped: Callable[[Any], dict[str, Any]]) -> M:
    """
    The request in a body; `shaped` makes of OTLP's JSON what protobuf's has.

    Raises `MalformedError`, and `TooManyError` for a list in JSON that nothing need be made of.

    In JSON, enums may be numbers or names, whole numbers may be texts, and unknown fields are passed over.
    """
    name = kind.__name__
    if encoding is Encoding.PROTOBUF:
        try:
            request: M = kind.FromString(body)
        except DecodeError as error:
            raise MalformedError(f"the body is no protobuf {name} ({error})") from error
        return request
    try:
        request = kind()
        ParseDict(shaped(_whole(body.decode())), request, ignore_unknown_fields=True)
    except TooManyError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, ParseError) as error:
        raise MalformedError(f"the body is no OTLP/JSON {name} ({error})") from error
    return request


def _whole(text: str) -> Any:
    """What JSON says, with the replacement sign for half of a surrogate pair, which JSON may have and nobody keeps."""
    brackets = text.count("[") + text.count("{")
    if brackets > MOST_BRACKETS:
        raise TooManyError(brackets, "lists and objects", MOST_BRACKETS)
    value = json.loads(text)
    if _HALF_ESCAPED.search(text):
        signs = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
        value = json.loads(signs.decode("utf-16", "replace"))
    return value


def _with_protobuf_ids(value: Any) -> dict[str, Any]:
    """
    The request with ids as protobuf's JSON has them (base64), and without events and links that are none.

    OTLP/JSON writes trace and span ids in hex, unlike every other field of bytes.
    """
    resources = [
        {**resource, "scopeSpans": [_scope_spans(scope) for scope in objects(resource, "scopeSpans")]}
        for resource in objects(value, "resourceSpans")
    ]
    return {"resourceSpans": resources}


def _scope_spans(scope: Mapping[str, Any]) -> dict[str, Any]:
    return {**scope, "spans": [_span(span) for span in objects(scope, "spans")]}


def _span(span: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in span.items() if name not in ("events", "links")}
    for name in ("events", "links"):
        sound = [entry for entry in (_sound(one, name) for one in _listed(span.get(name))) if entry is not None]
        if sound:
            kept[name] = sound
    return _with_base64(kept)


def _sound(entry: Any, name: str) -> Mapping[str, Any] | None:
    """An event or link as protobuf's JSON has it; None for what is none. Nothing that is booked hangs on it."""
    if not isinstance(entry, Mapping):
        return None
    told = _with_base64(cast("Mapping[str, Any]", entry))
    try:
        ParseDict({name: [told]}, Span(), ignore_unknown_fields=True)
    except (ValueError, RecursionError, ParseError):
        return None
    return told


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return []
    entries: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
    return entries


def _with_base64(told: Mapping[str, Any]) -> dict[str, Any]:
    ids = {name: _base64(told[name]) for name in ("traceId", "spanId", "parentSpanId") if name in told}
    return {**told, **ids}


def _base64(hexadecimal: Any) -> str:
    """An id in base64; an empty one, which no span may have, for what is no hex."""
    try:
        return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
    except (TypeError, ValueError):
        return ""


def objects(parent: Any, name: str) -> list[Mapping[str, Any]]:
    """
    The JSON objects in a list; an absent or null list is empty.

    Raises `TooManyError` for a list of too many, and `ValueError` for anything else.
    """
    if not isinstance(parent, Mapping):
        raise ValueError(f"expected an object with {name}, got {type(parent).__name__}")  # noqa: TRY004 - told as one kind of mistake
    items: Any = cast("Mapping[str, Any]", parent).get(name)
    if items is None:
        return []
    if isinstance(items, list):
        entries: list[Any] = items  # pyright: ignore[reportUnknownVariableType]
        refuse_too_many([len(entries)])
        if all(isinstance(entry, Mapping) for entry in entries):
            return entries
    raise ValueError(f"{name} must be a list of objects")


def _unusable(span: Span) -> str | None:
    """Why no account can be kept of a span; None for one that is sound."""
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return f"the trace id of {span.name[:80]!r} is not 16 bytes, or all zero"
    if len(span.span_id) != 8 or not any(span.span_id):
        return f"the span id of {span.name[:80]!r} is not 8 bytes, or all zero"
    if max(span.start_time_unix_nano, span.end_time_unix_nano) > LATEST_NS:
        return f"the times of {span.name[:80]!r} lie beyond the year 2262: they are nanoseconds since 1970"
    return None


def _seen(wire: Wire, resource: Mapping[str, AttributeValue]) -> SeenSpan:
    span = wire.span
    return SeenSpan(
        name=span.name,
        scope=wire.scope.scope.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex() or None,
        kind=_KINDS.get(span.kind, "UNSPECIFIED"),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=attributes(span.attributes),
        status_code=_STATUS.get(span.status.code, "UNSET"),
        resource=resource,
        wire=wire,
    )


def attributes(pairs: Iterable[KeyValue]) -> dict[str, AttributeValue]:
    """Attributes by name; those whose value is a map, bytes or nothing are left out."""
    found: dict[str, AttributeValue] = {}
    for pair in pairs:  # one loop, without a call for each: it is most of what reading a span takes
        value = pair.value
        kind = value.WhichOneof("value")
        if kind in _SCALARS:
            found[pair.key] = getattr(value, kind)
        elif kind == "array_value":
            items = (_scalar(item) for item in value.array_value.values)
            found[pair.key] = tuple(item for item in items if item is not None)
    return found


def _scalar(value: AnyValue) -> str | int | float | bool | None:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in _SCALARS else None
