"""Claims about credentials: found in the environment by name, known by a hash, and never shown."""

from __future__ import annotations

from bursar.agent.credentials import BASE_URL, credentials
from bursar.policies.credential import credential_id
from bursar.policies.policyfile import parse_policy

SALT = "00" * 16
KEY, OTHER = "sk-ant-first", "sk-ant-second"
POLICY = """\
version = 1
mode = "observe"
[[route]]
name = "digest"
credential_env = "BATCH_KEY"
[[route]]
name = "report"
credential_env = "BATCH_KEY"
[[route]]
name = "none"
credential_env = "NOT_SET"
"""


def test_the_agents_own_and_those_of_routes() -> None:
    """Each once, each with the header that its kind of key takes, at the one base URL."""
    environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_AUTH_TOKEN": "tok", "BATCH_KEY": OTHER}
    found = credentials(environ, parse_policy(POLICY, file="f"), SALT)
    assert [dict(one.headers) for one in found] == [
        {"x-api-key": KEY},
        {"authorization": "Bearer tok"},
        {"x-api-key": OTHER},
    ]
    assert {one.base_url for one in found} == {BASE_URL}
    assert found[0].id == credential_id(SALT, base_url=BASE_URL + "/", api_key=KEY, auth_token=None)


def test_the_same_key_twice_is_one() -> None:
    """Under whatever name it stands."""
    found = credentials({"ANTHROPIC_API_KEY": KEY, "BATCH_KEY": KEY}, parse_policy(POLICY, file="f"), SALT)
    assert [one.source for one in found] == ["ANTHROPIC_API_KEY"]


def test_nothing_secret_is_shown() -> None:
    """Neither the key nor where it leads stands in what a log would show."""
    (found,) = credentials({"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://u:p@h"}, None, SALT)
    assert KEY not in repr(found)
    assert "u:p" not in repr(found)


def test_none() -> None:
    """An environment without keys, or no salt: nothing is put off."""
    assert credentials({}, None, SALT) == ()
    assert credentials({"ANTHROPIC_API_KEY": KEY}, None, "") == ()
