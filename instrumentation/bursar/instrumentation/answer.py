"""What does the application get for a call that was put off: an answer of the SDK's own, or which error?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from anthropic import Anthropic, APIStatusError
from anthropic._request import APIRequest

from bursar.instrumentation.sse import body_of_message
from bursar.instrumentation.stream import http
from bursar.policies import apierrors
from bursar.policies.deferral import Outcome, State
from bursar.policies.errors import BudgetExceeded, RefusalReason
from bursar.policies.standing import Standing

_RETRY = "x-should-retry"
"""By this header the API tells the SDK whether an error is worth another try."""


def response_of(kind: Any, request: APIRequest, client: Any, raw: Any) -> Any:
    """A response as the SDK makes them; the HTTP response itself where the application asked for that."""
    if request.cast_to is http.Response and raw.is_success:
        return raw
    return kind(
        raw=raw,
        cast_to=request.cast_to,
        client=client,
        stream=request.stream,
        stream_cls=request.stream_cls,
        options=request.options,
        retries_taken=request.retries_taken,
    )


def http_answer(outcome: Outcome, request: APIRequest | None, client: Any, waited: float = 0.0) -> Any:
    """
    The answer over HTTP: the message, byte for byte as the API gave it, its events for a stream, or the API's error.

    `waited` is in seconds. An error is not to be tried again: it is the last of as many tries as are worth making.
    """
    headers = {"request-id": outcome.request_id} if outcome.request_id else {}
    base_url = str(getattr(client, "base_url", "") or "https://api.anthropic.com").rstrip("/")
    asked = http.Request("POST", f"{base_url}{request.url if request is not None else '/v1/messages'}")
    if outcome.message is None:
        body = error_body(outcome)
        raw = http.Response(status_of(outcome), headers={**headers, _RETRY: "false"}, json=body, request=asked)
    elif request is not None and request.stream:
        events = http.ByteStream(body_of_message(json.loads(outcome.message)))
        headers["content-type"] = "text/event-stream; charset=utf-8"
        raw = http.Response(200, headers=headers, stream=events, request=asked)
    else:
        headers["content-type"] = "application/json"
        raw = http.Response(200, headers=headers, content=outcome.message.encode(), request=asked)
    raw.elapsed = timedelta(seconds=waited)
    return raw


def placeholder(deferral_id: str, model: str) -> Outcome:
    """What a call is answered with whose answer is fetched later: nobody is shown it."""
    message: dict[str, Any] = {
        "id": deferral_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    return Outcome(deferral_id, State.SUCCEEDED, message=json.dumps(message))


def is_refused(outcome: Outcome) -> bool:
    """Whether it ended without an answer of the API's, not even an error."""
    return outcome.message is None and (outcome.refusal is not None or not outcome.error)


def refusal_of(
    outcome: Outcome, *, route: str, model: str, standing: Standing | None, decision_id: str
) -> BudgetExceeded:
    """The error for a call that could not be sent at once either, and for one that expired or was cancelled."""
    told: Mapping[str, Any] = outcome.refusal or {}
    reason = _reason(str(told.get("reason") or RefusalReason.LATE))
    balance = str(told.get("balance") or "")
    view = standing.view if standing is not None else None
    needed = told.get("needed")
    return BudgetExceeded(
        budget=balance.partition("|")[0],
        balance=balance,
        window_start=standing.window.start if standing is not None else None,
        window_end=standing.window.end if standing is not None else None,
        limit=view.limit if view is not None else 0,
        spent=view.spent if view is not None else 0,
        held=view.lent if view is not None else 0,
        needed=needed if isinstance(needed, int) else None,
        unit=standing.budget.limit.unit if standing is not None else "usd",
        reason=reason,
        remedy=f"{_ended(outcome)}; give its route a longer `may_wait`, and see `bursar deferrals show {outcome.id}`",
        retry_after=None,
        route=route,
        model=model,
        decision_id=decision_id,
        figures={"deferral": outcome.id, "state": str(outcome.state), "batch": outcome.batch_id, "why": outcome.reason},
    )


def raised_by(outcome: Outcome) -> APIStatusError:
    """The API's error as the SDK would have raised it, where no client is at hand."""
    raw = http_answer(outcome, None, None)
    body = error_body(outcome)
    make: Any = Anthropic._make_status_error  # pyright: ignore[reportPrivateUsage] - the classes are its secret
    text = f"Error code: {raw.status_code} - {body}"
    error: APIStatusError = make(cast(Any, None), text, body=body, response=raw)
    return error


def status_of(outcome: Outcome) -> int:
    """The HTTP status of an error; by its type where none was told."""
    return outcome.status or apierrors.status_of(str(_error(outcome).get("type") or ""))


def error_body(outcome: Outcome) -> dict[str, Any]:
    """The body that the API would have answered with."""
    body: dict[str, Any] = {"type": "error", "error": _error(outcome)}
    return {**body, "request_id": outcome.request_id} if outcome.request_id else body


def _error(outcome: Outcome) -> dict[str, Any]:
    """The error itself, with or without the object around it that a batch's results have."""
    error = dict(outcome.error or {})
    inner = error.get("error")
    return dict(inner) if isinstance(inner, Mapping) else error  # pyright: ignore[reportUnknownArgumentType]


def _reason(word: str) -> RefusalReason:
    return RefusalReason(word) if word in frozenset(RefusalReason) else RefusalReason.LATE


def _ended(outcome: Outcome) -> str:
    return outcome.reason or f"it is {outcome.state.value.replace('_', ' ')}"
