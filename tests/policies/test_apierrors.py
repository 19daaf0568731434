"""Errors of the API: a type has the status for which the SDK has a class of that meaning."""

from __future__ import annotations

import anthropic
import pytest

from bursar.policies.apierrors import status_of


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("invalid_request_error", anthropic.BadRequestError),
        ("authentication_error", anthropic.AuthenticationError),
        ("permission_error", anthropic.PermissionDeniedError),
        ("not_found_error", anthropic.NotFoundError),
        ("rate_limit_error", anthropic.RateLimitError),
    ],
)
def test_a_type_has_the_status_of_its_class(kind: str, error: type[anthropic.APIStatusError]) -> None:
    """As the SDK itself pins it."""
    assert status_of(kind) == error.status_code


@pytest.mark.parametrize("kind", ["api_error", "overloaded_error", "timeout_error", "", "one of next year"])
def test_what_is_the_servers_fault_is_above_500(kind: str) -> None:
    """And so is what is not known."""
    assert 500 <= status_of(kind) < 600
