"""What was saved in a stretch of time and how, and what could be saved a day?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlite_utils import Database

from bursar.agent.alerting.savings import Savings, savings_of
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.page import Now
from bursar.agent.dashboard.table import Column, Kind, Row, Table
from bursar.agent.ledger import advicebook, daysums, verdictbook
from bursar.agent.ledger.deeds import KeptBack, kept_back

MOST_SHOWN = 3
"""Pieces of advice that are shown: what is worth most."""
_SAVED = (Column("how", "How", sortable=False), Column("saved", "Saved", Kind.MONEY, sortable=False))
_ADVICE = (
    Column("advice", "What to do", sortable=False),
    Column("route", "Route", sortable=False, whole=True),
    Column("surely", "A day", Kind.MONEY, "What it saves a day at least, as far as the calls show.", sortable=False),
)
_NO_ADVICE = "Nothing is advised from the calls so far."
_NEVER_ADVISED = "No advice was worked out yet: the agent does it by itself once there are calls."


@dataclass(frozen=True, slots=True)
class Possible:
    """What could be saved, as it was last worked out. Money in nano-dollars a day."""

    table: Table
    at_ns: int | None
    """When; None where it never was."""
    nano: int
    """What all of it together saves at least."""
    high: int
    """And at most."""
    pieces: int


def saved(db: Database, since_ns: int, until_ns: int, now: Now) -> Savings:
    """By reading the cache, by smaller models and by batches."""
    return savings_of(daysums.groups(db, since_ns, until_ns), now.prices)


def total(savings: Savings) -> int:
    """All of it, less what writing the cache cost; below zero where that was more."""
    return savings.cache_reads - savings.cache_writes + savings.downgrades + savings.batches


def saved_table(savings: Savings) -> Table:
    """Way by way; what blocks kept back is none of them."""
    ways = (
        ("Read from the prompt cache", savings.cache_reads),
        ("Paid on top for writing it", -savings.cache_writes),
        ("Smaller models, where budgets moved calls", savings.downgrades),
        ("Batches at half the price", savings.batches),
    )
    rows = [Row({"how": how, "saved": nano}) for how, nano in ways]
    sums = Row({"how": "Together", "saved": total(savings)}, badges={"how": "total", "saved": "total"})
    return Table("saved", "Saved today", _SAVED, (*rows, sums))


def kept(db: Database, since_ns: int, until_ns: int) -> KeptBack:
    """What was not spent because it was refused."""
    return kept_back(db, since_ns, until_ns)


def possible(db: Database, asked: Asked) -> Possible:
    """The advice that was kept last, without what somebody put aside: the surest saving first."""
    latest = advicebook.latest(db)
    if latest is None:
        return Possible(Table("advice", "Could be saved", _ADVICE, (), _NEVER_ADVISED), None, 0, 0, 0)
    worth = _worth(latest.recommendations, verdictbook.dismissals(db))
    rows = tuple(_row(one, asked) for one in worth[:MOST_SHOWN])
    return Possible(
        Table("advice", "Could be saved", _ADVICE, rows, _NO_ADVICE),
        latest.at_ns,
        sum(_low(one) for one in worth),
        sum(one["saving_nano_usd_per_day"]["to"] for one in worth),
        len(worth),
    )


def _worth(found: Sequence[Mapping[str, Any]], dismissed: Mapping[str, object]) -> list[Mapping[str, Any]]:
    """What is advised, is worth something, and was not put aside."""
    known = [one for one in found if one["advised"] and one["saving_nano_usd_per_day"] and one["id"] not in dismissed]
    return sorted((one for one in known if _low(one) > 0), key=lambda one: (-_low(one), one["id"]))


def _row(one: Mapping[str, Any], asked: Asked) -> Row:
    route = one["route"]
    href = asked.link(f"/routes/{quote(route, safe='')}") if route else asked.link("/routes")
    cells = {"advice": _first(one["text"]), "route": route or "all routes", "surely": _low(one)}
    return Row(cells, href, links={"route": href})


def _first(text: str) -> str:
    """The first sentence: the whole of it stands on the route's page."""
    head, stop, _ = text.partition(". ")
    return f"{head}." if stop else text


def _low(one: Mapping[str, Any]) -> int:
    low: int = one["saving_nano_usd_per_day"]["from"]
    return low
