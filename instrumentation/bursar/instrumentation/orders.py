"""What of a request does a batch carry, and with which headers?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

import anthropic._utils as sdk
from anthropic._types import NotGiven
from anthropic._utils._json import openapi_dumps
from anthropic.types import message_create_params

from bursar.instrumentation.itemerror import BatchItemError
from bursar.policies.unbatched import Unbatched, unbatchable
from bursar.policies.values import value

BETAS = "anthropic-beta"
_AS_HEADERS = {"user_profile_id": "anthropic-user-profile-id", "workspace_id": "anthropic-workspace-id"}
"""Parameters of `messages.create` that the SDK sends as headers."""
_NOT_CARRIED = ("extra_query", "timeout")
_APART = frozenset({*_AS_HEADERS, *_NOT_CARRIED, "betas", "extra_headers", "extra_body", "stream"})
_NEEDED = ("model", "max_tokens", "messages")

Headers = tuple[tuple[str, str], ...]
"""Names in lower case, in order; what the request's batch is created with."""


@value
class Order:
    """One request, as a batch carries it."""

    place: int
    params: Mapping[str, Any]
    size: int
    """Bytes of `params` as the SDK sends them."""
    digest: bytes
    """Of `params` as the SDK sends them: tells requests apart without keeping them."""
    headers: Headers = ()
    beta: bool = False
    """Whether it is one of `client.beta.messages`."""

    @property
    def betas(self) -> str | None:
        """Its `anthropic-beta` header."""
        return dict(self.headers).get(BETAS)


def order_of(place: int, request: Any, *, betas: str = "") -> Order:
    """
    One of the requests given to `map_batch`, made ready; `betas` is what its client asks for with every call.

    Headers go with the batch, so requests with different ones go in different batches. Raises `BatchItemError` for one
    that no batch carries, with the parameter that is in the way.
    """
    if not isinstance(request, Mapping):
        said = f"this request is no dict of messages.create parameters, but {type(request).__name__}"
        raise BatchItemError(said, reason=str(Unbatched.PARAMETER))
    asked = {name: told for name, told in cast("Mapping[str, Any]", request).items() if _is_given(told)}
    if asked.get("stream"):
        raise _refused(Unbatched.STREAM, "stream")
    for name in _NOT_CARRIED:
        if asked.get(name) is not None:
            raise _refused(Unbatched.PARAMETER, name)
    extra: Mapping[str, Any] = asked.get("extra_body") or {}
    body = {**{name: told for name, told in asked.items() if name not in _APART}, **extra}
    headers = _headers(asked)
    params = _prepared(body, beta="betas" in asked)
    for name in _NEEDED:
        if name not in params:
            raise BatchItemError(f"this request has no {name}", reason=str(Unbatched.PARAMETER), parameter=name)
    _refuse_unbatchable(params, ",".join((betas, dict(headers).get(BETAS, ""))))
    sent = openapi_dumps(params)
    return Order(place, params, len(sent), blake2b(sent, digest_size=16).digest(), headers, "betas" in asked)


def _refuse_unbatchable(params: Mapping[str, Any], betas: str) -> None:
    if params.get("stream"):
        raise _refused(Unbatched.STREAM, "stream")
    found = unbatchable(params, betas)
    if found is not None:
        why, name = found
        said = "has max_tokens 0" if name == "max_tokens" else ""
        raise _refused(why, name, said)


def _refused(why: Unbatched, name: str, said: str = "") -> BatchItemError:
    said = said or f"has {name}"
    return BatchItemError(
        f"this request {said}, which no batch carries: leave it out, or call messages.create",
        reason=str(why),
        parameter=name,
    )


def _headers(asked: Mapping[str, Any]) -> Headers:
    given: Mapping[str, Any] = asked.get("extra_headers") or {}
    named = {header: asked[name] for name, header in _AS_HEADERS.items() if asked.get(name) is not None}
    told = {**named, **{name.lower(): text for name, text in given.items() if _is_given(text)}}
    if asked.get("betas"):
        told[BETAS] = ",".join(filter(None, (told.get(BETAS), *map(str, asked["betas"]))))
    return tuple(sorted((name, str(text)) for name, text in told.items()))


def _prepared(body: Mapping[str, Any], *, beta: bool) -> dict[str, Any]:
    """The body as plain data, by the SDK's own rules: files read, models and iterators written out."""
    prepare: Any = getattr(sdk, "prepare_request_data", None)
    if prepare is not None:
        return cast("dict[str, Any]", prepare(body, location="body"))
    transform: Any = getattr(sdk, "maybe_transform")  # noqa: B009 - of SDKs below 1.13, where it may be named
    return cast("dict[str, Any]", transform(body, _kind(beta)))


@lru_cache
def _kind(beta: bool) -> Any:
    if not beta:
        return message_create_params.MessageCreateParamsNonStreaming
    from anthropic.types.beta import message_create_params as of_beta

    return of_beta.MessageCreateParamsNonStreaming


def _is_given(told: Any) -> bool:
    return not isinstance(told, NotGiven) and type(told).__name__ != "Omit"
