"""What holds for every usage: a cost is linear, counts nothing twice, and steps only at a length tier's mark."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.policies.prices import PriceBook, parse_book, price, rates, shipped_book
from bursar.policies.rates import LABELS
from bursar.policies.usage import Part, Usage, UsageReport, read_report

TODAY = date(2026, 11, 22)
BOOK = shipped_book()
ODD = BOOK.extended(parse_book('multiply = "0.123456789012"', source="odd.toml"))
IDS = [model.id for model in BOOK.models]
FIELDS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "web_searches")

counts = st.integers(min_value=0, max_value=10**9)
usages = st.builds(Usage, **dict.fromkeys(FIELDS, counts))
models = st.sampled_from([*IDS, "eu.anthropic.claude-haiku-5-5", "us-gov.anthropic.claude-haiku-5-5"])


def cost(usage: Usage, model: str, *, day: date = TODAY, book: PriceBook = BOOK) -> int:
    found = price(UsageReport(usage, (Part(usage),)), model=model, at=day, book=book).cost_nano_usd
    assert found is not None
    return found


def alone(usage: Usage, name: str, times: int = 1) -> Usage:
    return Usage(**{name: getattr(usage, name) * times})


@settings(deadline=None, max_examples=60)
@given(st.lists(usages, min_size=1, max_size=3), models, st.booleans(), st.booleans(), st.booleans())
def test_lines_add_up(parts: list[Usage], model: str, batch: bool, fast: bool, odd: bool) -> None:
    """Whatever the factors, the lines are the cost, none is negative, and none is off by a whole nano-dollar."""
    whole = UsageReport(parts[0], tuple(Part(usage) for usage in parts))
    quote = price(whole, model=model, at=TODAY, book=ODD if odd else BOOK, batch=batch, fast=fast)
    assert quote.cost_nano_usd == sum(line.nano_usd for line in quote.lines)
    assert all(line.nano_usd >= 0 for line in quote.lines)
    if not odd:
        assert all(abs(line.quantity * line.pico_usd_each - line.nano_usd * 1_000) < 1_000 for line in quote.lines)


@settings(deadline=None, max_examples=60)
@given(usages, models, st.integers(min_value=2, max_value=9))
def test_the_cost_is_linear_in_each_class(usage: Usage, model: str, factor: int) -> None:
    """Without tiers and halves, n times the tokens of a class cost n times as much, and the classes do not mix."""
    if "haiku-5-5" in model:
        usage = Usage(output=usage.output * 2)
    each = [cost(alone(usage, name), model) for name in FIELDS]
    assert cost(usage, model) == sum(each)
    assert [cost(alone(usage, name, factor), model) for name in FIELDS] == [one * factor for one in each]


@settings(deadline=None, max_examples=60)
@given(st.lists(usages, min_size=1, max_size=4), models)
def test_no_class_is_counted_twice(parts: list[Usage], model: str) -> None:
    """The tokens of a charge's lines are those of its parts, class by class; thinking and the top level are in none."""
    whole = UsageReport(Usage(*[10**12] * 8), tuple(Part(usage) for usage in parts))
    lines = price(whole, model=model, at=TODAY, book=BOOK).lines
    for label, name in zip(LABELS, FIELDS, strict=True):
        assert sum(line.quantity for line in lines if line.label == label) == sum(getattr(u, name) for u in parts)


@settings(deadline=None, max_examples=60)
@given(counts, counts, counts, counts, st.integers(min_value=0, max_value=10**6))
def test_every_reported_token_is_read_into_one_class(given_: int, read: int, five: int, hour: int, more: int) -> None:
    """The whole prompt is input, read and written; writes beyond the split are 5-minute ones, and none is lost."""
    reported = {
        "input_tokens": given_,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": five + hour + more,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
    }
    found = read_report(reported, stop_reason="end_turn", has_content=True)
    assert found.usage == Usage(given_, read, five + more, hour)
    assert found.usage.prompt == given_ + read + five + hour + more
    assert found.missing == ()


TIERED = [(model.id, row.starts, row.above) for model in BOOK.models for row in model.rows if row.above]


def test_these_models_have_or_had_length_tiers() -> None:
    """Haiku 5.5 has one at 100,000; the others' beta of prompts above 200,000 tokens is history."""
    assert {(model, above) for model, _, above in TIERED} == {
        ("claude-haiku-5-5", 100_000),
        ("claude-opus-4-6", 200_000),
        ("claude-sonnet-4-6", 200_000),
        ("claude-sonnet-4-5-20250929", 200_000),
        ("claude-sonnet-4-20250514", 200_000),
    }


@pytest.mark.parametrize(("model", "starts", "mark"), TIERED)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_a_tier_begins_one_token_beyond_its_mark(model: str, starts: date, mark: int, data: st.DataObject) -> None:
    """However the prompt is spread over input, reads and writes, one token beyond the mark makes all of it dear."""
    day = max(starts, date(2026, 3, 1)) if model != "claude-haiku-5-5" else TODAY
    cuts = sorted(data.draw(st.lists(st.integers(0, mark), min_size=3, max_size=3)))
    spread = [b - a for a, b in zip((0, *cuts), (*cuts, mark), strict=True)]
    output = data.draw(st.integers(0, 1_000))
    fresh, read, five, hour = spread
    at, beyond = (Usage(fresh + more, read, five, hour, output) for more in (0, 1))
    low, high = (rates(model, day, BOOK, prompt_tokens=length) for length in (mark, mark + 1))
    assert low is not None
    assert high is not None
    assert low.output < high.output
    for usage, found in ((at, low), (beyond, high)):
        tokens = (usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.output)
        prices = (found.input, found.cache_read, found.cache_write_5m, found.cache_write_1h, found.output)
        exact = Fraction(sum(n * each for n, each in zip(tokens, prices, strict=True)), 1_000)
        assert cost(usage, model, day=day) == exact
