"""What do the accounts advise beside caching: batches, shorter answers, less waste, more coverage?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from sqlite_utils import Database

from bursar.agent.advice.batching import Batching
from bursar.agent.advice.coverage import Coverage
from bursar.agent.advice.interval import observed
from bursar.agent.advice.recommendation import Recommendation
from bursar.agent.advice.verbosity import Verbosity
from bursar.agent.advice.waste import wasted
from bursar.agent.ledger.overridebook import latest_rules
from bursar.agent.ledger.pastattempts import past_attempts
from bursar.agent.ledger.wastebook import waste
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.prices import PriceBook

_SECOND = 10**9


def beside_caching(
    db: Database,
    book: PriceBook,
    since_ns: int,
    until_ns: int,
    *,
    route: str | None = None,
    told: Callable[[], object] = lambda: None,
) -> list[Recommendation]:
    """
    Of the calls from one instant to another, in one pass: not ordered. `route` is a glob.

    What is about all routes together is told only where no route is asked for. `told` is called for each attempt read;
    `pastcalls.count` says how many there are. Raises `PolicyError` where the rules in force cannot be read.
    """
    policy = policy_in_force(db)
    batching = Batching(until_ns, may_wait(policy))
    verbosity, coverage = Verbosity(book), Coverage([one.name for one in policy.routes] if policy else ())
    first_ns = until_ns
    for one in past_attempts(db, since_ns, until_ns):
        told()
        first_ns = min(first_ns, one.at_ns)
        coverage.add(one)
        if route is None or fnmatchcase(one.route, route):
            batching.add(one)
            verbosity.add(one)
    days = observed(first_ns, until_ns)
    at = datetime.fromtimestamp(until_ns // _SECOND, UTC).date()
    lost = (one for one in waste(db, since_ns, until_ns) if route is None or fnmatchcase(one.route, route))
    return [
        *batching.recommendations(book, at, days),
        *verbosity.recommendations(until_ns, days),
        *wasted(lost, days),
        *(coverage.recommendations(days) if route is None else ()),
    ]


def policy_in_force(db: Database) -> Policy | None:
    """The one that a process was told last; None where there was none. Raises `PolicyError`."""
    rules = latest_rules(db)
    return None if rules is None or rules.policy is None else parse_policy(rules.policy, file=rules.file)


def may_wait(policy: Policy | None) -> frozenset[str]:
    """The routes that it lets wait for a batch."""
    routes = () if policy is None else policy.routes
    return frozenset(one.name for one in routes if one.may_wait_seconds)
