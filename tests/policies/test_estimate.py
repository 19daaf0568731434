"""Estimate: a bound in money, and an expectation that learns."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.policies.book import Rates
from bursar.policies.estimate import (
    Density,
    OutputHistogram,
    bound,
    expected,
    figures,
    fitted_tokens,
    input_tokens,
)
from bursar.policies.requestsize import RequestSize, counted

TRAFFIC = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "recorded.jsonl.xz"

RATES = Rates(
    input=4_000,
    cache_read=200,
    cache_write_5m=5_000,
    cache_write_1h=8_000,
    output=20_000,
    web_search=10_000_000_000,
)
"""Nano-dollars a token would be these over 1,000: 4 for input, 20 for output; 10,000,000 for a search."""
SIZE = RequestSize(
    text_bytes=900,
    fixed_tokens=100,
    max_tokens=500,
    marks=0,
    hour_marks=False,
    turns=0,
    searches=0,
    unbounded=(),
)


def test_a_prompt_that_no_cache_takes_costs_plain_input() -> None:
    """Marked or not, warm or not."""
    plain = expected(replace(SIZE, marks=0), RATES, output_tokens=50, warm=False)
    marked = replace(SIZE, marks=2, hour_marks=True)
    for warm in (True, False):
        assert expected(marked, RATES, output_tokens=50, warm=warm, cached=False) == plain
    assert expected(marked, RATES, output_tokens=50, warm=False) > plain


@pytest.mark.parametrize(
    ("changes", "nano"),
    [
        ({}, 1_000 * 4 + 500 * 20),
        ({"marks": 1}, 1_000 * 5 + 500 * 20),
        ({"marks": 2, "hour_marks": True}, 1_000 * 8 + 500 * 20),
        ({"searches": 2}, 1_000 * 4 + 500 * 20 + 2 * 10_000_000),
    ],
)
def test_the_bound_is_input_at_the_dearest_rate_and_all_of_the_output(changes: dict[str, Any], nano: int) -> None:
    """900 bytes and 100 tokens in, 500 out; with cache marks the dearest write that they allow."""
    assert bound(replace(SIZE, **changes), RATES) == nano


def test_a_bound_with_marks_is_never_below_plain_input() -> None:
    """Where a price file makes writing cheaper than reading anew."""
    assert bound(replace(SIZE, marks=1), replace(RATES, cache_write_5m=1)) == 1_000 * 4 + 500 * 20


def test_the_bound_takes_another_limit_and_rounds_up() -> None:
    """1,000 tokens in at 1 pico-dollar and 1 out at 20,000: 21 nano-dollars; one more pico-dollar makes 22."""
    cheap = replace(RATES, input=1)
    assert bound(SIZE, cheap, max_tokens=1) == 21
    assert bound(replace(SIZE, text_bytes=901), cheap, max_tokens=1) == 22
    assert bound(SIZE, cheap, max_tokens=0) == 1


@given(
    amount=st.integers(0, 10**12),
    text=st.integers(0, 10**6),
    marks=st.integers(0, 2),
    hour=st.booleans(),
    rate=st.integers(1, 200_000),
)
def test_fitted_tokens_are_the_most_that_the_amount_bounds(
    amount: int, text: int, marks: int, hour: bool, rate: int
) -> None:
    """With them the bound stays within the amount, and with one more it does not."""
    size = replace(SIZE, text_bytes=text, marks=marks, hour_marks=hour, searches=1)
    rates = replace(RATES, output=rate)
    tokens = fitted_tokens(size, rates, amount)
    assert bound(size, rates, max_tokens=tokens) <= amount < bound(size, rates, max_tokens=tokens + 1)


def test_fitted_tokens_of_a_free_model_do_not_divide_by_zero() -> None:
    """A price file may say that output is free."""
    assert fitted_tokens(SIZE, Rates(0, 0, 0, 0, 0), 5) == 5_000


def test_all_figures_at_once_are_those_of_each_by_itself() -> None:
    """With and without marks, searches, a cache that is warm or not to be had, a cut that lowers nothing."""
    density = Density(0.5)
    for marks, hour, searches, warm, cached, floor in itertools.product(
        (0, 2), (False, True), (0, 3), (False, True), (False, True), (100, 500, 900)
    ):
        size = replace(SIZE, marks=marks, hour_marks=hour, searches=searches)
        found = figures(size, RATES, tokens=density.tokens(size), output=70, floor=floor, warm=warm, cached=cached)
        assert found == (
            bound(size, RATES),
            bound(size, RATES, max_tokens=min(floor, size.max_tokens)),
            expected(size, RATES, output_tokens=70, density=density, warm=warm, cached=cached),
        )


@pytest.mark.parametrize(
    ("changes", "warm", "nano"),
    [
        ({}, False, 460 * 4 + 50 * 20),
        ({}, True, 460 * 4 + 50 * 20),
        ({"marks": 1}, False, 460 * 5 + 50 * 20),
        ({"marks": 1, "hour_marks": True}, False, 460 * 8 + 50 * 20),
        ({"marks": 1}, True, 460 * 200 // 1_000 + 50 * 20),
        ({"max_tokens": 20}, False, 460 * 4 + 20 * 20),
    ],
)
def test_the_expectation_reads_a_warm_cache_and_never_more_than_max_tokens(
    changes: dict[str, Any], warm: bool, nano: int
) -> None:
    """900 bytes at 0.4 tokens each and 100 fixed are 460 tokens; 50 come back."""
    assert expected(replace(SIZE, **changes), RATES, output_tokens=50, warm=warm) == nano


@pytest.mark.parametrize(("ratio", "tokens"), [(0.4, 460), (0.4005, 461), (1.0, 1_000), (2.0, 1_000)])
def test_expected_input_is_rounded_up_and_never_above_its_bound(ratio: float, tokens: int) -> None:
    """900 bytes and 100 tokens."""
    assert input_tokens(SIZE, Density(ratio)) == tokens


def test_what_was_learnt_is_of_the_whole_prompt() -> None:
    """Frames and images do not come on top; and a prompt that was counted has as many tokens as it has."""
    assert input_tokens(SIZE, Density(0.2, whole=True)) == 180
    assert input_tokens(counted(SIZE, 200), Density(0.2, whole=True)) == 266


def test_no_quantile_below_59_answers() -> None:
    """The upper bound of a 95th percentile does not exist before."""
    histogram = OutputHistogram()
    for _ in range(58):
        histogram.add(100)
        assert histogram.quantile(0.95) is None
    histogram.add(100)
    assert histogram.quantile(0.95) == 107  # 2^(53/8) is 98.7 and 2^(54/8) is 107.6


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("seed", range(5))
def test_quantiles_err_upwards_by_at_most_a_bucket(share: float, seed: int) -> None:
    """On log-normal outputs, median 350: at most 2^(1/8) - 1, which is 9.1 %."""
    source = random.Random(seed)
    values = [max(1, round(350 * math.exp(source.gauss(0, 1)))) for _ in range(500)]
    histogram = OutputHistogram()
    for value in values:
        histogram.add(value)
    exact = weighted_quantile(values, share)
    found = histogram.quantile(share)
    assert found is not None
    assert exact <= found <= exact * 1.0906


def weighted_quantile(values: list[int], share: float) -> int:
    """The exact quantile under a half-life of 500."""
    weights = sorted((value, 2 ** (position / 500)) for position, value in enumerate(values))
    rest = share * sum(weight for _, weight in weights)
    for value, weight in weights:
        rest -= weight
        if rest <= 0:
            return value
    return weights[-1][0]


@pytest.mark.parametrize("tokens", [0, 1, 2, 3, 7, 128, 1_000, 64_000, 128_000])
def test_a_value_lies_in_its_bucket(tokens: int) -> None:
    """The edge is never below it, and within 9.1 % of it."""
    histogram = OutputHistogram()
    for _ in range(59):
        histogram.add(tokens)
    for share in (0.5, 1.0):
        found = histogram.quantile(share)
        assert found is not None
        assert max(tokens, 1) <= found <= max(tokens, 1) * 1.0906


def test_drift_is_followed() -> None:
    """Outputs four times as long: after 1,000 calls the 95th percentile covers 93 to 97 % of them again."""
    source = random.Random(1)

    def draw(median: int) -> int:
        return round(median * math.exp(source.gauss(0, 0.5)))

    histogram = OutputHistogram()
    for _ in range(5_000):
        histogram.add(draw(350))
    for _ in range(1_000):
        histogram.add(draw(1_400))
    p95 = histogram.quantile(0.95)
    assert p95 is not None
    later = [draw(1_400) for _ in range(2_000)]
    assert 0.93 <= sum(value <= p95 for value in later) / 2_000 <= 0.97


def test_weights_never_overflow() -> None:
    """After 30,000 calls, of which the last 100 are long, the median is still the short one."""
    histogram = OutputHistogram()
    for _ in range(30_000):
        histogram.add(128)
    for _ in range(100):
        histogram.add(1_024)
    assert (histogram.quantile(0.5), histogram.quantile(0.99)) == (128, 1_024)
