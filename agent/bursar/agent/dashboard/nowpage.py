"""What is going on now: spent today, how far the budgets go, who spends it, what was done, and what was saved?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from sqlite_utils import Database

from bursar.agent.dashboard import savedtoday, words
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.budgetrecords import ACTION_BADGES, call_address
from bursar.agent.dashboard.burndown import burndown
from bursar.agent.dashboard.chart import Chart, Line, Shape
from bursar.agent.dashboard.page import Now, Page
from bursar.agent.dashboard.table import Column, Kind, Row, Table
from bursar.agent.ledger import daysums, glance, meterbook, reports, sumbook
from bursar.agent.ledger.glance import Flying
from bursar.agent.ledger.meterbook import Standing
from bursar.agent.ledger.sumbook import OTHER, Spend
from bursar.policies.sentence import sentence

MOST_BUDGETS = 6
"""Balances with a chart: the fullest; the others stand on the page of budgets."""
MOST_DECISIONS = 15
_SECOND = 10**9
_MINUTE, _HOUR = 60, 3_600
_DECISIONS = (
    Column("time", "At", Kind.INSTANT, sortable=False),
    Column("action", "Decided", sortable=False, whole=True),
    Column("why", "Why", sortable=False),
    Column("route", "Route", sortable=False, whole=True),
    Column("budget", "Budget", sortable=False, whole=True),
    Column("step", "Step", sortable=False, whole=True),
)
_NO_DECISIONS = "Every call went as it was: no step of a budget asked for anything else."


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the top row."""

    name: str
    figure: str
    exact: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Day:
    """Today so far, and yesterday by the same time of day; nanoseconds since the epoch, by the policy's clock."""

    midnight: int
    now: int
    before: int
    """Yesterday's midnight."""
    then: int
    """Yesterday at this time of day."""


def now_page(db: Database, asked: Asked, now: Now) -> Page:
    """All of it; for a ledger without a call, what to do."""
    if not reports.anything(db):
        return Page("start", "Now", {"origin": asked.origin})
    day = day_of(now)
    today, before = daysums.total(db, day.midnight, day.now), daysums.total(db, day.before, day.then)
    savings, savings_before = (
        savedtoday.saved(db, *span, now) for span in ((day.midnight, day.now), (day.before, day.then))
    )
    possible = savedtoday.possible(db, asked)
    standings = meterbook.standings(db, now.ns, most=MOST_BUDGETS + 1)
    return Page(
        "now",
        "Now",
        {
            "tiles": (
                *_tiles(today, before, glance.flying(db)),
                _saved_tile(savedtoday.total(savings), savedtoday.total(savings_before), bool(before.calls)),
            ),
            "budgets": [burndown(db, standing, now) for standing in standings[:MOST_BUDGETS]],
            "more": len(standings) > MOST_BUDGETS,
            "waiting": _waiting(standings, now),
            "minutes": _minutes(db, now),
            "kept_back": savedtoday.kept(db, day.midnight, day.now + 1),
            "unpriced": savings.unpriced,
            "possible": possible,
        },
        (_decisions(db, asked, now), savedtoday.saved_table(savings), possible.table),
    )


def day_of(now: Now) -> Day:
    """Both days; where the clock is changed in between, by the same time on the clock."""
    local = datetime.fromtimestamp(now.ns // _SECOND, now.tz)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    days = (midnight, midnight - timedelta(days=1), local.replace(fold=0) - timedelta(days=1))
    starts, before, then = (int(at.timestamp()) * _SECOND for at in days)
    return Day(starts, now.ns, before, then)


def _tiles(today: Spend, before: Spend, flying: Flying) -> Iterator[Tile]:
    met = bool(before.calls or before.refusals)
    yield Tile(
        "Spent today", words.money(today.nano), words.exact_money(today.nano), tuple(_spent_notes(today, before))
    )
    yield Tile("Calls", words.count(today.calls), "", (*_against(words.count(before.calls), met), *_lost(today)))
    share = _against(words.share(before.cache_share), before.cache_share is not None)
    yield Tile("Read from cache", words.share(today.cache_share), "", ("of all prompt tokens", *share))
    expected = f"{words.money(flying.held_nano)} expected" if flying.holds else "nothing is set aside"
    yield Tile("In flight", words.count(flying.holds), words.exact_money(flying.held_nano), (expected,))
    refused = _against(words.count(before.refusals), met)
    yield Tile("Refused today", words.count(today.refusals), "", tuple(refused) or ("by budgets",))


def _spent_notes(today: Spend, before: Spend) -> Iterator[str]:
    """The comparison; and what is not known, beside the sum that it is not in."""
    change = f" ({(today.nano - before.nano) / before.nano:+.0%})" if before.nano else ""
    told = [f"{one}{change}" for one in _against(words.money(before.nano), bool(before.calls))]
    yield from told or ["no calls yesterday by now"]
    if today.estimated_nano:
        yield f"{words.money(today.estimated_nano)} of it estimated"
    if today.unknown:
        yield f"and {_charges(today.unknown)} of unknown cost"
    if today.incomplete:
        yield f"{_charges(today.incomplete)} with a part unknown"


def _lost(today: Spend) -> Iterator[str]:
    if today.failures:
        yield f"{words.count(today.failures)} attempts failed"


def _saved_tile(nano: int, before: int, met: bool) -> Tile:
    notes = tuple(_against(words.money(before), met)) or ("by cache, models, batches",)
    return Tile("Saved today", words.money(nano), words.exact_money(nano), notes)


def _against(figure: str, met: bool) -> Iterator[str]:
    """What it was yesterday by the same time, where there was anything."""
    if met:
        yield f"{figure} yesterday by now"


def _charges(count: int) -> str:
    return "1 charge" if count == 1 else f"{count:,} charges"


def _waiting(standings: Sequence[Standing], now: Now) -> tuple[str, ...]:
    """Budgets of the policy that no call has met in their present window, as far as all balances are known here."""
    if now.policy is None or len(standings) > MOST_BUDGETS:
        return ()
    met = {standing.budget for standing in standings}
    return tuple(budget.name for budget in now.policy.budgets if budget.name not in met)


def _minutes(db: Database, now: Now) -> Chart | None:
    """The last hour, minute by minute and route by route; None where nothing was spent in it."""
    until = now.ns // _SECOND // _MINUTE * _MINUTE + _MINUTE
    found = sumbook.series(db, "route", (until - _HOUR) * _SECOND, until * _SECOND, step_seconds=_MINUTE)
    # By name, so that a line keeps its colour while others overtake it.
    lines = sorted(found.lines, key=lambda line: (line.key == OTHER, line.key))
    if not lines:
        return None
    total = sum(sum(line.nano) for line in lines)
    names = ", ".join(_route(line.key) for line in lines)
    return Chart(
        "minutes",
        "Spend per minute by route, the last hour",
        found.slots,
        [Line(_route(line.key), line.nano) for line in lines],
        Shape.BARS,
        summary=f"{words.money(total)} in the last hour, on {names}.",
    )


def _route(name: str) -> str:
    return name or "no route"


def _decisions(db: Database, asked: Asked, now: Now) -> Table:
    found = reports.decisions(db, 0, now.ns + 1, limit=MOST_DECISIONS)
    return Table("decisions", "Decisions", _DECISIONS, tuple(_decision(one, asked) for one in found), _NO_DECISIONS)


def _decision(one: reports.Row, asked: Asked) -> Row:
    figures, action, budget = one["decision"], one["action"], str(one["decision"].get("budget") or "")
    planned = str(figures.get("model") or one["model"])
    cells = {
        "time": one["at_ns"],
        "action": action,
        "why": sentence(action, one["reason"], figures, asked=one["model"], planned=planned),
        "route": _route(one["route"]),
        "budget": budget or None,
        "step": figures.get("step") or None,
    }
    return Row(
        cells,
        call_address(one["call_id"] or one["id"], asked),
        badges={"action": ACTION_BADGES[action]} if action in ACTION_BADGES else {},
        links={"budget": asked.link(f"/budgets/{quote(budget, safe='')}")} if budget else {},
    )
