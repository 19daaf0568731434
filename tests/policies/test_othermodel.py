"""Another model: what the same work would have cost there."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from bursar.policies.othermodel import NEWER, scaled, tokenizer_factor, transposed
from bursar.policies.prices import shipped_book
from bursar.policies.usage import Usage

BOOK = shipped_book()
DAY = date(2026, 11, 21)
HAIKU, OPUS = "claude-haiku-5-5", "claude-opus-5-5"
# Opus 5.5, USD per MTok: 4 in, 0.20 read, 5 and 8 written, 20 out; a search is 0.01 USD.
USAGE = Usage(input=1_000, cache_read=10_000, cache_write_5m=200, cache_write_1h=100, output=50, web_searches=2)
ON_OPUS = 1_000 * 4_000 + 10_000 * 200 + 200 * 5_000 + 100 * 8_000 + 50 * 20_000 + 2 * 10_000_000


@pytest.mark.parametrize(
    ("modifiers", "nano"),
    [
        ((), ON_OPUS),
        (("geo:us",), (ON_OPUS - 20_000_000) * 11 // 10 + 20_000_000),
        (("regional",), (ON_OPUS - 20_000_000) * 11 // 10 + 20_000_000),
        (("batch",), (ON_OPUS - 20_000_000) // 2 + 20_000_000),
        (("fast",), ON_OPUS),
        (("refused",), 0),
        (("linked",), 0),
    ],
)
def test_usage_is_priced_at_the_other_model_s_rates(modifiers: tuple[str, ...], nano: int) -> None:
    """What cost more on the one costs more on the other; what was free is free; each model has a speed of its own."""
    found = transposed(USAGE, of=HAIKU, to=OPUS, at=DAY, book=BOOK, modifiers=modifiers)
    assert (found.quote.cost_nano_usd, found.tokenizer_factor) == (nano, Fraction(1))


def test_each_length_has_its_own_price() -> None:
    """A prompt of 100,001 tokens is in Haiku's dearer tier (0.50 and 2.50 USD per MTok), one of 100,000 is not."""
    long = transposed(Usage(input=100_001, output=10), of=OPUS, to=HAIKU, at=DAY, book=BOOK)
    short = transposed(Usage(input=100_000, output=10), of=OPUS, to=HAIKU, at=DAY, book=BOOK)
    assert long.quote.cost_nano_usd == 100_001 * 500 + 10 * 2_500
    assert short.quote.cost_nano_usd == 100_000 * 100 + 10 * 500


@pytest.mark.parametrize(
    ("of", "to", "factor"),
    [
        (HAIKU, OPUS, Fraction(1)),
        ("claude-haiku-4-5", OPUS, Fraction(13, 10)),
        (OPUS, "claude-haiku-4-5", Fraction(10, 13)),
        ("claude-haiku-4-5", "claude-sonnet-4-5", Fraction(1)),
        ("mystery", OPUS, Fraction(1)),
        (OPUS, "mystery", Fraction(1)),
    ],
)
def test_tokens_are_converted_between_tokenizers(of: str, to: str, factor: Fraction) -> None:
    """Models from 4.7 on count about 30% more; of a model that is not known nothing is presumed."""
    assert tokenizer_factor(of, to, BOOK) == factor


def test_another_tokenizer_makes_more_tokens_and_as_many_searches() -> None:
    """1,300 in and 13 out of 1,000 and 10; searches are requests."""
    found = transposed(Usage(input=1_000, output=10, web_searches=1), of="claude-haiku-4-5", to=OPUS, at=DAY, book=BOOK)
    assert found.quote.cost_nano_usd == 1_300 * 4_000 + 13 * 20_000 + 10_000_000
    assert found.tokenizer_factor == Fraction(13, 10)


def test_a_model_without_a_price_has_no_cost() -> None:
    """Unknown, and never zero."""
    assert transposed(USAGE, of=HAIKU, to="mystery", at=DAY, book=BOOK).quote.cost_nano_usd is None


@pytest.mark.parametrize("factor", [NEWER, 1 / NEWER, Fraction(1, 2), Fraction(3, 2)])
def test_tokens_are_rounded_half_to_even(factor: Fraction) -> None:
    """As Python rounds a fraction; searches stay as many."""
    for tokens in range(200):
        there = scaled(Usage(input=tokens, output=tokens + 1, web_searches=tokens), factor)
        assert (there.input, there.output) == (round(tokens * factor), round((tokens + 1) * factor))
        assert there.web_searches == tokens
