"""What becomes of a call while the agent is away: refused, let go, or paid out of what was set aside for that?"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

from bursar.instrumentation.leases import Leases
from bursar.policies.balancekey import Amounts, reserve_of
from bursar.policies.decision import Decision, Reason
from bursar.policies.engine import refused
from bursar.policies.policy import Policy

SHARES = 16
"""So many calls at once can live on what is set aside: each is fitted to that part of it."""
POLL_SECONDS = 0.02
"""How often a call that waits for others to settle looks again."""


def without_agent(policy: Policy, decision: Decision) -> tuple[Decision, tuple[str, ...]]:
    """
    What becomes of a call that nobody answered: it is refused, or goes on over the reserves that are named.

    Refused by the first budget that is closed, or limited in another unit than money: an allowance is an amount in USD.
    """
    drawn: list[str] = []
    for standing in decision.standings:
        choice = standing.budget.on_unreachable or policy.on_unreachable
        if standing.key not in decision.hard or choice.kind == "open":
            continue
        if choice.kind == "closed" or standing.budget.limit.unit != "usd":
            return refused(decision, Reason.UNREACHABLE, standing.key), ()
        drawn += map(reserve_of, standing.purses)
    return replace(decision, verdict=replace(decision.verdict, reason=Reason.UNREACHABLE)), tuple(drawn)


def allowed(decision: Decision, free: int) -> Amounts:
    """
    What a call draws of a reserve that has so much free: all it may need where there is plenty, else a share.

    Never less than it cannot do without, whether that is there or not.
    """
    usd = min(decision.most, max(decision.least, free // SHARES))
    return Amounts(usd, decision.candidate.worst_tokens, 1, min(decision.candidate.expected, usd))


def draw(
    leases: Leases, attempt_id: str, decision: Decision, reserves: tuple[str, ...], *, over: Callable[[], bool]
) -> Generator[float, object, Amounts | str]:
    """
    Hold money in all of these reserves: what is held, or the one that has too little.

    It yields so many seconds to wait for while calls in flight hold some of it, until it is `over`.
    """
    while True:
        lent = allowed(decision, min(map(leases.free, reserves)))
        if leases.hold(attempt_id, reserves, lent):
            return lent
        if over() or not leases.in_flight(reserves):
            return min(reserves, key=leases.free)
        yield POLL_SECONDS
