"""Whether anybody waits: each sign by a history that shows it and nothing stronger."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from tests.agent.advice.past import DAY, NOON, SECOND, past

from bursar.agent.advice.waiting import Memory, Sign, Waits
from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.policies.usage import Usage


def job(calls: int = 30, every: float = 1.5, days: int = 2, **changes: Any) -> list[PastAttempt]:
    """At noon, on two days, one call after the other, half a second behind the answer."""
    return [past(NOON + day * DAY + place * every, **changes) for day in range(days) for place in range(calls)]


def around_the_clock(hours: Iterable[int], every: float = 2.0, calls: int = 5) -> list[PastAttempt]:
    """In each of these hours of one day some calls, one after the other."""
    return [past(NOON + hour * 3_600 + place * every) for hour in hours for place in range(calls)]


def seen(calls: Iterable[PastAttempt]) -> Waits:
    waits = Waits(Memory())
    for call in calls:
        waits.add(call)
    return waits


def mixed(share: int, **changes: Any) -> list[PastAttempt]:
    """A job of a hundred calls, so many of which differ."""
    return [one._replace(**changes) if place < share else one for place, one in enumerate(job(50))]


GROWS = [one._replace(usage=Usage(input=1_000 + 100 * place, output=100)) for place, one in enumerate(job())]
TALKS = [
    one._replace(conversation=str(place // 2), usage=Usage(input=1_000 + 50 * (place % 2), output=100))
    for place, one in enumerate(job())
]
AGAIN = [one._replace(conversation="c") for one in job()]
ALONE = [one._replace(conversation=str(place)) for place, one in enumerate(GROWS)]


@pytest.mark.parametrize(
    ("calls", "sign"),
    [
        (job(9), Sign.FEW),
        (job(), Sign.CLOCKWORK),
        (mixed(2, streamed=True), Sign.STREAMED),
        (mixed(1, streamed=True), Sign.CLOCKWORK),
        (mixed(2, staged=True), Sign.STAGED),
        (TALKS, Sign.GOES_ON),
        (AGAIN, Sign.CLOCKWORK),
        (GROWS, Sign.GROWING),
        (ALONE, Sign.CLOCKWORK),
        (job(usage=Usage(input=1_000)), Sign.CLOCKWORK),
        (job(every=3.5), Sign.PACED),
        (job(every=0.1), Sign.CLOCKWORK),
        (around_the_clock(range(24)), Sign.STEADY),
        (around_the_clock([*range(5), *range(24, 29)]), Sign.DAYTIME),
        (job(days=1), Sign.YOUNG),
        ([one._replace(answered_ns=one.at_ns + 3_600 * SECOND) for one in job()], Sign.UNTIMED),
        ([one._replace(holder=str(place)) for place, one in enumerate(job())], Sign.UNTIMED),
    ],
    ids=[
        "too few",
        "a nightly job",
        "two streams in a hundred",
        "one stream in a hundred",
        "stages of a cascade",
        "conversations of two calls",
        "the same prompt again and again",
        "prompts that grow",
        "prompts that grow, and fingerprints that say otherwise",
        "prompts alike, and no answers",
        "pauses of two and a half seconds",
        "calls side by side",
        "all hours alike",
        "five hours of two days",
        "one day alone is no rhythm",
        "answers heard of an hour late",
        "each call by a process of its own",
    ],
)
def test_a_history_has_its_sign(calls: list[PastAttempt], sign: Sign) -> None:
    """The strongest that it shows."""
    assert seen(calls).sign(may_wait=False) is sign


@pytest.mark.parametrize(
    ("calls", "sign"),
    [(job(every=3.5), Sign.ALLOWED), (mixed(2, streamed=True), Sign.STREAMED), (TALKS, Sign.GOES_ON)],
    ids=["pauses", "streams", "conversations"],
)
def test_a_policy_outweighs_what_only_looks_so(calls: list[PastAttempt], sign: Sign) -> None:
    """But not what is seen for certain."""
    assert seen(calls).sign(may_wait=True) is sign


def test_the_busiest_hours_may_go_over_midnight() -> None:
    """Hours 23, 0 and 1."""
    assert seen(around_the_clock([11, 12, 13])).busiest() == 1
