"""Batches: worth half of what waits, less what the cache would have saved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

import pytest
from tests.agent.advice.past import DAY, NOON, SECOND, past
from tests.agent.advice.test_waiting import job, mixed

from bursar.agent.advice.batching import Batching
from bursar.agent.advice.recommendation import Kind, Recommendation, Saving
from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.policies.policyfile import parse_policy
from bursar.policies.prices import shipped_book
from bursar.policies.usage import Usage

END = (NOON + 2 * DAY + DAY // 2) * SECOND
THREE = Fraction(3)


def advised(calls: Iterable[PastAttempt], *, may_wait: Iterable[str] = ()) -> list[Recommendation]:
    batching = Batching(END, frozenset(may_wait))
    for call in calls:
        batching.add(call)
    return list(batching.recommendations(shipped_book(), date(2026, 11, 23), THREE))


def test_a_job_without_a_cache_saves_half() -> None:
    """Thirty calls a day at 0.003 USD: 0.045 of 0.09, on three days alike."""
    (found,) = advised(job(days=3))
    assert (found.kind, found.route, found.advised) == (Kind.BATCH, "digest", True)
    assert found.saving == Saving(45_000_000, 45_000_000, 45_000_000)
    assert 'may_wait = "2h"' in found.snippet and '"0%" = "batch"' in found.snippet
    assert "likely" in found.text and "a few hours of the day" in found.text


def test_the_snippet_is_a_policy() -> None:
    """As far as it goes: the budget is the user's."""
    (found,) = advised(job(days=3))
    routes, steps = found.snippet.split("\n\n")
    text = (
        f'version = 1\nmode = "enforce"\n{routes}\n[[budget]]\nname = "all"\nlimit = "1 USD"\nevery = "day"\n{steps}\n'
    )
    policy = parse_policy(text, file="a.toml")
    assert policy.routes[0].may_wait_seconds == 7_200
    assert policy.puts_off


def test_what_streams_is_never_advised_and_the_reason_said() -> None:
    """However much it would save."""
    (found,) = advised(mixed(2, streamed=True), may_wait=["digest"])
    assert (found.advised, found.saving) == (False, None)
    assert "somebody reads along" in found.text


def test_a_warm_cache_may_be_worth_more_than_a_batch() -> None:
    """
    100,000 tokens read each time and little else: at once 5,000 fresh tokens' worth, in a batch 30% read and the rest
    written, (1,500 + 87,500) / 2.
    """
    warm = [one._replace(usage=Usage(cache_read=100_000, output=10)) for one in job()]
    (found,) = advised(warm)
    assert (found.advised, found.saving) == (False, None)
    assert found.evidence["waiting_each_nano_usd"] == 10_100_000
    assert found.evidence["batch_each_nano_usd"] == 89_050_000


def test_calls_in_batches_are_not_put_off_again() -> None:
    """A route that goes by batches already has nothing to save."""
    assert advised(one._replace(modifiers=("batch",)) for one in job()) == []


def test_bounds_say_nothing() -> None:
    """Nobody saw what these used."""
    assert advised(one._replace(basis="estimate") for one in job()) == []


@pytest.mark.parametrize("model", ["nobody-knows"])
def test_without_a_price_nothing_is_promised(model: str) -> None:
    """And it is said."""
    (found,) = advised(one._replace(model=model) for one in job())
    assert (found.advised, found.saving) == (False, None)
    assert "no price for nobody-knows" in found.text


def test_a_caller_is_named_by_its_code() -> None:
    """A route that nobody named is found by the policy."""
    (found,) = advised(one._replace(route="jobs.nightly:run") for one in job())
    assert 'name = "jobs.nightly.run"\nfind = { code = "jobs.nightly:run" }' in found.snippet


def test_the_last_call_of_the_period_is_in_its_last_day() -> None:
    """Days are counted back from the end: each holds thirty calls, the first one more."""
    batching = Batching(END)
    for call in [past(NOON), *job(days=3)]:
        batching.add(call)
    (found,) = batching.recommendations(shipped_book(), date(2026, 11, 23), THREE)
    assert found.saving is not None
    assert found.saving.mid == 45_500_000
    assert found.saving.low < 45_000_000
