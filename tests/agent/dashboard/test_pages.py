"""Claims about how pages are asked for and answered: safely, boundedly, with a sentence where something is wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import used

from bursar.agent.dashboard import pages
from bursar.agent.dashboard.live import Live
from bursar.agent.dashboard.pages import PLACES
from bursar.agent.ledger import Ledger
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.settings import Settings
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot
from bursar.policies.usage import Usage

NOON_NS = 1_795_262_400 * 10**9
POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
"""
NAMES = (
    "day",
    "nowhere",
    "<script>alert(1)</script>",
    "a/b",
    '"onmouseover="x',
    "x" * 200,
    "ü",
    "../x",
    "%2e%2e",
    "new\nline",
    "😀",
)


class House:
    """An agent's pages over a ledger of three calls, asked as a browser would."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "db"
        self.ledger = Ledger(fresh.file(self.path), clock_ns=lambda: NOON_NS)
        rules = Rules(parse_policy(POLICY, file="f"), shipped_book(), Snapshot("s", POLICY))
        in_force = RulesInForce(Settings(state_dir=folder, db=self.path), read=lambda _: rules)
        for number in range(3):
            records = used(f"a{number}", Usage(input=1_000), at=NOON_NS // 10**9 - number)
            self.ledger.book(records, holder="h", policy=rules.policy).result()
        self.now = 0.0
        self.live = Live(lambda: 0)
        routes = pages.routes(self.ledger, in_force, self.live, lambda: NOON_NS, clock=lambda: self.now)
        self.app = Starlette(routes=routes)

    def get(self, *urls: str) -> list[httpx.Response]:
        """The answers to some addresses, one after the other; each a while after the one before."""

        async def asking() -> list[httpx.Response]:
            found: list[httpx.Response] = []
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4319") as client:
                for url in urls:
                    found.append(await client.get(url))
                    self.now += 1.0
            return found

        return asyncio.run(asking())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.ledger.close()


def addresses() -> list[str]:
    """Every page, those about one thing with names good and bad."""
    return [
        place.path.replace("{name:any}", quote(name, safe="").replace("..", "%2e%2e"))
        for place in PLACES
        for name in (NAMES if "{" in place.path else ("",))
    ]


def test_every_page_answers_with_the_same_guards(house: House) -> None:
    """Also one that is not there: nothing from elsewhere, nothing inline, nothing kept; names never as markup."""
    for answer in house.get(*addresses(), "/budgets?span=x"):
        assert answer.status_code in (200, 400, 404), answer.url
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script>alert" not in answer.text
        assert not re.search(r"""<[^>]+\s(style|on\w+)=""", answer.text)


def test_a_name_may_hold_whatever_somebody_wrote(house: House) -> None:
    """A line break in it, or at its end, leads to the page that is about it, which says that there is none such."""
    for answer in house.get("/budgets/new%0Aline", "/budgets/line%0A", "/calls/%0A"):
        assert (answer.status_code, "There is no such thing" in answer.text) == (404, True), answer.url


def test_a_page_says_how_long_it_took(house: House) -> None:
    """So that anybody can see what a page costs the agent."""
    (answer,) = house.get("/budgets")
    assert re.fullmatch(r"read;dur=[\d.]+, render;dur=[\d.]+", answer.headers["server-timing"])


def test_a_table_comes_as_csv(house: House) -> None:
    """To be kept under its name; one there is none of is said."""
    found, missing = house.get("/budgets?table=budgets", "/budgets?table=x")
    assert found.headers["content-type"].startswith("text/csv")
    assert found.headers["content-disposition"] == 'attachment; filename="budgets.csv"'
    assert "content-security-policy" in found.headers
    assert found.text.startswith("budget,")
    assert "day" in found.text
    assert (missing.status_code, "it has" in missing.text) == (404, True)


def test_an_address_that_cannot_be_is_said(house: House) -> None:
    """In a page like the others, with what to write."""
    (answer,) = house.get("/budgets?page=x")
    assert (answer.status_code, "write a number from 1 on" in answer.text) == (400, True)


def test_assets_may_be_kept_under_the_name_of_their_content(house: House) -> None:
    """For ever where the address names what is in it, else asked for again; nothing else is given out."""
    (page,) = house.get("/budgets")
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert len(named) >= 7
    for answer in house.get(*named):
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True), answer.url
    plain, none, outside = house.get("/static/bursar.css", "/static/nothing.css", "/static/..%2fshell.py")
    assert plain.headers["cache-control"] == "no-cache"
    assert [none.status_code, outside.status_code] == [404, 404]


def test_every_vendored_file_says_whose_it_is() -> None:
    """On its first line: name, version, source and licence."""
    folder = Path(pages.__file__).parent / "static" / "vendor"
    for file in [*folder.glob("*.js"), *folder.glob("*.css")]:
        first = file.read_text().splitlines()[0]
        assert re.match(r"/\* Vendored: \w+ [\d.]+, .*npm package.*Licence: ", first), file


def test_who_asks_too_often_waits(house: House) -> None:
    """One client's flood is cut off with a time to wait; a moment later it is let in again."""

    async def flood() -> list[int]:
        transport = httpx.ASGITransport(house.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4319") as client:
            return [(await client.get("/budgets?page=x")).status_code for _ in range(pages.OFTEN.burst + 1)]

    house.now += 60
    assert asyncio.run(flood())[-1] == 429
    house.now += 60
    assert house.get("/budgets")[0].status_code == 200


def test_a_ledger_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Pages that need it answer 503 with a sentence, and no trace."""
    house = House(tmp_path)
    house.ledger.close()
    house.path.unlink()
    (answer,) = house.get("/budgets")
    assert (answer.status_code, "there is no ledger" in answer.text) == (503, True)


_WORDS = st.sampled_from(["span", "since", "until", "label", "find", "sort", "page", "table", "before", "state", "x"])
_QUERY = st.lists(st.tuples(_WORDS, st.text(max_size=20)), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(addresses()), _QUERY)
def test_no_address_is_an_error_of_ours(house: House, path: str, query: list[tuple[str, str]]) -> None:
    """Whatever stands behind the question mark: a page, or a sentence."""
    text = "&".join(f"{key}={quote(value.encode('utf-8', 'surrogatepass'), safe='')}" for key, value in query)
    (answer,) = house.get(f"{path}?{text}")
    assert answer.status_code in (200, 400, 404)
