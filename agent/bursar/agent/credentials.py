"""With which credentials does the agent submit batches? Read from its environment, never written anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bursar.policies.credential import credential_id
from bursar.policies.policy import Policy

BASE_URL = "https://api.anthropic.com"
"""Where the SDK asks unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A customer of the API, as the agent can be it."""

    id: str
    """The keyed hash by which it is known; see `policies.credential`."""
    base_url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    source: str = ""
    """The environment variable that holds its key, for messages."""


def credentials(environ: Mapping[str, str], policy: Policy | None, salt: str) -> tuple[Credential, ...]:
    """Those that the environment holds: the agent's own, and those that routes of the policy name; each once."""
    base_url = environ.get("ANTHROPIC_BASE_URL") or BASE_URL
    found = [_credential(environ, "ANTHROPIC_API_KEY", base_url, salt), _token(environ, base_url, salt)]
    routes = () if policy is None else policy.routes
    names = dict.fromkeys(route.credential_env for route in routes if route.credential_env is not None)
    found += [_credential(environ, name, base_url, salt) for name in names]
    each: dict[str, Credential] = {}
    for one in found:
        if one is not None:
            each.setdefault(one.id, one)
    return tuple(each.values())


def _credential(environ: Mapping[str, str], name: str, base_url: str, salt: str) -> Credential | None:
    key = environ.get(name)
    named = credential_id(salt, base_url=base_url, api_key=key, auth_token=None)
    return Credential(named, base_url, {"x-api-key": key}, name) if key and named else None


def _token(environ: Mapping[str, str], base_url: str, salt: str) -> Credential | None:
    token = environ.get("ANTHROPIC_AUTH_TOKEN")
    named = credential_id(salt, base_url=base_url, api_key=None, auth_token=token)
    if not token or not named:
        return None
    return Credential(named, base_url, {"authorization": f"Bearer {token}"}, "ANTHROPIC_AUTH_TOKEN")
