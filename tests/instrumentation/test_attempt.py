"""An attempt's last word: in the journal before anything else happens by it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.leases import Hold, Leases
from bursar.policies.balancekey import Amounts
from bursar.policies.pricefile import shipped_book
from bursar.policies.records import Record, Released, Settled

MODEL = "claude-haiku-5-5"
ERRAND = Errand("a1", "desk", {}, {"model": MODEL}, 1_795_262_400 * 10**9)


def ignore(*_: object) -> None:
    """Nobody listens."""


def ignore_all(*_: object, **__: object) -> None:
    """Nobody learns."""


def told(attempt: Attempt) -> None:
    attempt.told({"model": MODEL, "usage": {"input_tokens": 30, "output_tokens": 2}}, {})


def unanswered(attempt: Attempt) -> None:
    attempt.settle()


def failed(attempt: Attempt) -> None:
    attempt.release("status 529")


@pytest.mark.parametrize(("end", "kind"), [(told, Settled), (unanswered, Settled), (failed, Released)])
def test_money_is_free_only_once_the_journal_says_why(end: Callable[[Attempt], None], kind: type[Record]) -> None:
    """Killed in between, it would count at its bound, beside what others had been lent of it meanwhile."""
    leases = Leases()
    leases.merge({"day": 100_000}, {"a1": Hold(("day",), Amounts(usd=100_000))})
    free: list[tuple[type[Record], int]] = []

    def keep(record: Record) -> None:
        free.append((type(record), leases.free("day")))

    runtime = SimpleNamespace(
        leases=leases,
        record=keep,
        rules=SimpleNamespace(book=shipped_book()),
        guard=SimpleNamespace(estimates=SimpleNamespace(learn=ignore_all), durations=SimpleNamespace(add=ignore)),
    )
    call: Any = SimpleNamespace(
        runtime=runtime,
        id="c1",
        work=SimpleNamespace(route="desk", labels={}),
        requested_model=MODEL,
        region=None,
        stage=None,
        show=ignore,
        charged=ignore,
    )
    attempt = Attempt(call, ERRAND, MODEL, Admission(("day",), ("day",), 100_000))
    end(attempt)
    end(attempt)
    assert free == [(kind, 0)], "told once, and before the hold was let go"
    assert not leases.holding
