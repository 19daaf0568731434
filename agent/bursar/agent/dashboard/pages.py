"""Which pages are there, and how is one asked for and answered?"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from math import ceil
from time import perf_counter
from typing import Final
from urllib.parse import quote

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bursar.agent.alerting.outlook import Memories
from bursar.agent.dashboard import asking, shell, table
from bursar.agent.dashboard.asking import AskedError
from bursar.agent.dashboard.batchespage import batches_page
from bursar.agent.dashboard.batchpage import batch_page
from bursar.agent.dashboard.budgetpage import budget_page
from bursar.agent.dashboard.budgetspage import budgets_page
from bursar.agent.dashboard.callpage import call_page
from bursar.agent.dashboard.callspage import calls_page
from bursar.agent.dashboard.live import Live
from bursar.agent.dashboard.nowpage import now_page
from bursar.agent.dashboard.page import Maker, NotThereError, Now, Page
from bursar.agent.dashboard.rate import Allowance, Rate
from bursar.agent.dashboard.routepage import route_page
from bursar.agent.dashboard.routespage import routes_page
from bursar.agent.ledger import Ledger, LedgerError
from bursar.agent.rules import RulesInForce

AT_ONCE = 2
"""Pages that are read at the same time: more would only make each of them slower."""
MOST_MEMORIES = 200
"""Scopes whose past is kept between pages: some hundred kilobytes each."""


class _AnyName(PathConvertor):
    """Whatever somebody named a thing: with slashes, as a path may have, and with line breaks too."""

    regex = "(?s:.*)"


register_url_convertor("any", _AnyName())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page is, and who makes it."""

    path: str
    """With `{name:any}` where it is about one thing."""
    where: str
    """The entry of the menu that it belongs to."""
    make: Maker


PLACES: Final = (
    Place("/", "/", now_page),
    Place("/routes", "/routes", routes_page),
    Place("/routes/{name:any}", "/routes", route_page),
    Place("/budgets", "/budgets", budgets_page),
    Place("/budgets/{name:any}", "/budgets", budget_page),
    Place("/calls", "/calls", calls_page),
    Place("/calls/{name:any}", "/calls", call_page),
    Place("/batches", "/batches", batches_page),
    Place("/batches/{name:any}", "/batches", batch_page),
)


OFTEN: Final = Allowance(burst=60, per_second=20)
"""Pages that one client may ask for."""


def routes(
    ledger: Ledger, rules: RulesInForce, live: Live, clock_ns: Callable[[], int], *, clock: Callable[[], float]
) -> list[BaseRoute]:
    """
    Every page, each with its tables as CSV under `?table=NAME`, the assets, and the line for what is new.

    `clock` is monotonic, in seconds.
    """
    desk = _Desk(ledger, rules, clock_ns, Rate(OFTEN, clock))
    return [
        *(Route(place.path, desk.answers(place), methods=["GET"]) for place in PLACES),
        Route("/static/{name:path}", shell.asset, methods=["GET"]),
        Route("/live", live.answer, methods=["GET"]),
    ]


class _Desk:
    def __init__(self, ledger: Ledger, rules: RulesInForce, clock_ns: Callable[[], int], rate: Rate) -> None:
        self._rate = rate
        self._ledger = ledger
        self._rules = rules
        self._clock_ns = clock_ns
        self._memories = Memories(MOST_MEMORIES)
        self._turn = asyncio.Semaphore(AT_ONCE)

    def answers(self, place: Place) -> Callable[[Request], object]:
        """How a place is answered: read on a thread of its own, so that no guard waits for a page."""

        async def answer(request: Request) -> Response:
            wait = self._rate.wait(request.client.host if request.client is not None else "")
            if wait:
                return _too_often(wait)
            async with self._turn:
                return await asyncio.to_thread(self._answer, place, request)

        return answer

    def _answer(self, place: Place, request: Request) -> Response:
        now, began = self._now(), perf_counter()
        path = _path(request)
        try:
            name = str(request.path_params.get("name", ""))
            origin = str(request.base_url).rstrip("/")
            asked = asking.read(path, request.query_params.multi_items(), now_ns=now.ns, name=name, origin=origin)
            with self._ledger.reading() as db:
                page = place.make(db, asked, now)
            read = perf_counter()
            wanted = request.query_params.get("table")
            if wanted is not None:
                return _csv(page, wanted)
            html = shell.render(page, asked, now, where=place.where)
        except AskedError as error:
            return shell.trouble(400, "This address cannot be read", str(error), path=place.where)
        except NotThereError as error:
            return shell.trouble(404, "There is no such thing", str(error), path=place.where)
        except (LedgerError, sqlite3.Error) as error:
            return shell.trouble(503, "The ledger cannot be read", str(error), path=place.where)
        spent = f"read;dur={(read - began) * 1e3:.1f}, render;dur={(perf_counter() - read) * 1e3:.1f}"
        return shell.answer(html, headers={"server-timing": spent})

    def _now(self) -> Now:
        rules = self._rules.current
        zone = UTC if rules.policy is None else rules.policy.zone
        return Now(self._clock_ns(), zone, rules.prices, rules.policy, self._memories)


def _too_often(wait: float) -> Response:
    response = shell.trouble(429, "Too many pages at once", "Wait a moment, then reload this page.")
    response.headers["retry-after"] = str(ceil(wait))
    return response


def _path(request: Request) -> str:
    """The path as an address has it: a name in it may hold what would end a path, or lead elsewhere."""
    raw: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    return quote(raw.partition(b"?")[0], safe="/%:@!$&'()*+,;=~-._")


def _csv(page: Page, name: str) -> Response:
    text = table.to_csv(page.table(name))
    kinds = {"content-type": "text/csv; charset=utf-8", "content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, headers={**shell.HEADERS, **kinds})
