"""Which routes are there, what does each cost, and how does it fare?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from bursar.agent.dashboard import routewords, spending
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.page import Now, Page
from bursar.agent.dashboard.routeadvice import Piece, best_of, of_route
from bursar.agent.dashboard.slots import step_seconds
from bursar.agent.dashboard.table import Column, Kind, Row, Table, Value
from bursar.agent.ledger import advicebook, spreadbook, sumbook, verdictbook
from bursar.agent.ledger.spreadbook import Spread
from bursar.agent.ledger.sumbook import Series, Spend

MOST_ROWS = 300
"""Routes on one page; a search tells which others there are."""
MANY_ERRORS = 0.05
"""The share of errors from which on it is marked."""
_NOTHING = Spread()

_COLUMNS = (
    Column("route", "Route"),
    Column("trend", "Trend", Kind.TREND, "How its cost moved"),
    Column("calls", "Calls", Kind.COUNT),
    Column("cost", "Cost", Kind.MONEY),
    Column("per_call", "Per call", Kind.MONEY, "What a call costs on average"),
    Column("could_save", "Could save", Kind.MONEY, "What the best recommendation is worth a day, as expected"),
    Column("cached", "Cached", Kind.SHARE, "Of the prompt tokens, those that were read from the cache"),
    Column("p50", "p50", Kind.DURATION, "Half of the answers were there within this, from sending to their end"),
    Column("p95", "p95", Kind.DURATION, "95 of 100 answers were there within this"),
    Column("first_token", "First token", Kind.DURATION, "Half of the streams began within this"),
    Column("models", "Models", Kind.MIX, "What each model has of what was spent"),
    Column("escalated", "Escalated", Kind.SHARE, "Calls that went on to the strong model of a cascade"),
    Column("errors", "Errors", Kind.SHARE, "Of the attempts that are over, those that failed"),
    Column("refused", "Refused", Kind.COUNT, "Calls that a budget kept back"),
)
_EMPTY = (
    "No call in this time. Look at a longer one, or send some this way: set BURSAR_AGENT for your application, "
    "or start it with bursar run."
)
_NOT_FOUND = "No route of this time has that in its name. Empty the search to see all."


@dataclass(frozen=True, slots=True)
class _Read:
    """What the rows are made of, by route."""

    spends: Mapping[str, Spend]
    models: Mapping[str, Mapping[str, int]]
    colours: Mapping[str, int]
    series: Series
    durations: Mapping[str, Spread]
    firsts: Mapping[str, Spread]
    savings: Mapping[str, int]
    general: tuple[Piece, ...]
    """What is advised for no route of its own."""


def routes_page(db: Database, asked: Asked, now: Now) -> Page:
    """Every route of a stretch of time, the dearest first."""
    read = _read(db, asked, now)
    found = [name for name in read.spends if asked.find.casefold() in routewords.shown(name).casefold()]
    found.sort(key=lambda name: (-read.spends[name].nano, -read.spends[name].calls, name))
    lines = [line for line in read.series.lines if not asked.find or line.key in found]
    trends = {line.key: line.nano for line in read.series.lines}
    rows = tuple(_row(name, read, trends.get(name, ()), asked) for name in found[:MOST_ROWS])
    table = Table("routes", "Routes", _COLUMNS, rows, _NOT_FOUND if read.spends else _EMPTY)
    data = {
        "tiles": spending.tiles(spending.added(read.spends[name] for name in found)),
        "chart": spending.over_time("spend", "Spend by route", read.series.slots, lines, routewords.shown),
        "labels": sumbook.labels(db, asked.since_ns, asked.until_ns),
        "general": read.general,
        "more": len(found) - len(rows),
        "dearest": MOST_ROWS,
    }
    return Page("routes", "Routes", data, (table.sorted_by(asked.sort, "-cost"),))


def _read(db: Database, asked: Asked, now: Now) -> _Read:
    since_ns, until_ns, label = asked.since_ns, asked.until_ns, asked.label
    spends: dict[str, Spend] = {}
    models: dict[str, dict[str, int]] = {}
    everywhere: dict[str, int] = {}
    for row in sumbook.by(db, ("route", "model"), since_ns, until_ns, label=label):
        route, model = row.key
        spends[route] = spends.get(route, Spend()) + row.spend
        if row.spend.nano:
            models.setdefault(route, {})[model] = row.spend.nano
            everywhere[model] = everywhere.get(model, 0) + row.spend.nano
    step = step_seconds(asked, now.ns)
    kept, dismissed = advicebook.latest(db), frozenset(verdictbook.dismissals(db))
    return _Read(
        spends,
        models,
        routewords.colours(sorted(everywhere, key=lambda model: (-everywhere[model], model))),
        sumbook.series(db, "route", since_ns, until_ns, step_seconds=step, label=label, tz=now.tz, most=MOST_ROWS),
        spreadbook.spreads_by_route(db, "duration", since_ns, until_ns),
        spreadbook.spreads_by_route(db, "first_token", since_ns, until_ns),
        best_of(kept, dismissed),
        () if kept is None else of_route(kept, dismissed, "").pieces,
    )


def _row(name: str, read: _Read, trend: Sequence[int], asked: Asked) -> Row:
    spend, durations = read.spends[name], read.durations.get(name, _NOTHING)
    mix = routewords.mix(read.models.get(name, {}), read.colours)
    cells: dict[str, Value] = {
        "route": routewords.shown(name),
        "calls": spend.calls,
        "cost": spend.nano,
        "per_call": spend.cost_per_call_nano,
        "cached": spend.cache_share,
        "p50": spending.milliseconds(durations.quantile(0.5)),
        "p95": spending.milliseconds(durations.quantile(0.95)),
        "first_token": spending.milliseconds(read.firsts.get(name, _NOTHING).quantile(0.5)),
        "models": routewords.mix_text(mix),
        "escalated": spend.escalations / spend.calls if spend.calls else None,
        "errors": spend.error_share,
        "refused": spend.refusals,
        "could_save": read.savings.get(name),
    }
    many = (spend.error_share or 0) >= MANY_ERRORS
    return Row(
        cells,
        asked.link(routewords.path(name)),
        trends={"trend": trend},
        parts={"models": mix},
        badges={"errors": "bad"} if many else {},
    )
