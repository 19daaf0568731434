"""Is what the advice says it would save what the bill then shows?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlite_utils import Database
from tests.savings.books import ledger
from tests.savings.placing import marked
from tests.savings.prints import Blur
from tests.savings.stage import Played, play
from tests.savings.workload import Workload

from bursar.agent.sandbox import Refresh
from bursar.policies.cachemarks import Mark

MOST_ERROR = 0.02
"""Of what was saved."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is advised for one model: all the marks of its requests, and what they would have saved."""

    marks: tuple[Mark, ...]
    saving: int
    """Nano-dollars over the whole day."""


Adviser = Callable[[Database, Workload, Refresh], Mapping[str, Advice]]
"""Reads a ledger, and advises by model, under one reading of what a hit refreshes; nothing where it stays as it is."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One day, played as it was and as advised. Nano-dollars."""

    name: str
    refresh: Refresh
    calls: int
    left_out: frozenset[int]
    """Numbers of requests that the sandbox does not serve."""
    bill: int
    predicted: int
    realised: int
    marks: Mapping[str, tuple[Mark, ...]]
    """By model."""
    broken: tuple[str, ...] = ()
    """What was refused only as advised."""

    @property
    def error(self) -> float:
        """The share of what was saved by which the prediction is off; endless where nothing was saved."""
        off = abs(self.predicted - self.realised)
        if not off:
            return 0.0
        return off / abs(self.realised) if self.realised else float("inf")

    @property
    def holds(self) -> bool:
        """Whether the prediction is as good as it has to be."""
        return not self.broken and self.error <= MOST_ERROR


def prove(day: Workload, refresh: Refresh, adviser: Adviser, blur: Blur | None = None) -> Proof:
    """Play a day, have its ledger read and advice given, play it again by the advice."""
    before = play(day.asks, refresh)
    with ledger(day, before, blur or Blur()) as db:
        advised = adviser(db, day, refresh)
    after = play(_as_advised(day, before, advised).asks, refresh) if advised else before
    return Proof(
        name=day.name,
        refresh=refresh,
        calls=len(day.asks),
        left_out=frozenset(before.refused),
        bill=before.bill,
        predicted=sum(one.saving for one in advised.values()),
        realised=before.bill - after.bill,
        marks={model: one.marks for model, one in advised.items()},
        broken=tuple(after.refused[number] for number in sorted(after.refused.keys() - before.refused)),
    )


def _as_advised(day: Workload, played: Played, advised: Mapping[str, Advice]) -> Workload:
    asks = list(day.asks)
    for number, charge in played.charges.items():
        advice = advised.get(charge.model)
        if advice is not None:
            asks[number] = replace(asks[number], body=marked(asks[number].body, advice.marks))
    return replace(day, asks=tuple(asks))
