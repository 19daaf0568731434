from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.policies.prices import PriceBook, Quote, parse_book, price, shipped_book
from bursar.policies.usage import Part, Usage, UsageReport

TODAY = date(2026, 11, 22)
MTOK = 1_000_000
OPUS = "claude-opus-5-5"

# US dollars per million tokens: input, 5-minute write, 1-hour write, cache read, output.
LIST = {
    "claude-fable-5-2": "8 10 16 0.20 40",
    "claude-mythos-5-2": "8 10 16 0.20 40",
    "claude-fable-5-1": "10 12.5 20 0.25 50",
    "claude-mythos-5-1": "10 12.5 20 0.25 50",
    "claude-fable-5": "10 12.5 20 1.00 50",
    "claude-mythos-5": "10 12.5 20 1.00 50",
    "claude-opus-5-5": "4 5 8 0.20 20",
    "claude-opus-5": "5 6.25 10 0.50 25",
    "claude-opus-4-8": "5 6.25 10 0.50 25",
    "claude-opus-4-7": "5 6.25 10 0.50 25",
    "claude-opus-4-6": "5 6.25 10 0.50 25",
    "claude-opus-4-5": "5 6.25 10 0.50 25",
    "claude-opus-4-1": "15 18.75 30 1.50 75",
    "claude-opus-4-0": "15 18.75 30 1.50 75",
    "claude-3-opus-latest": "15 18.75 30 1.50 75",
    "claude-sonnet-5-5": "2 2.5 4 0.10 10",
    "claude-sonnet-5": "2 2.5 4 0.20 10",
    "claude-sonnet-4-6": "3 3.75 6 0.30 15",
    "claude-sonnet-4-5": "3 3.75 6 0.30 15",
    "claude-sonnet-4-0": "3 3.75 6 0.30 15",
    "claude-3-7-sonnet-latest": "3 3.75 6 0.30 15",
    "claude-3-5-sonnet-20240620": "3 3.75 6 0.30 15",
    "claude-haiku-4-5": "1 1.25 2 0.10 5",
    "claude-3-5-haiku-latest": "0.80 1.00 1.60 0.08 4",
    "claude-3-haiku-20240307": "0.25 0.30 0.50 0.03 1.25",
    # A prompt of a million tokens is in the upper tier; its output alone, behind no prompt, in the lower.
    "claude-haiku-5-5": "0.50 0.625 1.00 0.05 0.50",
}
EACH = (
    Usage(input=MTOK),
    Usage(cache_write_5m=MTOK),
    Usage(cache_write_1h=MTOK),
    Usage(cache_read=MTOK),
    Usage(output=MTOK),
)


def report(usage: Usage, **terms: str) -> UsageReport:
    return UsageReport(
        usage,
        (Part(usage),),
        service_tier=terms.get("service_tier"),
        inference_geo=terms.get("inference_geo"),
        speed=terms.get("speed"),
    )


def nano(usd: str) -> int:
    return int(Fraction(usd) * 10**9)


def cost(usage: Usage, model: str, at: date = TODAY, book: PriceBook | None = None) -> int | None:
    return price(report(usage), model=model, at=at, book=book or shipped_book()).cost_nano_usd


@pytest.mark.parametrize("model", LIST)
def test_a_million_tokens_cost_what_the_table_says(model: str) -> None:
    """Each class of each model, at its published price per million tokens."""
    assert [cost(usage, model) for usage in EACH] == [nano(usd) for usd in LIST[model].split()]


@pytest.mark.parametrize("model", LIST)
def test_a_batch_costs_half(model: str) -> None:
    """Every class, caches too, whether the response or the caller says that it is a batch."""
    for usage, usd in zip(EACH, LIST[model].split(), strict=True):
        said = price(report(usage, service_tier="batch"), model=model, at=TODAY, book=shipped_book())
        known = price(report(usage), model=model, at=TODAY, book=shipped_book(), batch=True)
        assert said == known
        assert (known.cost_nano_usd, known.modifiers) == (nano(usd) // 2, ("batch",))


@pytest.mark.parametrize(
    ("model", "day", "usd", "price_id"),
    [
        ("claude-sonnet-5-5", date(2026, 10, 6), "0.20", "claude-sonnet-5-5@launch"),
        ("claude-sonnet-5-5", date(2026, 10, 7), "0.10", "claude-sonnet-5-5@2026-10-07"),
        ("claude-opus-4-6", date(2026, 3, 12), "1.00", "claude-opus-4-6@launch>200000"),
        ("claude-opus-4-6", date(2026, 3, 13), "0.50", "claude-opus-4-6@2026-03-13"),
        ("claude-sonnet-4-6", date(2026, 3, 12), "0.60", "claude-sonnet-4-6@launch>200000"),
        ("claude-sonnet-4-6", date(2026, 3, 13), "0.30", "claude-sonnet-4-6@2026-03-13"),
        ("claude-sonnet-4-5", date(2026, 4, 29), "0.60", "claude-sonnet-4-5-20250929@launch>200000"),
        ("claude-sonnet-4-5", date(2026, 4, 30), "0.30", "claude-sonnet-4-5-20250929@2026-04-30"),
        ("claude-sonnet-4-0", date(2026, 4, 29), "0.60", "claude-sonnet-4-20250514@launch>200000"),
        ("claude-sonnet-4-0", date(2026, 4, 30), "0.30", "claude-sonnet-4-20250514@2026-04-30"),
    ],
)
def test_a_price_holds_from_its_day_on(model: str, day: date, usd: str, price_id: str) -> None:
    """A million tokens read from the cache, on the last day of the old price and the first of the new."""
    quote = price(report(Usage(cache_read=MTOK)), model=model, at=day, book=shipped_book())
    assert (quote.cost_nano_usd, quote.price_id) == (nano(usd), price_id)


def test_the_hour_of_a_price_change_is_midnight_in_utc() -> None:
    """A time is as good as a day."""
    late = datetime(2026, 10, 6, 23, 59, 59, tzinfo=UTC)
    early = datetime(2026, 10, 7, tzinfo=UTC)
    assert cost(Usage(cache_read=MTOK), "claude-sonnet-5-5", late) == nano("0.20")
    assert cost(Usage(cache_read=MTOK), "claude-sonnet-5-5", early) == nano("0.10")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # 100,000 at 0.10 and 1,000 at 0.50: 0.01 + 0.0005 dollars.
        (Usage(input=100_000, output=1_000), "0.0105"),
        # One more: 100,001 at 0.50 and 1,000 at 2.50: 0.0500005 + 0.0025 dollars.
        (Usage(input=100_001, output=1_000), "0.0525005"),
        # Read and written tokens count: 40,000 at 0.01, 30,000 at 0.125, 30,000 at 0.20 make exactly 100,000.
        (Usage(cache_read=40_000, cache_write_5m=30_000, cache_write_1h=30_000), "0.01015"),
        # With one uncached token all of it is dearer: 40,000 at 0.05, 30,000 at 0.625, 30,000 at 1.00, 1 at 0.50.
        (Usage(input=1, cache_read=40_000, cache_write_5m=30_000, cache_write_1h=30_000), "0.0507505"),
        # Output does not make a prompt long.
        (Usage(input=1_000, output=128_000), "0.0641"),
    ],
)
def test_haiku_5_5_above_100_000_prompt_tokens(usage: Usage, expected: str) -> None:
    """The whole prompt decides, exactly 100,000 is the lower tier, and the whole request goes at the tier's price."""
    assert cost(usage, "claude-haiku-5-5") == nano(expected)


def test_each_part_has_a_tier_of_its_own() -> None:
    """Two iterations of 60,000 tokens are two short prompts, not one of 120,000: 0.012 dollars, not 0.06."""
    part = Part(Usage(input=60_000))
    twice = UsageReport(Usage(input=120_000), (part, part))
    assert price(twice, model="claude-haiku-5-5", at=TODAY, book=shipped_book()).cost_nano_usd == nano("0.012")


@pytest.mark.parametrize(
    ("model", "terms", "usd", "modifiers"),
    [
        # Opus 5.5 output is 20, Opus 5 and 4.8 and 4.6 25, Sonnet 5.5 10, Sonnet 4.5 and 4 15, Haiku 5.5 0.50.
        (OPUS, {"speed": "fast"}, "40", ("fast",)),
        (OPUS, {"speed": "standard"}, "20", ()),
        ("claude-opus-5", {"speed": "fast"}, "50", ("fast",)),
        ("claude-opus-4-8", {"speed": "fast"}, "50", ("fast",)),
        ("claude-fable-5-2", {"speed": "fast"}, "80", ("fast",)),
        ("claude-opus-4-6", {"speed": "fast"}, "25", ()),
        ("claude-sonnet-5-5", {"speed": "fast"}, "10", ()),
        (OPUS, {"inference_geo": "us"}, "22", ("geo:us",)),
        (OPUS, {"inference_geo": "global"}, "20", ()),
        (OPUS, {"inference_geo": "not_available"}, "20", ()),
        ("claude-sonnet-4-6", {"inference_geo": "us"}, "16.5", ("geo:us",)),
        ("claude-sonnet-4-5", {"inference_geo": "us"}, "15", ()),
        (OPUS, {"inference_geo": "us", "speed": "fast"}, "44", ("fast", "geo:us")),
        (OPUS, {"inference_geo": "us", "service_tier": "batch"}, "11", ("batch", "geo:us")),
        ("anthropic.claude-opus-5-5", {}, "20", ()),
        ("global.anthropic.claude-opus-5-5", {}, "20", ()),
        ("us.anthropic.claude-opus-5-5", {}, "22", ("regional",)),
        ("eu.anthropic.claude-opus-5-5", {}, "22", ("regional",)),
        ("jp.anthropic.claude-sonnet-4-5-20250929-v1:0", {}, "16.5", ("regional",)),
        ("au.anthropic.claude-haiku-5-5", {}, "0.55", ("regional",)),
        ("apac.anthropic.claude-sonnet-4-20250514-v1:0", {}, "15", ()),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", {}, "18", ("us-gov",)),
        ("eu.anthropic.claude-opus-5-5", {"service_tier": "batch"}, "11", ("batch", "regional")),
        # A place is paid for once.
        ("us.anthropic.claude-opus-5-5", {"inference_geo": "us"}, "22", ("regional",)),
    ],
)
def test_what_moves_a_price_off_the_list(
    model: str, terms: dict[str, str], usd: str, modifiers: tuple[str, ...]
) -> None:
    """A million output tokens: speed and place as the response and the id tell, where the model has such a price."""
    quote = price(report(Usage(output=MTOK), **terms), model=model, at=TODAY, book=shipped_book())
    assert (quote.cost_nano_usd, quote.modifiers) == (nano(usd), modifiers)


def test_the_caller_may_know_region_and_speed_better() -> None:
    """Vertex ids name no region, and Bedrock's responses neither; an override of the speed stands."""
    output = report(Usage(output=MTOK))
    book = shipped_book()
    assert price(output, model=OPUS, at=TODAY, book=book, regional=True).cost_nano_usd == nano("22")
    assert price(output, model=OPUS, at=TODAY, book=book, region="us-gov").cost_nano_usd == nano("24")
    assert price(output, model=OPUS, at=TODAY, book=book, region="global").cost_nano_usd == nano("20")
    assert price(output, model=OPUS, at=TODAY, book=book, fast=True).cost_nano_usd == nano("40")
    reported = report(Usage(output=MTOK), speed="fast")
    assert price(reported, model=OPUS, at=TODAY, book=book, fast=False).cost_nano_usd == nano("20")


@pytest.mark.parametrize(("day", "usd", "noted"), [(date(2026, 11, 29), "50", False), (date(2026, 11, 30), "25", True)])
def test_opus_4_8_loses_fast_mode(day: date, usd: str, noted: bool) -> None:
    """What runs fast after that has no fast price, and the quote says so."""
    quote = price(report(Usage(output=MTOK), speed="fast"), model="claude-opus-4-8", at=day, book=shipped_book())
    assert quote.cost_nano_usd == nano(usd)
    assert quote.missing == (
        ("fast speed: claude-opus-4-8 has no fast price on 2026-11-30, standard price taken",) if noted else ()
    )


def test_searches_cost_a_cent_and_a_batch_does_not_halve_them() -> None:
    """Three searches and 1,000 tokens at 4 dollars: 0.03 + 0.004; in a batch 0.03 + 0.002. Fetches are free."""
    usage = Usage(input=1_000, web_searches=3, web_fetches=5)
    assert cost(usage, OPUS) == nano("0.034")
    batch = price(report(usage), model=OPUS, at=TODAY, book=shipped_book(), batch=True)
    assert batch.cost_nano_usd == nano("0.032")
    assert [(line.label, line.quantity, line.nano_usd) for line in batch.lines] == [
        ("input", 1_000, nano("0.002")),
        ("web_search", 3, nano("0.03")),
    ]


def test_searches_of_all_parts_are_billed() -> None:
    """One search in one iteration and two in another are three: 0.03 dollars, in one line."""
    parts = (Part(Usage(web_searches=1)), Part(Usage(web_searches=2)))
    quote = price(UsageReport(Usage(web_searches=3), parts), model=OPUS, at=TODAY, book=shipped_book())
    assert quote.cost_nano_usd == nano("0.03")
    assert [(line.label, line.quantity) for line in quote.lines] == [("web_search", 3)]


def test_thinking_is_not_billed_beside_the_output_it_is_part_of() -> None:
    """A thousand output tokens of which 900 were thought are a thousand: 0.02 dollars."""
    assert cost(Usage(output=1_000, thinking=900), OPUS) == nano("0.02")


def test_a_priority_response_is_shown_at_list_price() -> None:
    """What was prepaid is priced all the same, and the quote says what the figure is not."""
    quote = price(report(Usage(output=MTOK), service_tier="priority"), model=OPUS, at=TODAY, book=shipped_book())
    assert quote.cost_nano_usd == nano("20")
    assert quote.missing == ("priority tier: drawn from a prepaid commitment, shown at list price",)


@pytest.mark.parametrize("model", [OPUS, "a-model-nobody-knows"])
def test_a_refusal_before_any_output_is_free(model: str) -> None:
    """Its usage shows tokens, which are not charged, whatever the model."""
    refused = replace(report(Usage(input=412, web_searches=1)), refused_before_output=True)
    assert price(refused, model=model, at=TODAY, book=shipped_book()) == Quote(0, modifiers=("refused",))


def test_a_pre_warming_call_is_billed() -> None:
    """`max_tokens = 0` writes 50,000 tokens for an hour and answers nothing: 50,000 at 8 dollars are 0.40."""
    usage = Usage(cache_write_1h=50_000)
    assert cost(usage, OPUS) == nano("0.40")


def test_compaction_is_billed_beside_the_message() -> None:
    """Opus 5: 180,000 in and 3,500 out to compact, 23,000 in and 1,000 out to answer: 0.9875 + 0.14 dollars."""
    message = Usage(input=23_000, output=1_000)
    compacted = UsageReport(message, (Part(Usage(input=180_000, output=3_500), "compaction"), Part(message)))
    quote = price(compacted, model="claude-opus-5", at=TODAY, book=shipped_book())
    assert quote.cost_nano_usd == nano("1.1275")
    assert [(line.label, line.quantity) for line in quote.lines] == [("input", 203_000), ("output", 4_500)]


def test_an_advisor_is_billed_at_its_own_price() -> None:
    """Sonnet 5 asks Opus 5: 1,760 in, 412 read and 531 out are 0.0089124; 823 in and 1,612 out are 0.044415."""
    advised = UsageReport(
        Usage(input=1_760, cache_read=412, output=531),
        (
            Part(Usage(input=412, output=89)),
            Part(Usage(input=823, output=1_612), "advisor", "claude-opus-5"),
            Part(Usage(input=1_348, cache_read=412, output=442)),
        ),
    )
    quote = price(advised, model="claude-sonnet-5", at=TODAY, book=shipped_book())
    assert quote.cost_nano_usd == nano("0.0533274")
    assert {(line.model, line.price_id) for line in quote.lines} == {
        ("claude-sonnet-5", "claude-sonnet-5@launch"),
        ("claude-opus-5", "claude-opus-5@launch"),
    }
    assert quote.price_id == "claude-sonnet-5@launch"


def test_a_fallback_is_billed_at_the_model_that_answered() -> None:
    """412 in and 264 out on Opus 4.8 are 0.00866 dollars; on the Fable 5 that was asked they would be twice that."""
    usage = Usage(input=412, output=264)
    answered = UsageReport(usage, (Part(usage, "fallback", "claude-opus-4-8"),))
    assert price(answered, model="claude-fable-5", at=TODAY, book=shipped_book()).cost_nano_usd == nano("0.00866")
    assert cost(usage, "claude-fable-5") == nano("0.01732")


def test_a_parts_plain_name_keeps_the_region_of_the_call() -> None:
    """An advisor behind a regional id is regional too: 5 and 2 dollars, a tenth more each, unless its id says other."""
    parts = (Part(Usage(input=MTOK), "advisor", "claude-opus-5"), Part(Usage(input=MTOK)))
    advised = UsageReport(Usage(input=MTOK), parts)
    quote = price(advised, model="us.anthropic.claude-sonnet-5", at=TODAY, book=shipped_book())
    assert quote.cost_nano_usd == nano("7.70")
    elsewhere = (Part(Usage(input=MTOK), "advisor", "global.anthropic.claude-opus-5"), parts[1])
    quote = price(
        replace(advised, parts=elsewhere), model="us.anthropic.claude-sonnet-5", at=TODAY, book=shipped_book()
    )
    assert quote.cost_nano_usd == nano("7.20")


@pytest.mark.parametrize("model", ["claude-opus-9", "claude-opus-5-5-5", "claude-mythos-preview", "gpt-5", ""])
def test_an_unknown_model_costs_nobody_knows_what(model: str) -> None:
    """Never zero dollars: the quote names the model and what to do."""
    quote = price(report(Usage(input=MTOK)), model=model, at=TODAY, book=shipped_book())
    expected = f'no price for model "{model}": add a [[model]] entry for it to the price file'
    assert quote == Quote(None, missing=(expected,))


def test_one_unknown_part_makes_the_whole_unknown() -> None:
    """Half a cost is no cost; each unknown model is named once."""
    unknown = Part(Usage(input=1), "advisor", "claude-oracle-1")
    quote = price(
        UsageReport(Usage(input=1), (Part(Usage(input=1)), unknown, unknown)), model=OPUS, at=TODAY, book=shipped_book()
    )
    expected = 'no price for model "claude-oracle-1": add a [[model]] entry for it to the price file'
    assert quote == Quote(None, missing=(expected,))


ONE = "input = 1\ncache_read = 1\ncache_write_5m = 1\ncache_write_1h = 1\noutput = 1\n"


def users(text: str) -> PriceBook:
    return shipped_book().extended(parse_book(text, source="acme.toml"))


def test_a_day_before_the_first_row_has_no_price() -> None:
    """A user's price that starts tomorrow is not today's."""
    book = users(f'[[model]]\nid = "mine"\nfrom = 2026-12-01\n{ONE}')
    early = price(report(Usage(input=1)), model="mine", at=date(2026, 11, 30), book=book)
    assert early.missing == (
        'no price for model "mine" on 2026-11-30, its first row starts on 2026-12-01: add an earlier one to the price '
        "file",
    )
    assert early.cost_nano_usd is None
    assert cost(Usage(input=1), "mine", date(2026, 12, 1), book) == 1_000


def test_what_a_book_lacks_is_named() -> None:
    """A book without modifiers and fees prices what needs none, and says what it lacks."""
    book = parse_book(f'[[model]]\nid = "mine"\n{ONE}', source="acme.toml")
    assert cost(Usage(input=1), "mine", book=book) == 1_000
    batch = price(report(Usage(input=1)), model="mine", at=TODAY, book=book, batch=True)
    assert batch == Quote(None, missing=("no factor for batch in acme.toml: add it under [modifiers]",))
    search = price(report(Usage(input=1, web_searches=1)), model="mine", at=TODAY, book=book)
    expected = "no fee for a web search in acme.toml: add web_search_per_1000 under [fees]"
    assert search == Quote(None, missing=(expected,))


def test_a_users_file_adds_replaces_and_scales() -> None:
    """A new model, a replaced one, and one at 1.10; another stays as it was."""
    book = users(
        f'[[model]]\nid = "mine"\n{ONE}\n[[model]]\nid = "claude-opus-5"\n{ONE}\n'
        '[[model]]\nid = "claude-sonnet-5-5"\nmultiply = "1.10"\n'
    )
    output = Usage(output=MTOK)
    assert cost(output, "mine", book=book) == nano("1")
    assert cost(output, "us.anthropic.claude-opus-5", book=book) == nano("1.10")
    assert cost(output, "claude-sonnet-5-5", book=book) == nano("11")
    assert cost(output, "claude-sonnet-5", book=book) == nano("10")
    scaled = price(report(output), model="claude-sonnet-5-5", at=TODAY, book=book, batch=True)
    assert (scaled.cost_nano_usd, scaled.modifiers) == (nano("5.50"), ("batch", "multiply:1.1"))


def test_a_contract_discount_is_on_everything() -> None:
    """0.85 of 20 dollars and of a one-cent search; with a model's own 1.10 it is 0.935."""
    book = users('multiply = "0.85"\n[[model]]\nid = "claude-sonnet-5-5"\nmultiply = "1.10"\n')
    assert cost(Usage(output=MTOK, web_searches=1), OPUS, book=book) == nano("17.0085")
    quote = price(report(Usage(output=MTOK, web_searches=1)), model="claude-sonnet-5-5", at=TODAY, book=book)
    assert (quote.cost_nano_usd, quote.modifiers) == (nano("9.3585"), ("multiply:0.935",))


def test_a_factor_that_leaves_fractions_is_rounded_once() -> None:
    """0.333333333333 of 2 USD/MTok is 666,666.666666 pico-dollars: three tokens are 2,000 nano."""
    book = users('multiply = "0.333333333333"')
    quote = price(report(Usage(input=3)), model="claude-sonnet-5-5", at=TODAY, book=book)
    assert quote.cost_nano_usd == 2_000
    assert [(line.pico_usd_each, line.nano_usd) for line in quote.lines] == [(666_667, 2_000)]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    # Haiku 5.5, cache reads in a batch in a region: 0.01 x 0.5 x 1.1 USD/MTok is 5.5 nano-dollars a token.
    [(1, 6), (2, 11), (3, 16), (4, 22), (5, 28), (7, 38)],
)
def test_halves_go_to_the_even_nano(tokens: int, expected: int) -> None:
    """5.5, 11, 16.5, 22, 27.5 and 38.5 nano-dollars: each half goes to the even neighbour."""
    quote = price(
        report(Usage(cache_read=tokens)),
        model="eu.anthropic.claude-haiku-5-5",
        at=TODAY,
        book=shipped_book(),
        batch=True,
    )
    assert quote.cost_nano_usd == expected


def test_the_remainder_goes_where_most_was_cut_off() -> None:
    """Half-nanos: 5.5 for the read and 68.75 for the write make 74.25, so 74: 5 and 69, since .75 is more than .5."""
    quote = price(
        report(Usage(cache_read=1, cache_write_5m=1)),
        model="eu.anthropic.claude-haiku-5-5",
        at=TODAY,
        book=shipped_book(),
        batch=True,
    )
    assert quote.cost_nano_usd == 74
    assert [(line.label, line.nano_usd) for line in quote.lines] == [("cache_read", 5), ("cache_write_5m", 69)]


counts = st.integers(min_value=0, max_value=10**9)
usages = st.builds(
    Usage,
    input=counts,
    cache_read=counts,
    cache_write_5m=counts,
    cache_write_1h=counts,
    output=counts,
    web_searches=counts,
)
models = st.sampled_from([*LIST, "eu.anthropic.claude-haiku-5-5", "us-gov.anthropic.claude-haiku-5-5"])
ODD = users('multiply = "0.123456789012"')


@settings(deadline=None, max_examples=60)
@given(st.lists(usages, min_size=1, max_size=3), models, st.booleans(), st.booleans(), st.booleans())
def test_lines_add_up(parts: list[Usage], model: str, batch: bool, fast: bool, odd: bool) -> None:
    """Whatever the factors, the lines are the cost, none is negative, and none is off by a whole nano."""
    whole = UsageReport(parts[0], tuple(Part(usage) for usage in parts))
    book = ODD if odd else shipped_book()
    quote = price(whole, model=model, at=TODAY, book=book, batch=batch, fast=fast)
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
    single = [
        Usage(input=usage.input),
        Usage(cache_read=usage.cache_read),
        Usage(cache_write_5m=usage.cache_write_5m),
        Usage(cache_write_1h=usage.cache_write_1h),
        Usage(output=usage.output),
        Usage(web_searches=usage.web_searches),
    ]
    costs = [cost(each, model) for each in single]
    assert all(each is not None and each >= 0 for each in costs)
    assert cost(usage, model) == sum(each or 0 for each in costs)
    times = [cost(_times(each, factor), model) for each in single]
    assert times == [(each or 0) * factor for each in costs]


def _times(usage: Usage, factor: int) -> Usage:
    return Usage(
        input=usage.input * factor,
        cache_read=usage.cache_read * factor,
        cache_write_5m=usage.cache_write_5m * factor,
        cache_write_1h=usage.cache_write_1h * factor,
        output=usage.output * factor,
        web_searches=usage.web_searches * factor,
    )


MIXED = Usage(input=12_345, cache_read=67_891, cache_write_5m=2_468, cache_write_1h=1_357, output=9_753, web_searches=2)


def theirs(usage: Usage, model: str, at: date) -> int:
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
        provider_id="anthropic",
        genai_request_timestamp=datetime(at.year, at.month, at.day, tzinfo=UTC),
    )
    return int(Decimal(found.total_price) * 10**9)


UNKNOWN_TO_THEM = {"claude-mythos-5-1", "claude-mythos-5"}
WITHOUT_SEARCHES = {"claude-3-opus-latest", "claude-3-haiku-20240307"}
"""Older than the search tool: genai-prices has no fee there, and no such call can be made."""


@pytest.mark.parametrize("model", sorted(LIST.keys() - UNKNOWN_TO_THEM))
def test_genai_prices_agrees_today(model: str) -> None:
    """A second price book, kept by others, comes to the same nano-dollar for every model that it knows."""
    usage = replace(MIXED, web_searches=0) if model in WITHOUT_SEARCHES else MIXED
    assert cost(usage, model) == theirs(usage, model, TODAY)


@pytest.mark.parametrize("model", sorted(UNKNOWN_TO_THEM))
def test_genai_prices_knows_no_mythos_before_5_2(model: str) -> None:
    """Ours is right to price it: Anthropic's page of September lists it at Fable's price."""
    with pytest.raises(LookupError):
        theirs(MIXED, model, TODAY)
    assert cost(MIXED, model) == cost(MIXED, model.replace("mythos", "fable"))


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
def test_genai_prices_agrees_on_tiers_and_their_history(model: str, day: date, usage: Usage) -> None:
    """The long-prompt prices and their ends are the same in both books."""
    assert cost(usage, model, day) == theirs(usage, model, day)


@pytest.mark.parametrize(
    ("model", "day", "usage", "ours", "others"),
    [
        # They keep no history of the cut of 2026-10-07; Anthropic's own page showed 0.20 before it. Ours is right.
        ("claude-sonnet-5-5", date(2026, 10, 6), Usage(cache_read=MTOK), "0.20", "0.10"),
        # The beta of prompts above 200,000 tokens ended: Anthropic refuses them now, so the tier stands for nothing.
        ("claude-sonnet-4-5", TODAY, Usage(input=MTOK), "3", "6"),
        # They never had the beta's price of Sonnet 4, which was that of Sonnet 4.5. Ours is right.
        ("claude-sonnet-4-0", date(2026, 4, 29), Usage(input=MTOK), "6", "3"),
    ],
)
def test_where_genai_prices_differs(model: str, day: date, usage: Usage, ours: str, others: str) -> None:
    """Each difference is known and has its reason; should they change, this says so."""
    assert cost(usage, model, day) == nano(ours)
    assert theirs(usage, model, day) == nano(others)
