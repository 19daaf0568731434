"""Who may talk to the agent?"""

from __future__ import annotations

import hmac
from typing import Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset(("/healthz", "/readyz"))
"""What orchestrators ask, who carry no token."""

_LOCAL_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))


class Visitors(Protocol):
    """Who may look without the token, and at what."""

    def refusal(self, scope: Scope) -> Response | None:
        """None lets them in; else what they are answered."""
        ...

    def concerns(self, scope: Scope) -> bool:
        """Whether a request is theirs to judge."""
        ...


class Doorman:
    """
    Turns away who is not meant: without the token where one is set, and web pages of others in any case.

    A page in a browser on this machine can reach a loopback port. It cannot choose its `Origin`, nor, where it had
    its own name resolve to this machine, its `Host`. It cannot reach a Unix socket, whatever name is used over that.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, local: bool, visitors: Visitors | None = None) -> None:
        self._app = app
        self._visitors = visitors
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403 with a sentence, or let the request in."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._local and not _by_socket_file(scope) and _name(host) not in _LOCAL_NAMES:
            return _no(403, f"this agent serves its own machine, not {host!r}: use http://127.0.0.1 and its port")
        origin = headers.get("origin")
        if origin is not None and _place(origin) != host:
            return _no(403, f"a page of {origin!r} may not talk to this agent")
        if self._expected is None or scope["path"] in OPEN_PATHS:
            return None
        shown = headers.get("authorization", "").encode("latin-1")
        if hmac.compare_digest(shown, self._expected):
            return None
        if self._visitors is not None and self._visitors.concerns(scope):
            return self._visitors.refusal(scope)
        return _no(401, "show the agent's token as `Authorization: Bearer TOKEN`: set BURSAR_TOKEN_FILE")


def _by_socket_file(scope: Scope) -> bool:
    """Whether a request came over a Unix socket: its path stands where a host would."""
    server = scope.get("server")
    return server is not None and str(server[0]).startswith("/")


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _no(status: int, text: str) -> PlainTextResponse:
    headers = {"www-authenticate": "Bearer"} if status == 401 else None
    return PlainTextResponse(f"{text}\n", status, headers)
