"""Does a second price book, kept by others, come to the same figures; and where not, who is right?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price

from bursar.policies.prices import price, shipped_book
from bursar.policies.usage import Part, Usage, UsageReport

TODAY = date(2026, 11, 22)
MTOK = 1_000_000
MIXED = Usage(input=12_345, cache_read=67_891, cache_write_5m=2_468, cache_write_1h=1_357, output=9_753, web_searches=2)
WITHOUT_HOUR = replace(MIXED, cache_write_1h=0, web_searches=0)
IDS = {model.id for model in shipped_book().models}

UNKNOWN_TO_THEM = {"claude-mythos-5-1", "claude-mythos-5"}
"""Ours is right to price them: Anthropic's page of September lists both at Fable's prices."""
WITHOUT_SEARCHES = {"claude-3-opus-20240229", "claude-3-haiku-20240307"}
"""Older than the search tool: genai-prices has no fee there, and no such call can be made."""
RETIRED = {
    *("claude-opus-4-1-20250805", "claude-opus-4-20250514", "claude-3-opus-20240229", "claude-sonnet-4-20250514"),
    *("claude-3-7-sonnet-20250219", "claude-3-5-sonnet-20241022", "claude-3-5-haiku-20241022"),
    "claude-3-haiku-20240307",
}
"""
Gone from Anthropic's own platforms. genai-prices has no batch prices for them, although each was halved like the rest,
and on Bedrock and Google none for 1-hour writes, which bill there too since they exist. Ours is right in both.
"""


def ours(usage: Usage, model: str, day: date = TODAY, *, batch: bool = False, fast: bool = False) -> int | None:
    report = UsageReport(usage, (Part(usage),))
    return price(report, model=model, at=day, book=shipped_book(), batch=batch, fast=fast).cost_nano_usd


def theirs(usage: Usage, model: str, day: date = TODAY, *, provider: str = "anthropic", **context: str) -> int:
    """What genai-prices says, in nano-dollars. Its input includes the cached tokens, its writes the 1-hour ones."""
    found = calc_price(
        TheirUsage(
            input_tokens=usage.prompt,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write,
            cache_write_1h_tokens=usage.cache_write_1h,
            output_tokens=usage.output,
            web_searches=usage.web_searches,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=datetime(day.year, day.month, day.day, tzinfo=UTC),
        price_context=context,
    )
    return int(Decimal(found.total_price) * 10**9)


def nano(usd: str) -> int:
    return int(Fraction(usd) * 10**9)


@pytest.mark.parametrize("model", sorted(IDS - UNKNOWN_TO_THEM))
def test_list_prices_agree(model: str) -> None:
    """The same nano-dollar for every model that they know."""
    usage = replace(MIXED, web_searches=0) if model in WITHOUT_SEARCHES else MIXED
    assert ours(usage, model) == theirs(usage, model)


@pytest.mark.parametrize("model", sorted(UNKNOWN_TO_THEM))
def test_they_know_no_mythos_before_5_2(model: str) -> None:
    """Should they learn it, this says so."""
    with pytest.raises(LookupError):
        theirs(MIXED, model)
    assert ours(MIXED, model) == ours(MIXED, model.replace("mythos", "fable"))


@pytest.mark.parametrize("model", sorted(IDS - UNKNOWN_TO_THEM))
def test_batches_agree_but_for_retired_models(model: str) -> None:
    """Half of everything but searches; they have no batch row for what is retired, and charge it in full."""
    usage = replace(MIXED, web_searches=0)
    factor = 2 if model in RETIRED else 1
    assert ours(usage, model, batch=True) == Fraction(theirs(usage, model, processing="batch"), factor)


@pytest.mark.parametrize("model", sorted(IDS - UNKNOWN_TO_THEM))
def test_fast_mode_agrees(model: str) -> None:
    """Twice the price where fast mode is sold, and the list price elsewhere, in both books."""
    usage = replace(MIXED, web_searches=0)
    assert ours(usage, model, fast=True) == theirs(usage, model, speed="fast")


CLOUD = sorted(IDS - UNKNOWN_TO_THEM - {"claude-3-opus-20240229", "claude-3-haiku-20240307"})
"""Two of the oldest had no caching on Bedrock when its rows were written; there they have nothing to agree on."""


NO_PROFILE = {
    ("global", "claude-opus-4-1-20250805"),
    ("global", "claude-opus-4-20250514"),
    ("eu", "claude-fable-5-1"),
}
"""Profiles that Bedrock does not have, and so no call can name."""


@pytest.mark.parametrize(
    ("region", "model"),
    [pair for model in CLOUD for region in ("global", "us", "eu") if (pair := (region, model)) not in NO_PROFILE],
)
def test_bedrock_profiles_agree(region: str, model: str) -> None:
    """A tenth more in a region than over the global profile, from generation 4.5 on."""
    usage = WITHOUT_HOUR if model in RETIRED else replace(MIXED, web_searches=0)
    assert ours(usage, f"{region}.anthropic.{model}-v1:0") == theirs(
        usage, f"{region}.anthropic.{model}-v1:0", provider="aws"
    )


@pytest.mark.parametrize("model", sorted(IDS - UNKNOWN_TO_THEM - RETIRED))
def test_a_bare_bedrock_id_is_where_we_differ(model: str) -> None:
    """
    They take it as regional, litellm and we as list price.

    Anthropic's page is silent; a price file settles it: `[[model]]` with `multiply = "1.1"`, or a profile's id.
    """
    usage = replace(MIXED, web_searches=0)
    base = ours(usage, f"anthropic.{model}")
    assert base == ours(usage, model)
    assert theirs(usage, f"anthropic.{model}", provider="aws") == Fraction(base or 0) * Fraction(11, 10)


@pytest.mark.parametrize("model", CLOUD)
def test_google_cloud_agrees(model: str) -> None:
    """Its global endpoint is at list price; for Opus 4 they have no row."""
    if model == "claude-opus-4-20250514":
        model = "claude-4-opus-20250514"
    usage = WITHOUT_HOUR if model in RETIRED or "4-opus" in model else replace(MIXED, web_searches=0)
    assert ours(usage, model) == theirs(usage, model, provider="google")


@pytest.mark.parametrize(
    ("model", "day", "usage"),
    [
        ("claude-opus-4-6", date(2026, 3, 12), Usage(input=200_001, output=10)),
        ("claude-opus-4-6", date(2026, 3, 13), Usage(input=200_001, output=10)),
        ("claude-sonnet-4-6", date(2026, 3, 12), Usage(cache_read=200_001, output=10)),
        ("claude-sonnet-4-5", date(2026, 4, 29), Usage(cache_write_1h=200_001, output=10)),
        ("claude-haiku-5-5", TODAY, Usage(input=100_000, output=10)),
        ("claude-haiku-5-5", TODAY, Usage(input=100_001, output=10)),
    ],
)
def test_tiers_and_their_history_agree(model: str, day: date, usage: Usage) -> None:
    """The long-prompt prices and their ends are the same in both books."""
    assert ours(usage, model, day) == theirs(usage, model, day)


@pytest.mark.parametrize(
    ("model", "day", "usage", "here", "there"),
    [
        # They keep no history of the cut of 2026-10-07; Anthropic's own page showed 0.20 before it. Ours is right.
        ("claude-sonnet-5-5", date(2026, 10, 6), Usage(cache_read=MTOK), "0.20", "0.10"),
        # The beta of prompts above 200,000 tokens ended: Anthropic refuses them now, so the tier stands for nothing.
        ("claude-sonnet-4-5", TODAY, Usage(input=MTOK), "3", "6"),
        # They never had the beta's price of Sonnet 4, which was that of Sonnet 4.5. Ours is right.
        ("claude-sonnet-4-0", date(2026, 4, 29), Usage(input=MTOK), "6", "3"),
    ],
)
def test_days_on_which_we_differ(model: str, day: date, usage: Usage, here: str, there: str) -> None:
    """Each difference is known and has its reason; should they change, this says so."""
    assert ours(usage, model, day) == nano(here)
    assert theirs(usage, model, day) == nano(there)
