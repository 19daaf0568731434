"""Claims about headers: as OpenTelemetry's variable has them, and never repeated."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bursar.agent.forward.headers import HeadersError, parse_headers


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("x-api-key=k", {"x-api-key": "k"}),
        ("Authorization=Basic%20cGs6c2s=", {"authorization": "Basic cGs6c2s="}),
        ("authorization=Bearer k, x-project = desk ,", {"authorization": "Bearer k", "x-project": "desk"}),
        ("x=", {"x": ""}),
    ],
)
def test_headers_are_read(text: str, headers: Mapping[str, str]) -> None:
    """Values may hold `=`, and blanks around them do not count."""
    assert parse_headers(text) == headers


@pytest.mark.parametrize(
    "text", ["", " , ", "secret", "se cret=1", "x=%0asecret", "x=1,secret", "=secret", "x=\u20acsecret"]
)
def test_what_is_none_is_said_without_repeating_it(text: str) -> None:
    """What is wrong, and with which of them."""
    with pytest.raises(HeadersError) as error:
        parse_headers(text)
    assert "secret" not in str(error.value)
