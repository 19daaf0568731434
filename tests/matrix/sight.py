"""Whatever a caller can see of a value, an exception or a response, as JSON that two processes can compare."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel
from tests.matrix.stage import Request, Server, http

# What differs between any two runs: addresses, random ids, waits with jitter, the hour in Amazon's signatures.
VARYING = [
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"(stainless-python-retry|bursar)-[\w.-]+"), "idempotency-key…"),
    (re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-"), "00-…-"),
    (re.compile(r"in \d\.\d+ seconds"), "in … seconds"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "digest…"),
    (re.compile(r"\d{8}T\d{6}Z"), "…Z"),
    (re.compile(r"(?<={)'X-Stainless-Raw-Response': '(?:raw|true)'(?:, )?"), ""),
    (re.compile(r", 'X-Stainless-Raw-Response': '(?:raw|true)'"), ""),
    (re.compile(r", 'headers': \{\}"), ""),
    (re.compile(r"x-stainless-raw-response(;|:raw\n)"), ""),
]
RAW = "x-stainless-raw-response"
"""The header that the SDK sends from every client that has middleware, whoever's; compared by itself."""
DEEP = 12


def described(value: Any, depth: int = 0) -> Any:
    """A value with its type, all the way down; nothing of it is read that was not read before."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return constant(value) if type(value) is str else [kind_of(value), constant(value)]
    if depth > DEEP:
        return kind_of(value)
    if isinstance(value, bytes):
        return ["bytes", constant(value.decode("latin-1"))]
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return [kind_of(items), *(described(item, depth + 1) for item in items)]
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return [kind_of(pairs), *([str(key), described(item, depth + 1)] for key, item in pairs.items())]
    if isinstance(value, BaseException):
        return raised(value, depth)
    return _object(value, depth)


def _object(value: Any, depth: int) -> Any:
    if isinstance(value, BaseModel):
        return _model(value, depth)
    if isinstance(value, http.Response):
        return _response(value, depth)
    if isinstance(value, http.Request):
        return [str(value.method), constant(str(value.url)), *_headers(value.headers)]
    for inner in ("http_response", "response"):  # the SDK's own responses and streams
        if isinstance(getattr(value, inner, None), http.Response):
            return [kind_of(value), _mro(value), _response(getattr(value, inner), depth + 1)]
    return [kind_of(value), constant(repr(value))]


def _model(value: BaseModel, depth: int) -> Any:
    fields = {**value.__dict__, **(value.__pydantic_extra__ or {})}
    return {
        "type": kind_of(value),
        "fields": [[name, described(field, depth + 1)] for name, field in fields.items()],
        "set": sorted(value.model_fields_set),
        "request_id": getattr(value, "_request_id", None),
    }


def _response(response: http.Response, depth: int) -> Any:
    stream = response.stream
    return {
        "type": kind_of(response),
        "status": [response.status_code, response.reason_phrase, response.http_version],
        "headers": _headers(response.headers),
        "closed": [response.is_closed, response.is_stream_consumed, _has(response, "elapsed")],
        "bytes": response.num_bytes_downloaded,
        "content": described(response.content, depth + 1) if _has(response, "content") else None,
        "kind": [isinstance(stream, http.SyncByteStream), isinstance(stream, http.AsyncByteStream)],
        "extensions": sorted(response.extensions),
        "request": described(response.request, depth + 1),
    }


def raised(error: BaseException | None, depth: int = 0) -> Any:
    """An exception with its attributes, its cause and its context."""
    if error is None or depth > DEEP:
        return None
    return {
        "type": _mro(error),
        "str": constant(str(error)),
        "args": described(error.args, depth + 1),
        "attributes": [[name, described(value, depth + 1)] for name, value in sorted(vars(error).items())],
        "cause": raised(error.__cause__, depth + 1),
        "context": raised(error.__context__, depth + 1),
        "suppressed": error.__suppress_context__,
    }


def asked(request: Request) -> Any:
    """A request as it came over the wire."""
    headers = [[name, _date(name, constant(value))] for name, value in request.headers if name != RAW]
    return [request.method, constant(request.url), headers, constant(request.body.decode("latin-1")), request.span]


def released(server: Server) -> Any:
    """How much of each body was read, how often it was closed, and which responses are still alive."""
    read = [[body.pulled, body.closed] for body in server.bodies]
    return [read, [response() is not None for response in server.responses]]


def constant(text: str) -> str:
    """The text without what differs between any two runs."""
    for pattern, stand_in in VARYING:
        text = pattern.sub(stand_in, text)
    return text


def kind_of(value: object) -> str:
    """The name of a type with its module."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """Where two descriptions differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        names = cast("Mapping[str, object]", one)
        return [line for name in names for line in differences(one[name], other[name], f"{at}/{name}")]
    if isinstance(one, list) and isinstance(other, list):
        ones, others = cast("list[object]", one), cast("list[object]", other)
        if len(ones) == len(others):
            pairs = enumerate(zip(ones, others, strict=True))
            return [line for n, (a, b) in pairs for line in differences(a, b, f"{at}/{n}")]
    same = type(one) is type(other) and one == other  # pyright: ignore[reportUnknownArgumentType]
    return [] if same else [f"{at}: {one!r} became {other!r}"]


def _headers(headers: Any) -> list[Any]:
    pairs = [(name.lower(), value) for name, value in headers.multi_items()]
    return [[name, _date(name, constant(value))] for name, value in pairs if name != RAW]


def _date(name: str, value: str) -> str:
    return re.sub(r"/\d{8}/", "/…/", value) if name == "authorization" else value


def _mro(value: Any) -> list[str]:
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(value).__mro__]


def _has(response: http.Response, name: str) -> bool:
    """Whether a property that raises before a response was read or closed does not."""
    try:
        getattr(response, name)
    except (RuntimeError, http.StreamError):
        return False
    return True
