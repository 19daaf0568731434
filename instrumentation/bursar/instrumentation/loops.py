"""Has this very request been made again and again?"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
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

Digest = bytes
Repeats = tuple[float, ...]
"""When a request was made, by the monotonic clock."""


class Loops:
    """
    How often each request was made on its route, of late.

    What is kept is a keyed hash and instants. Every process counts its own: a loop is nearly always one program's.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seen: OrderedDict[Digest, deque[float]] = OrderedDict()
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def made(self, route: str, body: Mapping[str, Any], now: float) -> Repeats:
        """Count a request made now; the instants at which it was made, this one included."""
        digest = self._digest(route, body)
        with self._lock:
            times = self._seen.setdefault(digest, deque(maxlen=MOST_IN_A_LOOP + 1))
            self._seen.move_to_end(digest)
            times.append(now)
            if len(self._seen) > MEMORY:
                self._seen.popitem(last=False)
            return tuple(times)

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

    def _digest(self, route: str, body: Mapping[str, Any]) -> Digest:
        signs = [route]
        for name in ("model", "system", "tools", "messages"):
            signs.append("\0")
            _note(body.get(name), signs)
        return blake2b("".join(signs).encode("utf-8", "replace"), digest_size=16, key=self._key).digest()


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


def _note(value: Any, signs: list[str]) -> None:
    """Add what tells one value from another, without a walk over all of a long text or conversation."""
    if isinstance(value, str):
        signs.append(f"{len(value)}:")
        if len(value) > 2 * EDGE + SAMPLES:
            value = value[:EDGE] + value[:: len(value) // SAMPLES] + value[-EDGE:]
        signs.append(value)
    elif isinstance(value, _MAPPINGS):
        for name, part in value.items():  # pyright: ignore[reportUnknownVariableType]
            signs.append(str(name))  # pyright: ignore[reportUnknownArgumentType]
            _note(part, signs)
    elif isinstance(value, _LISTS):
        signs.append(f"[{len(value)}")  # pyright: ignore[reportUnknownArgumentType]
        # A long conversation differs from another by how many turns it has, how it begins and how it ends.
        ends = value if len(value) <= 2 * _ENDS else (*value[:_ENDS], *value[-_ENDS:])  # pyright: ignore
        for part in ends:  # pyright: ignore[reportUnknownVariableType]
            _note(part, signs)
    else:
        signs.append(repr(value))


_MAPPINGS, _LISTS = (dict, Mapping), (list, tuple)
"""Made once, and what is common first: this is on every call's path."""
_ENDS = 8
