from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from bursar.policies.book import Rates
from bursar.policies.pricefile import parse_book, shipped_book
from bursar.policies.rates import day_of, offers_for, rates, region_of

TODAY = date(2026, 11, 22)
SEARCH = 10**10
OPUS = "claude-opus-5-5"
FIVE = "input = 1\ncache_read = 1\ncache_write_5m = 1\ncache_write_1h = 1\noutput = 1"


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (date(2026, 10, 7), date(2026, 10, 7)),
        (datetime(2026, 10, 6, 23, 59, 59, tzinfo=UTC), date(2026, 10, 6)),
        (datetime(2026, 10, 7, 1, 30, tzinfo=timezone(timedelta(hours=2))), date(2026, 10, 6)),
        (datetime(2026, 10, 7, 1, 30), date(2026, 10, 7)),  # noqa: DTZ001 - a time without a zone is the case
    ],
)
def test_the_day_of_a_price_is_in_utc(at: date, day: date) -> None:
    """A time's day is that of UTC, wherever its clock stands."""
    assert day_of(at) == day


@pytest.mark.parametrize(
    ("model", "region", "regional", "expected"),
    [
        ("claude-opus-5-5", None, False, None),
        ("claude-opus-5-5", None, True, "regional"),
        ("claude-opus-5-5", "eu", True, "eu"),
        ("us.anthropic.claude-opus-5-5", "eu", False, "us"),
        ("global.anthropic.claude-opus-5-5", None, True, "global"),
    ],
)
def test_the_model_id_knows_its_region_best(
    model: str, region: str | None, regional: bool, expected: str | None
) -> None:
    """Then the region that is named, then the mere word that there is one."""
    assert region_of(model, region, regional=regional) == expected


def test_list_rates_in_pico_dollars() -> None:
    """4 USD/MTok is 4,000,000 pico-dollars a token, a search is a cent, whichever form the id has."""
    expected = Rates(4_000_000, 200_000, 5_000_000, 8_000_000, 20_000_000, SEARCH)
    assert rates(OPUS, TODAY, shipped_book()) == expected
    assert rates("global.anthropic.claude-opus-5-5", TODAY, shipped_book()) == expected


def test_modifiers_multiply() -> None:
    """Opus 5.5 input at 4 USD: batch 2, fast 8, us 4.4, regional 4.4, us-gov 4.8, batch in a region 2.2."""
    book = shipped_book()
    shown = [
        rates(OPUS, TODAY, book, batch=True),
        rates(OPUS, TODAY, book, fast=True),
        rates(OPUS, TODAY, book, geo="us"),
        rates(OPUS, TODAY, book, regional=True),
        rates(OPUS, TODAY, book, region="us-gov"),
        rates("eu.anthropic.claude-opus-5-5", TODAY, book, batch=True),
    ]
    assert [found and found.input for found in shown] == [
        2_000_000,
        8_000_000,
        4_400_000,
        4_400_000,
        4_800_000,
        2_200_000,
    ]
    assert {found and found.web_search for found in shown} == {SEARCH}


@pytest.mark.parametrize(("prompt", "output"), [(0, 500_000), (100_000, 500_000), (100_001, 2_500_000)])
def test_the_length_tier_takes_the_output_too(prompt: int, output: int) -> None:
    """Haiku 5.5 costs 0.50 up to 100,000 prompt tokens, and 2.50 beyond."""
    found = rates("claude-haiku-5-5", TODAY, shipped_book(), prompt_tokens=prompt)
    assert found is not None
    assert found.output == output


def test_every_listed_rate_is_whole_under_every_listed_modifier() -> None:
    """So that the quick way of reckoning in whole numbers is always taken for list prices."""
    book = shipped_book()
    for model in book.models:
        for prompt in (0, 1_000_000):
            base = rates(model.id, TODAY, book, prompt_tokens=prompt)
            gov = rates(model.id, TODAY, book, prompt_tokens=prompt, batch=True, region="us-gov")
            eu = rates(model.id, TODAY, book, prompt_tokens=prompt, batch=True, fast=True, region="eu")
            assert base is not None
            assert gov is not None
            assert eu is not None
            assert gov.cache_read * 10 == base.cache_read * 6
            assert eu.cache_read * 20 in (base.cache_read * 10, base.cache_read * 11, base.cache_read * 22)


def test_offers_are_kept_but_not_without_end() -> None:
    """The second answer is the first one; ids come from outside, so beyond a thousand the book forgets."""
    book = parse_book(f'[[model]]\nid = "m"\naliases = {[f"m{n}" for n in range(1_100)]}\n{FIVE}', source="user.toml")
    terms = ("m", TODAY, False, False, None, None, False)
    assert offers_for(book, terms) is offers_for(book, terms)
    for n in range(1_100):
        assert rates(f"m{n}", TODAY, book) == Rates(*[1_000_000] * 5)
        assert len(book.offers) <= 1_024


def test_other_terms_are_other_offers() -> None:
    """Nothing of what a price depends on is lost in what is kept: each of these costs something else."""
    book = shipped_book()
    day = date(2026, 10, 6)
    shown = [
        rates("claude-sonnet-5-5", TODAY, book),
        rates("claude-sonnet-5-5", day, book),
        rates("claude-sonnet-5-5", TODAY, book, batch=True),
        rates(OPUS, TODAY, book),
        rates(OPUS, TODAY, book, fast=True),
        rates(OPUS, TODAY, book, geo="us"),
        rates(OPUS, TODAY, book, region="us-gov"),
        rates(OPUS, TODAY, book, regional=True, batch=True),
    ]
    assert [found and found.cache_read for found in shown] == [
        *(100_000, 200_000, 50_000),
        *(200_000, 400_000, 220_000, 240_000, 110_000),
    ]


def test_fractions_are_rounded_up() -> None:
    """A third of 4,000,000 pico-dollars is bounded by 1,333,334 with a factor of 0.333333333333."""
    book = shipped_book().extended(parse_book('multiply = "0.333333333333"', source="user.toml"))
    found = rates(OPUS, TODAY, book)
    assert found == Rates(1_333_334, 66_667, 1_666_667, 2_666_667, 6_666_667, 3_333_333_334)


@pytest.mark.parametrize("model", ["claude-opus-9", "gpt-5", "claude-mythos-preview", ""])
def test_an_unknown_model_has_no_rates(model: str) -> None:
    """No price is made up."""
    assert rates(model, TODAY, shipped_book()) is None


def test_a_day_or_modifier_without_a_price_has_no_rates() -> None:
    """Neither a day before the first row nor a modifier whose factor the book lacks is guessed at."""
    book = parse_book(f'[[model]]\nid = "m"\nfrom = 2026-12-01\n{FIVE}', source="user.toml")
    assert rates("m", date(2026, 11, 30), book) is None
    assert rates("m", date(2026, 12, 1), book, batch=True) is None
    assert rates("m", date(2026, 12, 1), book) == Rates(1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000)
