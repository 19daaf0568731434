"""Pages for tests: made from a ledger in memory, as text, as a browser would get them."""

from __future__ import annotations

import html
import re
from datetime import UTC
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.dashboard import asking, shell
from bursar.agent.dashboard.page import Now, Page
from bursar.agent.dashboard.pages import PLACES, Place
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
"""2026-11-21T12:00:00Z."""
HOSTILE = "<script>alert(1)</script>\"'&x"
POLICY_TEXT = """\
version = 1
mode = "enforce"
ladder = ["claude-opus-5-5", "claude-haiku-5-5"]
[[budget]]
name = "day"
per = ["tenant"]
limit = "10 USD"
every = "day"
[budget.at]
"80%" = ["downgrade", "alert log"]
"100%" = "block"
[[budget]]
name = "tokens"
limit = "2M tokens"
every = "day"
"""
POLICY = parse_policy(POLICY_TEXT, file="f")


def ledger() -> Database:
    """An empty one."""
    return fresh.ledger()


def page(db: Database, url: str, policy: Policy | None = POLICY) -> Page:
    """What a page is given, asked at noon. Raises `NotThereError` and `AskedError`."""
    place, name = _place(urlsplit(url).path)
    asked = asking.read(urlsplit(url).path, parse_qsl(urlsplit(url).query), now_ns=NOON, name=name)
    return place.make(db, asked, Now(NOON, UTC, shipped_book(), policy))


def markup(db: Database, url: str, policy: Policy | None = POLICY) -> str:
    """A page as HTML."""
    place, name = _place(urlsplit(url).path)
    asked = asking.read(urlsplit(url).path, parse_qsl(urlsplit(url).query), now_ns=NOON, name=name)
    now = Now(NOON, UTC, shipped_book(), policy)
    return shell.render(place.make(db, asked, now), asked, now, where=place.where)


def text(db: Database, url: str, policy: Policy | None = POLICY) -> str:
    """What a page says, without its markup: one space between words."""
    (main,) = re.findall(r"<main.*</main>", markup(db, url, policy), re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


def cells(found: Page, table: str, *columns: str) -> list[tuple[object, ...]]:
    """Some columns of a table, row by row."""
    return [tuple(row.cells.get(column) for column in columns) for row in found.table(table).rows]


def _place(path: str) -> tuple[Place, str]:
    """Who makes the page at a path, and what it is about."""
    for place in PLACES:
        before = place.path.removesuffix("{name:any}")
        if place.path == path:
            return place, ""
        if before != place.path and path.startswith(before):
            return place, unquote(path.removeprefix(before))
    raise AssertionError(f"there is no page at {path}")
