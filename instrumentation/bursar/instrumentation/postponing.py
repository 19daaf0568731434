"""What does a call go through that is to be put off, until the agent has it on its disk or will not take it?"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from bursar.instrumentation.asking import Deferred
from bursar.instrumentation.candidates import Candidates
from bursar.instrumentation.errand import Errand
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.rules import Rules
from bursar.policies.decision import Decision
from bursar.policies.deferral import Offer, Outcome, Taken, WithdrawRequest
from bursar.policies.unbatched import Unbatched


@dataclass(frozen=True, slots=True)
class Offering:
    """What an admission waits for where the agent is offered a call."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class Looking:
    """The same where the agent is asked whether it has a piece of work already."""

    ids: tuple[str, ...]


Found = tuple[Outcome, ...]
Replied = Taken | Found | Unreachable


class Counter(Protocol):
    """Where calls are offered, looked for and taken back. Each raises `Unreachable`."""

    def offer(self, offer: Offer) -> Taken: ...

    def look(self, ids: tuple[str, ...]) -> Found: ...

    def give_up(self, request: WithdrawRequest) -> None:
        """Say so as soon as it can be said; never raises."""
        ...


def rejoined(errand: Errand, rules: Rules) -> Generator[Looking, object, Deferred | None]:
    """The deferral of this very piece of work, where the application named it by a key and it was put off before."""
    deferring = errand.deferring
    if deferring is None or not deferring.key or deferring.obstacle(errand, rules):
        return None
    reply = yield Looking(deferring.names(errand))
    if not isinstance(reply, tuple):
        return None
    found: Found = reply  # pyright: ignore[reportUnknownVariableType] - what a look is answered with
    deferring.known = {outcome.id: outcome for outcome in found}
    return deferring.rejoined(errand, rules)


def offered(
    errand: Errand, rules: Rules, decision: Decision, weighed: Candidates
) -> Generator[Offering, object, Deferred | None]:
    """The agent has it; None: it cannot be put off, and is to be judged anew."""
    deferring = errand.deferring
    assert deferring is not None  # else nobody could have decided so
    offer = deferring.offer(errand, rules, decision, weighed)
    if offer is None:
        return None
    reply = yield Offering(offer)
    if isinstance(reply, Taken) and reply.accepted:
        lasting = deferring.asked or bool(deferring.key)
        return Deferred(reply.id or offer.id, errand.at_ns, offer.due_ns, lasting)
    deferring.close(reply.reason if isinstance(reply, Taken) and reply.reason else Unbatched.UNREACHABLE)
    return None


def carried(counter: Counter | None, step: Offering | Looking) -> Replied:
    """Take a step to the agent. Blocks; never raises `Unreachable`."""
    if counter is None:
        return Unreachable("no agent is configured")
    try:
        return counter.offer(step.offer) if isinstance(step, Offering) else counter.look(step.ids)
    except Unreachable as error:
        return error.with_traceback(None)
