"""What does a request say, in its body and headers, and how is it made to say something else?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from anthropic._compat import model_copy
from anthropic._request import APIRequest
from anthropic._types import Omit
from anthropic._utils._json import openapi_dumps

from bursar.policies.changes import changed, without_betas

BETA_HEADER = "anthropic-beta"


def with_changes(request: APIRequest, changes: Mapping[str, Any]) -> APIRequest:
    """
    The same request with other top-level parameters.

    Not `request.copy(body=...)`, which deep-copies the whole prompt; and never in place, since retries share the body.
    What the application gave as `extra_body` would win over the body: a parameter that changes is taken out of it.
    """
    options = model_copy(request.options)
    body: Any = request.json
    options.json_data = changed(body, changes)
    if options.extra_json:
        options.extra_json = {name: told for name, told in options.extra_json.items() if name not in changes}
    return _with(request, options)


def with_fewer_betas(request: APIRequest, header: str | None, dropped: tuple[str, ...]) -> APIRequest:
    """The same request with fewer betas. Bedrock and Vertex read this header too, further down."""
    left = without_betas(header or "", dropped)
    others = {name: told for name, told in request.headers.items() if name.lower() != BETA_HEADER}
    options = model_copy(request.options)
    options.headers = {**others, BETA_HEADER: left or Omit()}
    return _with(request, options)


def _with(request: APIRequest, options: Any) -> APIRequest:
    return APIRequest(
        options=options,
        cast_to=request.cast_to,
        stream=request.stream,
        stream_cls=request.stream_cls,
        retries_taken=request.retries_taken,
    )


def body_of(request: APIRequest) -> Any:
    """The body as it will be sent, with what the application gave as `extra_body`."""
    body: Any = request.json
    extra: Any = request.options.extra_json
    return {**body, **extra} if extra and is_object(body) else body


def betas_of(request: APIRequest, client: Any) -> str | None:
    """The `anthropic-beta` header, of the request or else of the client, under any spelling."""
    for headers in (request.headers, getattr(client, "_custom_headers", None)):
        for name, told in headers.items() if is_object(headers) else ():
            if name.lower() == BETA_HEADER:
                return told if isinstance(told, str) and told else None
    return None


def is_object(body: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(body, (dict, Mapping))  # `dict` first: asking the abstract class takes five times as long


def model_of(body: Any) -> str:
    value = body.get("model") if is_object(body) else None
    return value if isinstance(value, str) else ""


def text_of(request: APIRequest) -> str:
    """
    The body, character for character as the SDK would send it, but for `stream`: a batch has none.

    By the SDK's own encoder, merged as its `_build_request` merges. Raises `TypeError` or `ValueError` where it would.
    """
    body: Any = request.json
    extra: Any = request.options.extra_json
    if extra is not None:
        body = {name: told for name, told in {**body, **extra}.items() if not isinstance(told, Omit)}
    return openapi_dumps({name: told for name, told in body.items() if name != "stream"}).decode()
