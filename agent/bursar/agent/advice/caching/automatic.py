"""Which cache marks are in force where `cache = "auto"`: advised, tried, and taken back where they do not pay?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from sqlite_utils import Database

from bursar.agent.advice.caching.trial import costs, judged
from bursar.agent.ledger import Ledger, LedgerError, markingbook
from bursar.agent.ledger.markingbook import Pulled, State
from bursar.agent.rules import Rules, RulesInForce
from bursar.policies.cachemarks import to_text
from bursar.policies.policy import Mode

_log = logging.getLogger(__name__)

DAY_NS = 86_400 * 10**9
LOOK_BACK_NS = 7 * DAY_NS
"""The traffic that a trial looks at."""
REST_NS = 7 * DAY_NS
"""For how long marks that did not pay are not tried again."""


class Adviser(Protocol):
    """Who says what marks a route should have, from its traffic. Raises `LedgerError`."""

    def __call__(self, route: str, now_ns: int) -> Sequence[Pulled]: ...


class Automatic:
    """The one who pulls the cache lever. What it did is in the ledger, and in force again after a restart."""

    def __init__(self, ledger: Ledger, rules: RulesInForce, advise: Adviser, *, clock_ns: Callable[[], int]) -> None:
        self._ledger = ledger
        self._rules = rules
        self._advise = advise
        self._clock_ns = clock_ns

    def look(self) -> None:
        """Judge the marks in force, and put new ones in force; in a thread of its own, since many calls are read."""
        rules, now_ns = self._rules.current, self._clock_ns()
        routes = automatic_routes(rules)
        try:
            with self._ledger.reading() as db:
                known, unwanted = markingbook.all_pulled(db), markingbook.dismissed(db)
                judged_now = [_judged(db, rules, one, now_ns) for one in known]
            for before, one in zip(known, judged_now, strict=True):
                if one != before:
                    self._tell(one)
                    self._ledger.submit(partial(markingbook.settle, one=one)).result()
            standing = in_force(judged_now, routes)
            for route in routes - {one.marking.route for one in standing}:
                standing += self._pull(route, judged_now, unwanted, now_ns)
        except LedgerError as error:
            _log.warning("the cache marks in force stay as they are for now: %s", error)
            return
        self._rules.mark(to_text(one.marking for one in standing) if standing else None)

    def _pull(self, route: str, known: Sequence[Pulled], unwanted: frozenset[str], now_ns: int) -> list[Pulled]:
        resting = {one.marking.id for one in known if not may_try(one, now_ns)}
        found = [
            one
            for one in self._advise(route, now_ns)
            if one.marking.id not in resting and one.marking.id not in unwanted
        ]
        for one in found:
            self._tell(one)
            self._ledger.submit(partial(markingbook.put_in_force, one=one)).result()
        return found

    def _tell(self, one: Pulled) -> None:
        marks = ", ".join(map(str, one.marking.marks))
        _log.info(
            "cache marks of %s on %s (%s): %s %s", one.marking.route, one.marking.model, marks, one.state, one.reason
        )


def automatic_routes(rules: Rules) -> set[str]:
    """The routes whose cache Bursar may mark: none while the policy only observes."""
    policy = rules.policy
    if policy is None or policy.mode is not Mode.ENFORCE:
        return set()
    return {route.name for route in policy.routes if route.cache == "auto"}


def in_force(known: Iterable[Pulled], routes: set[str]) -> list[Pulled]:
    """Those that are not taken back, of routes that are still marked; the latest for each route and model."""
    latest = {(one.marking.route, one.marking.model): one for one in known if one.state is not State.TAKEN_BACK}
    return [one for (route, _), one in latest.items() if route in routes]


def may_try(one: Pulled, now_ns: int) -> bool:
    """Whether marks that were in force before may be put in force anew."""
    return one.state is not State.TAKEN_BACK or now_ns - one.at_ns >= REST_NS


def _judged(db: Database, rules: Rules, one: Pulled, now_ns: int) -> Pulled:
    if one.state is State.TAKEN_BACK:
        return one
    since_ns = max(one.at_ns, now_ns - LOOK_BACK_NS)
    name = one.marking.id
    marked, held_out = (costs(markingbook.paid(db, told, since_ns), rules.prices) for told in (name, f"-{name}"))
    return judged(one, marked, held_out, now_ns)
