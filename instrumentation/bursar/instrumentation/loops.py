"""Has this very request been made again and again?"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bursar.instrumentation.errand import Errand
from bursar.policies.amounts import MOST_IN_A_LOOP
from bursar.policies.decision import Action, Decision, Reason
from bursar.policies.policy import Step
from bursar.policies.records import Decided
from bursar.policies.standing import Standing, Survey

MEMORY = 2_048
"""Requests remembered; beyond that the one that was made longest ago is forgotten."""
EDGE, SAMPLES = 1_024, 256
"""Of a long text its edges, and so many signs in between, are looked at: two long texts that agree in these are one."""

Fingerprint = int
Repeats = tuple[float, ...]
"""When a request was made, by the monotonic clock."""


class Loops:
    """
    How often each request was made on its route, of late.

    What is kept is a hash, by the interpreter's key of this process, and instants. Every process counts its own: a loop
    is nearly always one program's.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[Fingerprint, Repeats] = OrderedDict()
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def made(self, route: str, body: Mapping[str, Any], now: float) -> Repeats:
        """Count a request made now; the instants at which it was made, this one included."""
        fingerprint = fingerprint_of(route, body)
        with self._lock:
            seen = self._seen
            before = seen.pop(fingerprint, None)
            times = (now,) if before is None else (*before[-MOST_IN_A_LOOP:], now)
            seen[fingerprint] = times  # behind all others
            if before is None and len(seen) > MEMORY:
                seen.popitem(last=False)
        return times

    def is_news(self, balance: str, step: str, now: float, seconds: float) -> bool:
        """Whether nobody was told of this step for as long as it looks back; from now on somebody was."""
        with self._lock:
            before = self._told.get((balance, step))
            if before is not None and now - before < seconds:
                return False
            self._told[balance, step] = now
            if len(self._told) > MEMORY:
                self._told.popitem(last=False)
        return True


def fingerprint_of(route: str, body: Mapping[str, Any]) -> Fingerprint:
    """
    What tells one request of a route from another.

    Python's own hash: 64 bits by a key that other processes do not know, and a text remembers its own, so that what an
    application says again in every call is hashed once.
    """
    signs: list[Any] = [route]
    for name in _COMPARED:
        _note(body.get(name), signs)
    return hash(tuple(signs))


_COMPARED = ("model", "system", "tools", "messages")
"""Another temperature does not make another request."""


def looped(standing: Standing, repeats: Repeats) -> Iterator[Step]:
    """The steps of a budget which take the last of these requests for part of a loop."""
    for step in standing.budget.loops:
        if step.loop is not None and sum(repeats[-1] - at <= step.loop.seconds for at in repeats) > step.loop.times:
            yield step


def with_loops(survey: Survey, repeats: Repeats) -> Survey:
    """What a call that was made again and again meets: steps at a loop that are reached by this alone."""
    found = [tuple(step.label for step in looped(standing, repeats)) for standing in survey.standings]
    if not any(found):
        return survey
    pairs = zip(survey.standings, found, strict=True)
    return Survey((replace(standing, looping=labels) for standing, labels in pairs), survey.rules)


def seconds_of(step: Step) -> float:
    """How long a step at a loop looks back."""
    return step.loop.seconds if step.loop is not None else 0.0


def loop_record(errand: Errand, decision: Decision, standing: Standing, step: Step) -> Decided:
    """What the agent is told of a loop that goes on: it tells those who are to hear of it."""
    return Decided(
        call_id=errand.attempt_id,
        at_ns=errand.at_ns,
        route=errand.route,
        model=decision.candidate.model,
        action=Action.GO.value,
        reason=Reason.LOOP.value,
        labels=errand.labels,
        decision={"budget": standing.budget.name, "balance": standing.key, "step": step.label},
    )


def _note(value: Any, signs: list[Any]) -> None:
    """
    Add what tells one value from another, without a walk over all of a long text or conversation.

    What is common first, and by identity: this is on every call's path.
    """
    kind: type[Any] = type(value)  # pyright: ignore
    if value is None or (kind is str and len(value) <= _WHOLE):
        signs.append(value)
    elif kind is str:
        signs.append(len(value))
        signs.append(value[:EDGE] + value[:: len(value) // SAMPLES] + value[-EDGE:])
    elif kind is dict or isinstance(value, Mapping):
        signs.append(len(value))  # pyright: ignore[reportUnknownArgumentType]
        for name, part in value.items():  # pyright: ignore[reportUnknownVariableType]
            signs.append(name)  # pyright: ignore[reportUnknownArgumentType]
            if type(part) is str and len(part) <= _WHOLE:  # pyright: ignore
                signs.append(part)
            else:
                _note(part, signs)
    elif kind is list or isinstance(value, (list, tuple)):
        signs.append(_LIST + len(value))  # pyright: ignore[reportUnknownArgumentType]
        # A long conversation differs from another by how many turns it has, how it begins and how it ends.
        for part in value if len(value) <= 2 * _ENDS else (*value[:_ENDS], *value[-_ENDS:]):  # pyright: ignore
            _note(part, signs)
    elif isinstance(value, str):
        _note(str.__str__(value), signs)
    else:
        signs += (kind, repr(value))  # numbers that differ may have one hash, and a text may read as one


_WHOLE = 2 * EDGE + SAMPLES
_ENDS = 8
_LIST = 1 << 32
"""More than any mapping has entries."""
