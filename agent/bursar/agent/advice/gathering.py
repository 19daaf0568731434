"""What is all the advice that the ledger's calls give rise to?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import partial

from sqlite_utils import Database

from bursar.agent.advice.beside import beside_caching
from bursar.agent.advice.caching.cacheadvice import cache_advice
from bursar.agent.advice.caching.nodeshelf import NodeShelf
from bursar.agent.advice.caching.study import Source
from bursar.agent.advice.interval import observed
from bursar.agent.advice.reading import route_usage
from bursar.agent.advice.recommendation import Recommendation, ordered
from bursar.agent.advice.usage import RouteUsage, advise
from bursar.agent.advice.wording import recommendation
from bursar.agent.ledger import printbook
from bursar.policies.prices import PriceBook

LOOKS = 3
"""How often the calls with fingerprints are read."""
ENOUGH = 50
"""Calls with fingerprints that say more than the token counts of all; fewer do where they are half of a route's."""


def gathered(
    db: Database,
    book: PriceBook,
    since_ns: int,
    until_ns: int,
    *,
    route: str | None = None,
    told: Callable[[], object] = lambda: None,
) -> list[Recommendation]:
    """
    All advice for the calls of a stretch of time, the surest saving first; `route` is a glob.

    `told` is called for each fingerprint read, `LOOKS` times as often as `printbook.count` says, and for each attempt,
    as often as `pastcalls.count` does. Raises `PolicyError` where the rules in force cannot be read.
    """
    everything = route_usage(db, since_ns, until_ns)
    rows = [row for row in everything if route is None or fnmatchcase(row.route, route)]
    source = fingerprints(db, book, since_ns, until_ns, route=route, told=told)
    calls = {(row.route, row.model): len(row.prompts) for row in rows}
    printed = [one for one in cache_advice(source) if _enough(one, calls.get((one.route, one.model), 0))]
    covered = {(one.route, one.model) for one in printed}
    at = datetime.fromtimestamp(until_ns // 10**9, UTC).date()
    rest = [row for row in rows if (row.route, row.model) not in covered]
    counted = [recommendation(one) for one in advise(rest, book, at, observed_days(everything, until_ns))]
    beside = beside_caching(db, book, since_ns, until_ns, route=route, told=told)
    return ordered([*printed, *counted, *beside])


def fingerprints(
    db: Database,
    book: PriceBook,
    since_ns: int,
    until_ns: int,
    *,
    route: str | None = None,
    told: Callable[[], object] = lambda: None,
) -> Source:
    """Where the calls of a stretch of time are read that have fingerprints."""
    return Source(
        prompts=partial(printbook.prompts, db, since_ns, until_ns, route),
        node=NodeShelf(partial(printbook.nodes, db)),
        stretches=partial(printbook.stretches, db),
        book=book,
        until_ns=until_ns,
        told=told,
    )


def observed_days(rows: list[RouteUsage], until_ns: int) -> Fraction:
    """
    How many days the rows stand for: from the first call of all up to the end, one at least.

    The asked period may reach back to before there was a ledger; days without one are no days without calls.
    """
    first_ns = min((row.at_ns[0] for row in rows), default=until_ns)
    return observed(first_ns, until_ns)


def _enough(one: Recommendation, calls: int) -> bool:
    seen: int = one.evidence["calls"]
    return seen >= min(ENOUGH, calls / 2)
