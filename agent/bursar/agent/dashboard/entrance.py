"""How does a browser get in, where the agent has a token?"""

from __future__ import annotations

from math import ceil
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bursar.agent.dashboard import shell
from bursar.agent.dashboard.passes import LONGEST_TICKET_SECONDS, SESSION_SECONDS, TICKET_SECONDS, Passes
from bursar.agent.dashboard.rate import Allowance, Rate
from bursar.agent.serving.jsonbody import read_json
from bursar.agent.serving.server import read_body

PATH: Final = "/enter"
TICKETS: Final = "/dashboard/tickets"
COOKIE: Final = "bursar_session"
TRIES: Final = Allowance(burst=5, per_second=1 / 12)
"""Of tokens by one client: five at once, and five a minute."""
_LONGEST_FORM: Final = 4_096


def routes(passes: Passes | None, tries: Rate) -> list[BaseRoute]:
    """The door for people, and the desk where commands get tickets; without a token everybody is in already."""
    hall = _Hall(passes, tries)
    return [
        Route(PATH, hall.ask, methods=["GET"]),
        Route(PATH, hall.take, methods=["POST"]),
        Route(TICKETS, hall.ticket, methods=["POST"]),
    ]


def inside(request_path: str, query: str) -> str:
    """Where who has no session is sent, to come back to what was asked for."""
    wanted = f"{request_path}{f'?{query}' if query else ''}"
    return f"{PATH}?next={quote(wanted, safe='')}"


def safe_next(text: str) -> str:
    """A path of ours to go on to; the first page for anything that could lead elsewhere."""
    plain = text.isprintable() and text.startswith("/") and not text.startswith("//") and "\\" not in text
    parts = urlsplit(text) if plain else None
    return text if parts is not None and not parts.scheme and not parts.netloc else "/"


class _Hall:
    def __init__(self, passes: Passes | None, tries: Rate) -> None:
        self._passes = passes
        self._tries = tries

    async def ask(self, request: Request) -> Response:
        """The form, or who has a ticket right in."""
        onward = safe_next(request.query_params.get("next", "/"))
        if self._passes is None:
            return RedirectResponse(onward, 303)
        ticket = request.query_params.get("ticket")
        if ticket is None:
            return _form(onward)
        wait = self._tries.wait(_client(request))
        if wait:
            return _too_often(onward, wait)
        if not self._passes.redeem(ticket):
            return _form(
                onward, 403, "This link was used already, or its time is over. `bursar dashboard` prints another."
            )
        return _in(self._passes, request, onward)

    async def take(self, request: Request) -> Response:
        """The token, typed into the form."""
        if self._passes is None:
            return RedirectResponse("/", 303)
        fields = await _fields(request)
        onward = safe_next(fields.get("next", "/"))
        wait = self._tries.wait(_client(request))
        if wait:
            return _too_often(onward, wait)
        if not self._passes.knows(fields.get("token", "").strip()):
            return _form(
                onward, 403, "That is not this agent's token: it stands in the file that BURSAR_TOKEN_FILE names."
            )
        return _in(self._passes, request, onward)

    async def ticket(self, request: Request) -> Response:
        """A ticket for who showed the token at the door: `{"path", "seconds"}`."""
        try:
            seconds = _seconds(await read_body(request))
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 400)
        if self._passes is None:
            return JSONResponse({"path": "/", "seconds": None})
        return JSONResponse({"path": f"{PATH}?ticket={self._passes.ticket(seconds)}", "seconds": seconds})


def _in(passes: Passes, request: Request, onward: str) -> Response:
    """A page that goes on by itself: a redirect would leave the cookie behind where a page of others led here."""
    response = shell.answer(shell.small("welcome", onward=onward))
    response.set_cookie(
        COOKIE,
        passes.session(),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def _form(onward: str, status: int = 200, said: str = "") -> Response:
    return shell.answer(shell.small("enter", onward=onward, said=said), status)


def _too_often(onward: str, wait: float) -> Response:
    seconds = ceil(wait)
    said = f"Too many tries: wait {seconds} s."
    response = shell.answer(shell.small("enter", onward=onward, said=said), 429)
    response.headers["retry-after"] = str(seconds)
    return response


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a short form; none of one that is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            return {}
    found = parse_qs(body.decode("utf-8", errors="replace"), max_num_fields=10)
    return {name: values[-1] for name, values in found.items()}


def _seconds(body: bytes) -> float:
    """For how long a ticket is wanted. Raises `ValueError`."""
    wrong = ValueError(f'send {{"seconds": N}} with N from 1 to {LONGEST_TICKET_SECONDS}')
    try:
        told: Any = read_json(body) if body else {}
    except ValueError:
        raise wrong from None
    seconds: Any = told.get("seconds", TICKET_SECONDS) if isinstance(told, dict) else None  # pyright: ignore
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_TICKET_SECONDS:
        raise wrong
    return float(seconds)


def _client(request: Request) -> str:
    return request.client.host if request.client is not None else ""
