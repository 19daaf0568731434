"""Past terms: what a charge's modifiers say of its price."""

from __future__ import annotations

from datetime import date

import pytest

from bursar.policies.pastterms import past_rates, past_terms
from bursar.policies.prices import price, shipped_book
from bursar.policies.usage import Part, Usage, UsageReport

DAY = date(2026, 11, 22)
OPUS, HAIKU = "claude-opus-5-5", "claude-haiku-5-5"


@pytest.mark.parametrize(
    ("terms", "output"),
    [
        ({}, 20),
        ({"batch": True}, 10),
        ({"fast": True}, 40),
        ({"region": "us-gov-west-1"}, 24),
        ({"regional": True}, 22),
    ],
)
def test_a_charge_tells_the_terms_that_it_was_priced_under(terms: dict[str, object], output: int) -> None:
    """Opus 5.5: 20 USD a million tokens put out; in a batch half, fast twice, in a region a tenth more."""
    usage = Usage(output=1_000)
    quote = price(UsageReport(usage, (Part(usage),)), model=OPUS, at=DAY, book=shipped_book(), **terms)  # type: ignore[arg-type]
    found = past_rates(OPUS, DAY, quote.modifiers, shipped_book(), prompt_tokens=0)
    assert found is not None
    assert found.output == output * 10**6
    assert quote.cost_nano_usd == found.output


def test_the_length_tier_is_that_of_the_prompt() -> None:
    """Haiku 5.5 costs five times as much above 100,000 tokens."""
    short = past_rates(HAIKU, DAY, (), shipped_book(), prompt_tokens=100_000)
    long = past_rates(HAIKU, DAY, (), shipped_book(), prompt_tokens=100_001)
    assert short is not None and long is not None
    assert (short.output, long.output) == (500_000, 2_500_000)


def test_an_unknown_model_has_no_rates() -> None:
    """None, and never zero."""
    assert past_rates("nobody-knows", DAY, (), shipped_book(), prompt_tokens=0) is None


def test_geography_is_a_term() -> None:
    """As the response reports it."""
    assert past_terms(OPUS, DAY, ("geo:us",)) == (OPUS, DAY, False, False, "us", None, False)
