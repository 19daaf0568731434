"""Credential: the same customer at the same place has one name, and nobody else has it."""

from __future__ import annotations

import pytest

from bursar.policies.credential import credential_id

SALT = "00" * 16
HERE = "https://api.anthropic.com"


def name(salt: str = SALT, base_url: str = HERE, api_key: str | None = "sk-1", auth_token: str | None = None) -> str:
    return credential_id(salt, base_url=base_url, api_key=api_key, auth_token=auth_token)


@pytest.mark.parametrize("same", [HERE, f"{HERE}/", f"{HERE}:443", "https://API.anthropic.com"])
def test_a_place_may_be_written_in_many_ways(same: str) -> None:
    """With the port that it has anyway, with a slash at its end."""
    assert name(base_url=same) == name()


@pytest.mark.parametrize(
    "other",
    [
        name(api_key="sk-2"),
        name(api_key=None, auth_token="sk-1"),
        name(base_url="http://api.anthropic.com"),
        name(base_url=f"{HERE}/proxy"),
        name(base_url=f"{HERE}:8443"),
        name(salt="01" * 16),
    ],
)
def test_another_key_place_or_installation_has_another_name(other: str) -> None:
    """A token of the same letters is not that key."""
    assert other and other != name()


def test_the_key_goes_before_the_token() -> None:
    """As the API takes them."""
    assert name(auth_token="t") == name()


def test_who_has_no_credential_or_no_salt_has_no_name() -> None:
    """So two that lack one are never taken for the same."""
    assert name(api_key=None) == name(api_key="", auth_token="") == name(salt="") == ""


def test_the_key_cannot_be_read_from_its_name() -> None:
    """64 hex digits, whatever the key."""
    assert "sk-1" not in name()
    assert len(name()) == 64
