"""Would the agent and a client ask the API as the same customer? Told by a keyed hash: neither key nor URL travels."""

from __future__ import annotations

import hashlib
import hmac
import re

_PLACE = re.compile(
    r"(?P<scheme>[a-z]+)://(?:[^/@]*@)?(?P<host>\[[^]]*\]|[^/:?#]*)(?::(?P<port>[0-9]*))?(?P<path>[^?#]*)",
    re.IGNORECASE,
)
_PORTS = {"https": "443", "http": "80"}


def credential_id(salt: str, *, base_url: str, api_key: str | None, auth_token: str | None) -> str:
    """
    The name under which a client's credential is known; empty where it has none.

    HMAC-SHA256 under the agent's `salt` (hex) over scheme, host, port and path of the base URL and the key: without the
    salt it says nothing, and a key is too long to be guessed. The key goes before the token where there are both, as
    the API takes them.
    """
    secret = f"key {api_key}" if api_key else f"token {auth_token}" if auth_token else ""
    if not secret or not salt:
        return ""
    return hmac.new(bytes.fromhex(salt), f"{_place(base_url)}\n{secret}".encode(), hashlib.sha256).hexdigest()


def _place(url: str) -> str:
    """A URL in one spelling: with its port, without a slash at its end."""
    found = _PLACE.match(url)
    if found is None:
        return url
    scheme = found["scheme"].lower()
    port = found["port"] or _PORTS.get(scheme, "")
    return f"{scheme}://{found['host'].lower()}:{port}{found['path'].rstrip('/')}"
