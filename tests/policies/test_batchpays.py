"""Claims about when a batch is cheaper than calls that wait, with figures that can be done by hand."""

from __future__ import annotations

import math

import pytest

from bursar.policies.batchpays import Kind, Used, compare, pays, ratio

HOUR = 3_600.0


def warm(u: int, o: int, *, calls: int = 10, prefix: int = 1_000) -> Used:
    """Calls that always find their prefix in the cache."""
    return Used(calls, input=calls * u, cache_read=calls * prefix, output=calls * o)


def test_without_a_cache_it_always_pays() -> None:
    """No prefix, no cold cache: half is half, 100 + 5 x 50 = 350 against 175."""
    found = compare(Kind(Used(10, input=1_000, output=500)))
    assert found is not None
    assert (found.waiting, found.batch, found.externality) == (350.0, 175.0, 0.0)
    assert found.pays


@pytest.mark.parametrize(("rest", "answer"), [(800, False), (799, False), (801, True)])
def test_warm_calls_against_an_uncached_batch(rest: int, answer: bool) -> None:
    """
    With r = 0.1 and a prefix of 1,000 read by every call, a batch whose writes cost 1 pays from u + 5 o = 800 on.

    Algorithms.md, section 5: 0.8 of the prefix. A batch that reads nothing and writes all at 1.25 (here: 1,000 of
    which 0.8 is written) costs 1 a token.
    """
    batched = Used(10, cache_write_5m=8_000, cache_read=0, input=0)
    # 8,000 x 1.25 over 8,000 tokens is 1.25; beside 1,000 reads at 0.1 the mean is (8000 x 1.25 + x 0.1) / (8000 + x).
    x = 8_000 * (1.25 - 1.0) / (1.0 - 0.1)
    batched = Used(10, cache_write_5m=8_000 * 9, cache_read=round(x * 9), input=0)
    kind = Kind(warm(rest, 0), batched, seconds=1e12)
    found = compare(kind)
    assert found is not None
    assert found.waiting == pytest.approx(100 + rest)
    assert found.batch == pytest.approx((1_000 + rest) / 2)
    assert found.pays is answer


def test_the_usual_share_of_hits_where_no_batch_is_known() -> None:
    """Three in ten are read: 0.3 x 0.1 + 0.7 x 1.25 = 0.905 a token, and 2.0 for 1.25 where the hour is used."""
    found = compare(Kind(warm(0, 0), seconds=1e12))
    assert found is not None
    assert found.batch == pytest.approx(452.5)
    hourly = Used(10, cache_read=9_000, cache_write_1h=1_000)
    found = compare(Kind(hourly, seconds=1e12))
    assert found is not None
    assert found.batch == pytest.approx(1_000 * (0.03 + 0.7 * 2.0) / 2)


def test_those_left_behind_are_counted() -> None:
    """
    At a mean gap of 150 s LT is 2: one call less brings 2 e^-2 misses more, each 1.15 a token of the prefix dearer.
    """
    calls = 24
    found = compare(Kind(warm(2_000, 0, calls=calls), seconds=HOUR))
    assert found is not None
    assert found.externality == pytest.approx(2 * math.exp(-2) * 1_000 * 1.15)
    # 100 + 2,000 waiting; (905 + 2,000) / 2 = 1,452.5 in a batch, and 311 more for the others.
    assert found.pays
    assert not pays(Kind(warm(1_000, 0, calls=calls), seconds=HOUR))
    assert pays(Kind(warm(1_000, 0, calls=calls), seconds=1e12))


def test_too_little_is_known_of_four_calls() -> None:
    """Then a batch is taken to pay."""
    assert compare(Kind(warm(0, 0, calls=4))) is None
    assert pays(Kind(warm(0, 0, calls=4)))
    assert not pays(Kind(warm(0, 0, calls=5)))


def test_ratio() -> None:
    """One price over another, or the usual one where there is none."""
    assert ratio(5, 50, 9.0) == 0.1
    assert ratio(5, 0, 9.0) == 9.0
