"""What does one route cost, what could it save, what do its prompts share, and how do its answers lie?"""

from __future__ import annotations

from collections.abc import Sequence

from sqlite_utils import Database

from bursar.agent.dashboard import routeadvice, routewords, spending
from bursar.agent.dashboard.asking import Asked
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
from bursar.agent.dashboard.words import count, share
from bursar.agent.ledger import advicebook, markingbook, routebook, sumbook, verdictbook
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
    marks = routeadvice.advised_places(kept, dismissed, name)
    told = _prompts(db, name, until_ns, tuple(marks))
    advice = None if kept is None else routeadvice.of_route(kept, dismissed, name)
    spreads: dict[sumbook.What, sumbook.Spread] = {
        what: sumbook.spread(db, what, since_ns, until_ns, route=name) for what in _SPREADS
    }
    series = sumbook.series(
        db,
        "model",
        since_ns,
        until_ns,
        step_seconds=step_seconds(asked, now.ns),
        label=asked.label,
        route=name,
        tz=now.tz,
    )
    data = {
        "name": routewords.shown(name),
        "labels": sumbook.labels(db, since_ns, until_ns),
        "tiles": (
            *spending.tiles(spending.added(row.spend for row in models)),
            spending.of_times("Latency", spreads["duration"]),
            spending.of_times("First token", spreads["first_token"]),
        ),
        "spend": spending.over_time("spend", "Spend by model", series.slots, series.lines, str),
        "spreads": [
            (distribution(what, spread), said(what, spread)) for what, spread in spreads.items() if spread.count
        ],
        "kept": kept,
        "advice": advice,
        "commands": routeadvice.commands(name, (row.key[1] for row in models), _ladder(now.policy, name)),
        "told": told,
        "picture": None if told is None else picture(told, marks),
        "summary": "" if told is None else _summary(told),
        "unseen": "" if told is not None else _unseen(_rules(now.policy, name)),
        "loose": () if told is None else _loose(told, marks),
    }
    calls = routebook.last_calls(db, name, since_ns, until_ns, limit=LAST_CALLS)
    tables = (
        models_table(models, asked),
        calls_table(calls, asked),
        stretches_table(told),
        advice_table(advice),
        markings_table(one for one in markingbook.all_pulled(db) if one.marking.route == name),
    )
    return Page("route", routewords.shown(name), data, tables)


_SPREADS: tuple[sumbook.What, ...] = ("output", "duration", "first_token")


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


def _loose(told: Prefixes, advised: Sequence[str] | dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Marks that have no place of their own in the picture, such as the end of each request."""
    stands = [
        f"{mark} stands in {count(number)} prompts" for mark, number in told.marks.items() if _nowhere(told, mark)
    ]
    return (*stands, *(f"{mark} is advised" for mark in advised if _nowhere(told, mark)))


def _nowhere(told: Prefixes, mark: str) -> bool:
    return mark.rpartition(" ")[0] not in told.positions
