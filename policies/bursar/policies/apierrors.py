"""Which HTTP status does an error of the API have, where only its type is told, as in the results of a batch?"""

from __future__ import annotations

from collections.abc import Mapping

STATUS: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""By the type of the error: the errors page of the API's documentation."""


def status_of(kind: str) -> int:
    """The status that an ordinary call would have been answered with; 500 for a type that nobody knows yet."""
    return STATUS.get(kind, 500)
