"""Which requests are a person's at a browser, and which of them get in?"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from bursar.agent.dashboard import entrance
from bursar.agent.dashboard.passes import Passes
from bursar.agent.dashboard.shell import HEADERS, MENU

_LIVE = "/live"
_ASSETS = "/static/"


class Browsers:
    """A session opens the pages to a browser, to be read; nothing that a guard or a command asks."""

    def __init__(self, passes: Passes) -> None:
        self._passes = passes

    def concerns(self, scope: Scope) -> bool:
        """Pages and what belongs to them, and the way in."""
        path = scope["path"]
        if path == entrance.PATH:
            return scope["method"] in ("GET", "HEAD", "POST")
        return scope["method"] in ("GET", "HEAD") and (path.startswith(_ASSETS) or path == _LIVE or _is_page(path))

    def refusal(self, scope: Scope) -> Response | None:
        """
        Who has no session is led to the door; what is listened to just ends.

        A page that asks for itself again is told to go there: followed, a redirect would put the door into the page.
        """
        path = scope["path"]
        if path == entrance.PATH or path.startswith(_ASSETS) or self._passes.good(_session(scope)):
            return None
        if path == _LIVE:
            return Response(status_code=401)
        door = entrance.inside(path, scope["query_string"].decode("latin-1"))
        if "hx-request" in Headers(scope=scope):
            return Response(status_code=401, headers={**HEADERS, "hx-redirect": door})
        return RedirectResponse(door, 303, HEADERS)


def _is_page(path: str) -> bool:
    return any(path == entry or (entry != "/" and path.startswith(f"{entry}/")) for entry, _ in MENU)


def _session(scope: Scope) -> str:
    try:
        found = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(entrance.COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
