"""What does one route cost, what could it save, what do its prompts share, and how do its answers lie?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlite_utils import Database

from bursar.agent.dashboard import routeadvice, routewords, spending
from bursar.agent.dashboard.asking import LONGEST_TEXT, Asked
from bursar.agent.dashboard.chart import Chart
from bursar.agent.dashboard.distribution import distribution, said
from bursar.agent.dashboard.page import NotThereError, Now, Page
from bursar.agent.dashboard.prefixes import LOOK, Prefixes, prefixes, sampled
from bursar.agent.dashboard.prefixpicture import picture
from bursar.agent.dashboard.routetables import (
    advice_table,
    calls_table,
    markings_table,
    models_table,
    stretches_table,
)
from bursar.agent.dashboard.slots import step_seconds
from bursar.agent.dashboard.spending import Tile
from bursar.agent.dashboard.words import count, share
from bursar.agent.ledger import advicebook, markingbook, routebook, spreadbook, sumbook, verdictbook
from bursar.agent.ledger.spreadbook import Spread, What
from bursar.agent.ledger.sumbook import Row
from bursar.policies.cachemarks import TAIL
from bursar.policies.policy import Policy
from bursar.policies.route import Route

LAST_CALLS = 20
_KNOWN_NS = 400 * 86_400 * 10**9
"""How far back a name is looked for of which no attempt is kept any more."""


def route_page(db: Database, asked: Asked, now: Now) -> Page:
    """One route by its exact name, over a stretch of time. Raises `NotThereError`."""
    name, since_ns, until_ns = asked.name, asked.since_ns, asked.until_ns
    keys = ("requested_model", "model", "batch")
    models = sumbook.by(db, keys, since_ns, until_ns, label=asked.label, route=name)
    if not models and _rules(now.policy, name) is None and not routebook.known(db, name, now.ns - _KNOWN_NS):
        raise NotThereError(f"No call of a route {name!r} was ever told of. Look for it among all routes.")
    kept, dismissed = advicebook.latest(db), frozenset(verdictbook.dismissals(db))
    marks = tuple(routeadvice.advised_places(kept, dismissed, name))
    told = _prompts(db, name, until_ns, marks)
    advice = None if kept is None else routeadvice.of_route(kept, dismissed, name)
    spreads: dict[What, Spread] = {
        what: spreadbook.spread(db, what, since_ns, until_ns, route=name) for what in _SPREADS
    }
    data = {
        "name": routewords.shown(name),
        "labels": sumbook.labels(db, since_ns, until_ns),
        "tiles": _tiles(models, spreads),
        "spend": _spend(db, asked, now),
        "spreads": [(distribution(what, one), said(what, one)) for what, one in spreads.items() if one.count],
        "kept": kept,
        "advice": advice,
        "commands": routeadvice.commands(name, (row.key[1] for row in models), _ladder(now.policy, name)),
        "calls_url": asked.url("/calls", route=name, sort="") if 0 < len(name) <= LONGEST_TEXT else "",
        **_shared(told, marks, _rules(now.policy, name)),
    }
    tables = (
        models_table(models, asked),
        calls_table(routebook.last_calls(db, name, since_ns, until_ns, limit=LAST_CALLS), asked),
        stretches_table(told),
        advice_table(advice),
        markings_table(one for one in markingbook.all_pulled(db) if one.marking.route == name),
    )
    return Page("route", routewords.shown(name), data, tables)


_SPREADS: tuple[What, ...] = ("output", "duration", "first_token")


def _tiles(models: Iterable[Row], spreads: Mapping[What, Spread]) -> tuple[Tile, ...]:
    return (
        *spending.tiles(spending.added(row.spend for row in models)),
        spending.of_times("Latency", spreads["duration"]),
        spending.of_times("First token", spreads["first_token"]),
    )


def _spend(db: Database, asked: Asked, now: Now) -> Chart:
    """What each model cost over the time."""
    step, stretch = step_seconds(asked, now.ns), (asked.since_ns, asked.until_ns)
    found = sumbook.series(db, "model", *stretch, step_seconds=step, label=asked.label, route=asked.name, tz=now.tz)
    return spending.over_time("spend", "Spend by model", found.slots, found.lines, str)


def _shared(told: Prefixes | None, marks: Sequence[str], rules: Route | None) -> dict[str, object]:
    """What its prompts share, drawn and said; or why that is not known."""
    if told is None:
        return {"told": None, "picture": None, "summary": "", "loose": (), "unseen": _unseen(rules)}
    drawn = picture(told, marks)
    return {"told": told, "picture": drawn, "summary": _summary(told), "loose": _loose(told, marks), "unseen": ""}


def _prompts(db: Database, name: str, until_ns: int, advised: Sequence[str]) -> Prefixes | None:
    samples = sampled(db, name, until_ns)
    return prefixes(samples, advised) if samples else None


def _rules(policy: Policy | None, name: str) -> Route | None:
    """What the policy says of the route, where it names it."""
    return None if policy is None else next((route for route in policy.routes if route.name == name), None)


def _ladder(policy: Policy | None, name: str) -> Sequence[str]:
    rules = _rules(policy, name)
    if rules is not None and rules.ladder is not None:
        return rules.ladder
    return () if policy is None else policy.ladder


def _summary(told: Prefixes) -> str:
    """What the picture shows, in a few sentences."""
    begins = f"Nearly all of the last {count(told.prompts)} prompts begin with the same {count(told.shared)} tokens"
    if not told.shared:
        begins = f"The last {count(told.prompts)} prompts have no beginning in common"
    parts = f"a typical one has {count(told.typical)}"
    nexts = f"; behind that they go on in {count(told.nexts)} ways" if told.nexts > 1 else ""
    return (
        f"{begins}, where {parts}{nexts}. {share(told.repeated)} of all their tokens repeat how an earlier one began."
    )


def _unseen(rules: Route | None) -> str:
    """Why there is no picture, and what to do."""
    if rules is not None and rules.cache == "off":
        return 'Its prompts are not looked at, since the policy says cache = "off" for this route. Take that line away.'
    return (
        f"None of its last {count(LOOK)} calls has a fingerprint. They come from applications that run with Bursar's "
        "instrumentation and this agent, a little after each call; spans of others bring none."
    )


def _loose(told: Prefixes, advised: Iterable[str]) -> tuple[str, ...]:
    """Marks that have no place of their own in the picture, such as the end of each request."""
    marks = [(mark, f"stands in {count(number)} prompts") for mark, number in told.marks.items()]
    marks += [(mark, "is advised") for mark in advised]
    return tuple(f"A mark at {_where(mark)} {said}" for mark, said in marks if _nowhere(told, mark))


def _where(mark: str) -> str:
    place, _, ttl = mark.rpartition(" ")
    return f"{'the end of each request' if place == TAIL else place} for {ttl}"


def _nowhere(told: Prefixes, mark: str) -> bool:
    return mark.rpartition(" ")[0] not in told.positions
