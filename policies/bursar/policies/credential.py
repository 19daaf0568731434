"""Would the agent and a client ask the API as the same customer? Told by a keyed hash: neither key nor URL travels."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit


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
    parts = urlsplit(base_url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    place = f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"
    return hmac.new(bytes.fromhex(salt), f"{place}\n{secret}".encode(), hashlib.sha256).hexdigest()
