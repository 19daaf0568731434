"""Why has a request of a batch no message? As the error that the SDK would raise for it, or one of ours."""

from __future__ import annotations

from typing import Any

from anthropic import AnthropicError

from bursar.instrumentation.stream import http
from bursar.policies.apierrors import status_of

_ENDS = {
    "expired": "it had not been begun when its batch expired, a day after its creation; it cost nothing: ask again",
    "canceled": "its batch was canceled before its turn; it cost nothing",
    "missing": "the results of its batch do not have it",
}


class BatchItemError(AnthropicError):
    """A request of `map_batch` that has no message, for which the SDK knows no error of its own."""

    def __init__(self, message: str, *, reason: str, parameter: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        """`expired`, `canceled` or `missing`; of what was not sent: `stream`, `thread`, `parameter` or `large`."""
        self.parameter = parameter
        """The parameter that no batch carries."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), str(self), self.reason, self.parameter)


def _again(kind: Any, message: str, reason: str, parameter: str) -> Any:
    return kind(message, reason=reason, parameter=parameter)


def error_of(client: Any, result: Any, custom_id: str, batch_id: str) -> Exception:
    """The error for the result of a request that did not succeed, as the SDK gives it."""
    if result.type == "errored":
        return _of_the_sdk(client, result.error)
    return ended(result.type, custom_id, batch_id)


def ended(reason: str, custom_id: str, batch_id: str = "") -> BatchItemError:
    """The error for a request without a result of the API's."""
    what = _ENDS.get(reason, f"its result is of a kind that is not known: {reason}")
    of = f" of {batch_id}" if batch_id else ""
    return BatchItemError(f"{custom_id}{of} has no message: {what}", reason=reason)


def _of_the_sdk(client: Any, told: Any) -> Exception:
    """By its type, as if the API had answered the call with it."""
    request_id = getattr(told, "request_id", None)
    response = http.Response(
        status_of(told.error.type),
        request=http.Request("POST", f"{str(client.base_url).rstrip('/')}/v1/messages"),
        headers={"request-id": request_id} if request_id else {},
        json=told.to_dict(mode="json"),
    )
    error: Exception = client._make_status_error_from_response(response)
    return error
