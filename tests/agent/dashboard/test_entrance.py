"""Claims about the way in: by token or ticket, for pages only, and never on to somewhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bursar.agent.dashboard import entrance
from bursar.agent.dashboard.entrance import COOKIE, TICKETS, safe_next
from bursar.agent.dashboard.passes import Passes
from bursar.agent.dashboard.rate import Rate
from bursar.agent.dashboard.visitors import Browsers
from bursar.agent.serving.doorman import Doorman

TOKEN = "s3cret"
BEARER = {"authorization": f"Bearer {TOKEN}"}
Steps = Callable[[httpx.AsyncClient], Awaitable[None]]


async def inside(_: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


def visit(steps: Steps, *, token: str | None = TOKEN, local: bool = True, base: str = "http://127.0.0.1:4319") -> None:
    """Take some steps as a browser would, which keeps its cookies."""
    numbers = count()
    passes = None if token is None else Passes(token, lambda: 1_000.0, lambda: f"ticket{next(numbers)}")
    routes = [
        *entrance.routes(passes, Rate(entrance.TRIES, lambda: 0.0)),
        *(Route(path, inside, methods=["GET", "POST"]) for path in ("/", "/budgets", "/budgets/x", "/live", "/guard")),
    ]
    visitors = None if passes is None else Browsers(passes)
    door = Doorman(Starlette(routes=routes), token=token, local=local, visitors=visitors)

    async def visiting() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url=base) as client:
            await steps(client)

    asyncio.run(visiting())


def test_without_a_token_everybody_is_in() -> None:
    """On this machine no password is asked for; the form leads on, and a ticket is a plain address."""

    async def steps(client: httpx.AsyncClient) -> None:
        assert (await client.get("/budgets")).text == "inside"
        assert (await client.get("/enter?next=/budgets")).headers["location"] == "/budgets"
        assert (await client.post(TICKETS)).json() == {"path": "/", "seconds": None}

    visit(steps, token=None)


def test_a_page_leads_to_the_form_and_the_form_back() -> None:
    """What was asked for is kept; the cookie is for this site and for no script."""

    async def steps(client: httpx.AsyncClient) -> None:
        turned = await client.get("/budgets?span=7d")
        assert (turned.status_code, turned.headers["location"]) == (303, "/enter?next=%2Fbudgets%3Fspan%3D7d")
        form = await client.get(turned.headers["location"])
        assert (form.status_code, 'name="next" value="/budgets?span=7d"' in form.text) == (200, True)
        welcome = await client.post("/enter", data={"token": TOKEN, "next": "/budgets?span=7d"})
        assert 'url=/budgets?span=7d"' in welcome.text
        cookie = welcome.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/", "max-age=43200"))
        assert "secure" not in cookie
        assert (await client.get("/budgets")).text == "inside"
        assert (await client.get("/live")).text == "inside"

    visit(steps)


def test_a_page_that_asks_for_itself_again_is_led_to_the_form_and_not_given_it() -> None:
    """Its session is over: the browser goes there as a whole, since a redirect's end would become part of the page."""

    async def steps(client: httpx.AsyncClient) -> None:
        turned = await client.get("/budgets?span=7d", headers={"hx-request": "true"})
        assert (turned.status_code, turned.text) == (401, "")
        assert turned.headers["hx-redirect"] == "/enter?next=%2Fbudgets%3Fspan%3D7d"
        assert "location" not in turned.headers

    visit(steps)


def test_over_tls_the_cookie_stays_there() -> None:
    """It is never sent in the clear."""

    async def steps(client: httpx.AsyncClient) -> None:
        welcome = await client.post("/enter", data={"token": TOKEN})
        assert "secure" in welcome.headers["set-cookie"].lower()

    visit(steps, local=False, base="https://agent.example.org")


def test_a_session_reads_pages_and_nothing_else() -> None:
    """Guards and commands show the token; a browser changes nothing."""

    async def steps(client: httpx.AsyncClient) -> None:
        await client.post("/enter", data={"token": TOKEN})
        assert (await client.get("/guard")).status_code == 401
        assert (await client.post("/budgets")).status_code == 401
        assert (await client.post(TICKETS)).status_code == 401

    visit(steps)


@pytest.mark.parametrize("cookie", ["", "9999999999.0", "9999999999." + "0" * 64, 'a"b', "\x00"])
def test_a_forged_cookie_opens_nothing(cookie: str) -> None:
    """A page leads to the form; the line for what is new just ends."""

    async def steps(client: httpx.AsyncClient) -> None:
        headers = {"cookie": f"{COOKIE}={cookie}"}
        assert (await client.get("/", headers=headers)).headers["location"] == "/enter?next=%2F"
        assert (await client.get("/live", headers=headers)).status_code == 401

    visit(steps)


def test_a_ticket_lets_one_browser_in_once() -> None:
    """Commands get it with the token; used up it says how to get another."""

    async def steps(client: httpx.AsyncClient) -> None:
        told = (await client.post(TICKETS, headers=BEARER, json={"seconds": 600})).json()
        assert told == {"path": "/enter?ticket=ticket0", "seconds": 600}
        welcome = await client.get(told["path"])
        assert 'url=/"' in welcome.text
        assert (await client.get("/")).text == "inside"
        client.cookies.clear()
        again = await client.get(told["path"])
        assert (again.status_code, "`bursar dashboard` prints another" in again.text) == (403, True)
        assert (await client.get("/")).status_code == 303

    visit(steps)


@pytest.mark.parametrize(
    "body", [b"x", b"[]", b'{"seconds":0}', b'{"seconds":true}', b'{"seconds":3601}', b'{"seconds":"1"}']
)
def test_a_ticket_for_no_time_is_refused(body: bytes) -> None:
    """With what may be sent."""

    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.post(TICKETS, headers=BEARER, content=body)
        assert (answer.status_code, "from 1 to 3600" in answer.text) == (400, True)

    visit(steps)


def test_tokens_are_not_guessed() -> None:
    """After five tries one waits, also with the right one, and is told how long."""

    async def steps(client: httpx.AsyncClient) -> None:
        for _ in range(5):
            wrong = await client.post("/enter", data={"token": "guess"})
            assert (wrong.status_code, COOKIE in wrong.headers.get("set-cookie", "")) == (403, False)
        stopped = await client.post("/enter", data={"token": TOKEN})
        assert (stopped.status_code, stopped.headers["retry-after"]) == (429, "12")
        assert "set-cookie" not in stopped.headers

    visit(steps)


def test_a_page_of_others_cannot_sign_in() -> None:
    """A form elsewhere that posts here is turned away at the door."""

    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.post("/enter", data={"token": TOKEN}, headers={"origin": "https://evil.example.org"})
        assert answer.status_code == 403

    visit(steps)


def test_a_long_form_is_none() -> None:
    """It is not even kept."""

    async def steps(client: httpx.AsyncClient) -> None:
        assert (await client.post("/enter", data={"token": TOKEN, "x": "y" * 5_000})).status_code == 403

    visit(steps)


@pytest.mark.parametrize(
    ("text", "onward"),
    [
        ("/budgets?span=7d", "/budgets?span=7d"),
        ("", "/"),
        ("budgets", "/"),
        ("//evil.example.org", "/"),
        ("/\\evil.example.org", "/"),
        ("https://evil.example.org/", "/"),
        ("javascript:alert(1)", "/"),
        ("/x\r\nset-cookie: a=b", "/"),
        ("/\t/evil.example.org", "/"),
    ],
)
def test_nobody_is_led_elsewhere(text: str, onward: str) -> None:
    """Only to a path of ours."""
    assert safe_next(text) == onward
