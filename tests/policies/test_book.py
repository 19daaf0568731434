from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from bursar.policies.book import ModelPrices, PriceBook, PriceBookError, PriceRow, Rates
from bursar.policies.pricefile import parse_book

CHEAP, DEAR, LATER = (Rates(n, n, n, n, n) for n in (1, 2, 3))
CHANGE = date(2026, 10, 7)


def row(name: str, rates: Rates, starts: date = date.min, above: int = 0) -> PriceRow:
    return PriceRow(name, starts, above, rates, "a test")


MODEL = ModelPrices(
    "claude-x-1",
    (row("launch", CHEAP), row("long", DEAR, above=100), row("later", LATER, CHANGE)),
    aliases=("claude-x-one",),
    max_output=500,
    status="active",
)


@pytest.mark.parametrize(
    ("day", "prompt_tokens", "expected"),
    [
        (date(2026, 10, 6), 0, "launch"),
        (date(2026, 10, 6), 100, "launch"),
        (date(2026, 10, 6), 101, "long"),
        (date(2026, 10, 7), 101, "later"),
        (date(2027, 1, 1), 0, "later"),
        (date(1970, 1, 1), 0, "launch"),
    ],
)
def test_a_row_goes_by_day_and_length(day: date, prompt_tokens: int, expected: str) -> None:
    """The newest row of the day holds, and its tier where the prompt is longer than the mark; old tiers end with it."""
    found = MODEL.row(day, prompt_tokens)
    assert found is not None
    assert found.id == expected


def test_before_the_first_dated_row_there_is_none() -> None:
    """A model whose first row has a date has no price before it."""
    model = ModelPrices("m", (row("later", LATER, CHANGE),))
    assert model.row(date(2026, 10, 6)) is None
    assert model.rows_on(date(2026, 10, 6)) == ()


@pytest.mark.parametrize(
    ("fast", "removed", "day", "expected"),
    [
        (True, None, date(2030, 1, 1), True),
        (True, date(2026, 11, 30), date(2026, 11, 29), True),
        (True, date(2026, 11, 30), date(2026, 11, 30), False),
        (False, None, date(2026, 11, 29), False),
    ],
)
def test_fast_ends_on_the_day_it_is_removed(fast: bool, removed: date | None, day: date, expected: bool) -> None:
    """The day of removal is the first without."""
    assert ModelPrices("m", (), fast=fast, fast_removed=removed).has_fast(day) is expected


def book(*models: ModelPrices, source: str = "base.toml", multiply: Fraction = Fraction(1)) -> PriceBook:
    return PriceBook(source, models, {"batch": Fraction(1, 2)}, 10**10, multiply, date(2026, 11, 22))


@pytest.mark.parametrize("model_id", ["claude-x-1", "claude-x-one", "claude-x-1-20260101", "us.anthropic.claude-x-1"])
def test_a_model_is_found_by_id_alias_and_platform_form(model_id: str) -> None:
    """Every form of its names leads to it."""
    assert book(MODEL).find(model_id) is MODEL


@pytest.mark.parametrize("model_id", ["claude-x", "claude-x-1-5", "claude-x-11", ""])
def test_no_model_is_found_by_prefix(model_id: str) -> None:
    """What only begins alike is unknown."""
    assert book(MODEL).find(model_id) is None


def test_a_models_own_id_goes_before_anothers_alias() -> None:
    """An alias never hides a model."""
    other = ModelPrices("claude-y", (), aliases=("claude-x-1",))
    assert book(MODEL, other).find("claude-x-1") is MODEL
    assert book(other, MODEL).find("claude-x-1") is MODEL


PRICES = "input = 7\ncache_read = 7\ncache_write_5m = 7\ncache_write_1h = 7\noutput = 7\n"


def extended(text: str) -> PriceBook:
    return book(MODEL).extended(parse_book(text, source="user.toml"))


def test_a_new_model_is_added() -> None:
    """A model that only the user's file has stands beside the others."""
    more = extended(f'[[model]]\nid = "mine"\n{PRICES}')
    assert more.find("claude-x-1") is not None
    added = more.find("mine")
    assert added is not None
    assert added.rows[0].rates == Rates(*[7_000_000] * 5)
    assert more.source == "base.toml + user.toml"


def test_undated_rows_replace_all_and_facts_stay() -> None:
    """A row without a date takes the place of every row; what the file does not name is kept."""
    model = extended(f'[[model]]\nid = "claude-x-1"\nstatus = "legacy"\n{PRICES}').find("claude-x-1")
    assert model is not None
    assert [row.id for row in model.rows] == ["claude-x-1@launch/user.toml"]
    assert (model.max_output, model.status, model.aliases) == (500, "legacy", ("claude-x-one",))


def test_a_dated_row_ends_the_rows_from_its_day_on() -> None:
    """Rows before the user's first day stay; those of that day and later go."""
    model = extended(f'[[model]]\nid = "claude-x-1"\nfrom = 2026-10-07\n{PRICES}').find("claude-x-1")
    assert model is not None
    assert [row.id for row in model.rows] == ["launch", "long", "claude-x-1@2026-10-07/user.toml"]


def test_an_alias_leads_to_the_model_it_extends() -> None:
    """The user may write any name of a model; its own id stays, and new aliases join the old."""
    more = extended('[[model]]\nid = "claude-x-one"\naliases = ["profile-7"]\nmultiply = "1.10"')
    model = more.find("profile-7")
    assert model is not None
    assert (model.id, model.multiply, model.aliases) == (
        "claude-x-1",
        Fraction(11, 10),
        ("claude-x-one", "profile-7"),
    )
    assert model.rows == MODEL.rows
    assert len(more.models) == 1


def test_factors_multiply_and_the_rest_is_kept() -> None:
    """Extending twice by 0.5 quarters; modifiers, fee and date stay where the file names none, and go where it does."""
    once = book(MODEL, multiply=Fraction(1, 2)).extended(parse_book('multiply = "0.5"', source="user.toml"))
    assert (once.multiply, once.modifiers, once.web_search_pico, once.as_of) == (
        Fraction(1, 4),
        {"batch": Fraction(1, 2)},
        10**10,
        date(2026, 11, 22),
    )
    twice = once.extended(
        parse_book("as_of = 2027-01-01\n[modifiers]\nbatch = 0.4\n[fees]\nweb_search_per_1000 = 8", source="b.toml")
    )
    assert (twice.modifiers, twice.web_search_pico, twice.as_of) == (
        {"batch": Fraction(2, 5)},
        8 * 10**9,
        date(2027, 1, 1),
    )


def test_a_models_factors_multiply_too() -> None:
    """1.10 on a model that is at 1.10 already is 1.21."""
    text = '[[model]]\nid = "claude-x-1"\nmultiply = "1.10"'
    model = extended(text).extended(parse_book(text, source="b.toml")).find("claude-x-1")
    assert model is not None
    assert model.multiply == Fraction(121, 100)


def test_a_factor_for_a_model_that_nobody_prices_is_an_error() -> None:
    """A misspelt id must not go unseen."""
    with pytest.raises(PriceBookError, match=r'^user\.toml: model "claude-x-2" has no prices and is in no other'):
        extended('[[model]]\nid = "claude-x-2"\nmultiply = "1.10"')


def test_a_book_may_stand_alone() -> None:
    """With `replace = true` nothing of the book below is left: no model, no factor, no fee, no name."""
    alone = extended(f'replace = true\n[[model]]\nid = "mine"\n{PRICES}')
    assert [model.id for model in alone.models] == ["mine"]
    assert (alone.modifiers, alone.web_search_pico, alone.as_of, alone.source) == ({}, None, None, "user.toml")


def test_a_book_that_stands_alone_scales_nothing_of_anothers() -> None:
    """A factor needs prices of its own to scale."""
    with pytest.raises(PriceBookError, match=r'^user\.toml: model "claude-x-1" has no prices'):
        extended('replace = true\n[[model]]\nid = "claude-x-1"\nmultiply = "1.10"')


def test_a_fallback_outlives_an_extension() -> None:
    """It is asked under a user's file too, on top of the book or in its place."""

    def nobody(name: str, day: date) -> ModelPrices | None:
        return None

    fallen = book(MODEL).with_fallback(nobody)
    assert fallen.fallback is nobody
    assert fallen.models == (MODEL,)
    for text in ('multiply = "0.5"', "replace = true"):
        assert fallen.extended(parse_book(text, source="user.toml")).fallback is nobody
    assert book(MODEL).fallback is None
