"""Is there an agent at this address, and what does it say of itself?"""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from bursar.agent.settings import HOST, PORT

SECONDS = 1.0


class UnreachableError(Exception):
    """Nothing that speaks HTTP answered in time; the text says how it failed."""


def ask(url: str, path: str, *, seconds: float = SECONDS) -> tuple[int, str]:
    """Status and text of a GET, past any proxy. Raises `UnreachableError`."""
    try:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or HOST, parts.port or PORT, timeout=seconds)
    except ValueError as error:
        raise UnreachableError(f"{url} is no address ({error}); write it as http://{HOST}:{PORT}") from error
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(1000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{url} does not answer ({error or type(error).__name__})") from error
    finally:
        connection.close()


def answers(url: str, path: str = "/healthz") -> bool:
    """Whether an agent there says that it is well."""
    try:
        return ask(url, path)[0] == http.client.OK
    except UnreachableError:
        return False
