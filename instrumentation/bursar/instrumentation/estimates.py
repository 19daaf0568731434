"""What have the answers of a route been like so far: how long, and how many tokens for a byte that was asked?"""

from __future__ import annotations

import math
import threading
from collections import deque
from functools import lru_cache
from typing import NamedTuple, TypeVar

from bursar.policies.estimate import Density
from bursar.policies.learnt import Outputs, Ratios
from bursar.policies.models import canonical
from bursar.policies.moving import Lengths

MEMORY = 512
"""Routes and models that are remembered; beyond that those unused for the longest are forgotten."""

K = TypeVar("K")
T = TypeVar("T")
Key = tuple[str, str]


class Likely(NamedTuple):
    """What is known of the calls of a route on a model; for the first two see `Estimates.outputs`."""

    output: int | None
    longest: int | None
    density: Density


class Estimates:
    """
    What is learnt per route and model, one model under each of its names.

    A route of which too little is known borrows from the one above it, `support` for `support.triage`, and that from
    all that the model answered.
    """

    def __init__(self) -> None:
        self._outputs: dict[Key, Outputs] = {}
        self._ratios: dict[Key, Ratios] = {}
        self._lengths: dict[str, Lengths] = {}
        self._told: dict[tuple[str, str, bool], Likely] = {}
        """What was told since it last may have changed."""
        self._lock = threading.RLock()  # a destructor may settle an attempt while this thread reads

    def learn(self, route: str, model: str, output_tokens: int, *, prompt_tokens: int = 0, text_bytes: int = 0) -> None:
        """Count one finished answer, and what the prompt of so many bytes came to, where that is known."""
        name, other = canonical(model).id, False
        with self._lock:
            for above in _upwards(route):
                key = (above, name)
                other |= _of(self._outputs, key, Outputs).add(output_tokens)
                if text_bytes:
                    other |= _of(self._ratios, key, Ratios).add(prompt_tokens, text_bytes)
            if other:
                self._told.clear()

    def likely(self, route: str, model: str, *, new_tokenizer: bool) -> Likely:
        """All that is told of a route's calls on a model: each call asks, and what it is told changes seldom."""
        key = (route, model, new_tokenizer)
        told = self._told.get(key)
        if told is not None:
            return told
        with self._lock:
            density = self.density(route, model, new_tokenizer=new_tokenizer)
            if len(self._told) >= MEMORY:
                self._told.clear()
            told = self._told[key] = Likely(*self.outputs(route, model), density)
        return told

    def outputs(self, route: str, model: str) -> tuple[int | None, int | None]:
        """
        Output tokens that nearly all answers stay within (95%), and that all but none do (99.9%).

        None while nothing is known; more than any request allows while answers are not what they were.
        """
        name = canonical(model).id
        with self._lock:
            for above in _upwards(route):
                known = self._outputs.get((above, name))
                if known is not None and known.enough:
                    return known.quantile(0.95), known.quantile(0.999)
        return None, None

    def density(self, route: str, model: str, *, new_tokenizer: bool) -> Density:
        """The tokens that a prompt of this route likely has for a byte."""
        name = canonical(model).id
        with self._lock:
            for above in _upwards(route):
                known = self._ratios.get((above, name))
                if known is not None and known.enough:
                    return known.density()
        return Density.cold(new_tokenizer=new_tokenizer)

    def came(self, route: str, turns: int) -> None:
        """Count a call that comes so far into its conversation."""
        with self._lock:
            _of(self._lengths, route, Lengths).add(turns)

    def to_come(self, route: str, turns: int) -> int | None:
        """How many calls a conversation has to come, this one included; None where that is unknown."""
        with self._lock:
            known = self._lengths.get(route)
            return None if known is None else known.to_come(turns)


class Durations:
    """How long the calls of this process take, from when they leave until it is known what they cost."""

    LATEST = 32
    UNKNOWN_SECONDS = 2.0
    """Before any call was seen: most settle within this."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=self.LATEST)

    def add(self, seconds: float) -> None:
        """One call is over."""
        self._latest.append(seconds)

    @property
    def usual(self) -> float:
        """The median of the latest, in seconds, to the tenth above."""
        latest = sorted(self._latest)
        return math.ceil(latest[len(latest) // 2] * 10) / 10 if latest else self.UNKNOWN_SECONDS


def _of(known: dict[K, T], key: K, new: type[T]) -> T:
    found = known.pop(key, None)
    if found is None:
        if len(known) >= MEMORY:
            known.pop(next(iter(known)))
        found = new()
    known[key] = found  # behind all others: the one that was not used for the longest goes first
    return found


@lru_cache(maxsize=MEMORY)
def _upwards(route: str) -> tuple[str, ...]:
    """A route, those above it by its dots, and at last all routes."""
    routes: list[str] = []
    while route:
        routes.append(route)
        route = route.rpartition(".")[0]
    return (*routes, "")
