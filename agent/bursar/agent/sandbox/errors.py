"""How does the API say no? Statuses and bodies in the API's own shape."""

from typing import Any

INVALID_REQUEST = "invalid_request_error"
NOT_FOUND = "not_found_error"
_STATUS = {
    INVALID_REQUEST: 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    NOT_FOUND: 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class ApiError(Exception):
    """A refusal with the API's error type; `retry_after` (seconds, as text) becomes the header of that name."""

    def __init__(self, kind: str, message: str, *, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = _STATUS[kind]
        self.message = message
        self.retry_after = retry_after


def invalid(where: str, message: str) -> ApiError:
    """A 400 that names the field in the request, as the API does: `messages.0.content: ...`."""
    return ApiError(INVALID_REQUEST, f"{where}: {message}" if where else message)


def error_body(kind: str, message: str, request_id: str) -> dict[str, Any]:
    """The API's error envelope, also the data of an SSE `error` event."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
