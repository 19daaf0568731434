from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from bursar.policies.charge import Line
from bursar.policies.prices import (
    ModelPrices,
    PriceBook,
    PriceRow,
    Quote,
    Rates,
    bills_user_profile,
    parse_book,
    price,
    shipped_book,
)
from bursar.policies.usage import Part, Usage, UsageReport

TODAY = date(2026, 11, 22)
MTOK = 1_000_000
OPUS = "claude-opus-5-5"


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


def test_a_batch_is_one_by_its_response_or_by_the_callers_word() -> None:
    """Whether the response or the caller says it: half of 20 dollars, once."""
    said = price(
        report(Usage(output=MTOK), service_tier="batch"), model=OPUS, at=TODAY, book=shipped_book(), batch=True
    )
    known = price(report(Usage(output=MTOK)), model=OPUS, at=TODAY, book=shipped_book(), batch=True)
    assert said == known
    assert (known.cost_nano_usd, known.modifiers) == (nano("10"), ("batch",))


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


def test_what_the_figures_leave_open_stands_beside_the_cost() -> None:
    """Doubts of the usage are passed on, each once, after those of the price; the cost is not changed by them."""
    doubtful = replace(report(Usage(output=MTOK), service_tier="priority"), missing=("one", "two", "one"))
    quote = price(doubtful, model="claude-sonnet-5-5", at=TODAY, book=shipped_book(), fast=True)
    assert quote.cost_nano_usd == nano("10")
    assert quote.missing == (
        "fast speed: claude-sonnet-5-5 has no fast price on 2026-11-22, standard price taken",
        "priority tier: drawn from a prepaid commitment, shown at list price",
        "one",
        "two",
    )


@pytest.mark.parametrize(
    ("policy", "linked"),
    [
        (None, False),
        ({}, False),
        ("user_profile", False),
        ({"type": "billing_policy"}, False),
        ({"type": "billing_policy", "bill_to": "self"}, False),
        ({"type": "billing_policy", "bill_to": "user_profile"}, True),
    ],
)
def test_who_asks_that_somebody_else_be_billed(policy: object, linked: bool) -> None:
    """Only the request says so; its default bills the caller."""
    assert bills_user_profile({"model": OPUS, "billing_policy": policy}) is linked
    assert bills_user_profile({"model": OPUS}) is False


@pytest.mark.parametrize(("model", "cost"), [(OPUS, "20.00 USD"), ("claude-next", "an unknown price")])
def test_a_call_that_somebody_else_pays_costs_the_caller_nothing(model: str, cost: str) -> None:
    """It is no cost of the caller's budgets; what it costs the other is told."""
    quote = price(report(Usage(output=MTOK)), model=model, at=TODAY, book=shipped_book(), linked=True)
    said = f"linked billing: billed to the user profile's organisation, {cost} by this price book"
    assert (quote.cost_nano_usd, quote.lines, quote.modifiers, quote.missing[0]) == (0, (), ("linked",), said)


def elsewhere(name: str, day: date) -> ModelPrices | None:
    """Another book, which knows one model more: 2 USD in, and 20 beyond 1,000 tokens."""
    if name != "claude-next":
        return None
    rows = [
        PriceRow(f"{name}/{above}", date.min, above, Rates(*[n * MTOK] * 5), "theirs")
        for above, n in ((0, 2), (1_000, 20))
    ]
    return ModelPrices(name, tuple(rows), regional=True)


def test_a_fallback_makes_an_estimate() -> None:
    """It is asked for what the book does not have, in whatever form, and its tiers and our modifiers count."""
    book = shipped_book().with_fallback(elsewhere)
    quote = price(report(Usage(input=1_000)), model="eu.anthropic.claude-next", at=TODAY, book=book, batch=True)
    assert (quote.cost_nano_usd, quote.estimated, quote.price_id) == (1_100_000, True, "claude-next/0")
    assert quote.modifiers == ("batch", "regional")
    assert quote.missing == (
        'no price for model "claude-next" in bursar/policies/shipped/prices.toml: estimated by theirs',
    )
    longer = price(report(Usage(input=1_001)), model="claude-next", at=TODAY, book=book)
    assert (longer.cost_nano_usd, longer.price_id) == (20_020_000, "claude-next/1000")


def test_a_fallback_is_not_asked_for_what_the_book_has_nor_believed_in_what_it_has_not() -> None:
    """Our own row stays exact, and a model that neither knows stays unknown; one estimated part is an estimate."""
    book = shipped_book().with_fallback(elsewhere)
    known = price(report(Usage(input=1)), model=OPUS, at=TODAY, book=book)
    assert (known.cost_nano_usd, known.estimated) == (4_000, False)
    assert price(report(Usage(input=1)), model="claude-other", at=TODAY, book=book).cost_nano_usd is None
    parts = (Part(Usage(input=1)), Part(Usage(input=1), "advisor", "claude-next"))
    mixed = price(UsageReport(Usage(input=1), parts), model=OPUS, at=TODAY, book=book)
    assert (mixed.cost_nano_usd, mixed.estimated) == (6_000, True)


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


def used(label: str, quantity: int, model: str) -> Line:
    """A line of a response that has no price."""
    return Line(label, quantity, pico_usd_each=0, nano_usd=0, model=model, price_id="")


@pytest.mark.parametrize("model", ["claude-opus-9", "claude-opus-5-5-5", "claude-mythos-preview", "gpt-5", ""])
def test_an_unknown_model_costs_nobody_knows_what(model: str) -> None:
    """Never zero dollars: the quote names the model and what to do."""
    quote = price(report(Usage(input=MTOK)), model=model, at=TODAY, book=shipped_book())
    expected = f'no price for model "{model}": add a [[model]] entry for it to the price file'
    assert quote == Quote(None, lines=(used("input", MTOK, model),), missing=(expected,))


def test_one_unknown_part_makes_the_whole_unknown() -> None:
    """Half a cost is no cost; each unknown model is named once."""
    unknown = Part(Usage(input=1), "advisor", "claude-oracle-1")
    quote = price(
        UsageReport(Usage(input=1), (Part(Usage(input=1)), unknown, unknown)), model=OPUS, at=TODAY, book=shipped_book()
    )
    expected = 'no price for model "claude-oracle-1": add a [[model]] entry for it to the price file'
    lines = (used("input", 1, OPUS), *[used("input", 1, "claude-oracle-1")] * 2)
    assert quote == Quote(None, lines=lines, missing=(expected,))


@pytest.mark.parametrize(
    ("model", "terms", "region", "modifiers"),
    [
        ("claude-next", {}, None, ()),
        ("claude-next", {"service_tier": "batch", "speed": "fast"}, None, ("batch", "fast")),
        ("claude-next", {"inference_geo": "us"}, None, ("geo:us",)),
        ("eu.anthropic.claude-next", {}, None, ("regional",)),
        ("claude-next", {}, "us-gov-west-1", ("us-gov",)),
        ("global.anthropic.claude-next", {"inference_geo": "global"}, None, ()),
    ],
)
def test_what_has_no_price_yet_keeps_all_that_it_will_depend_on(
    model: str, terms: dict[str, str], region: str | None, modifiers: tuple[str, ...]
) -> None:
    """What was used, part by part and in the order of classes, and what the response tells of tier, speed and place."""
    usage = Usage(input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5, web_searches=6)
    quote = price(report(usage, **terms), model=model, at=TODAY, book=shipped_book(), region=region)
    assert quote.modifiers == modifiers
    assert [(line.label, line.quantity) for line in quote.lines] == [
        ("input", 1),
        ("cache_read", 2),
        ("cache_write_5m", 3),
        ("cache_write_1h", 4),
        ("output", 5),
        ("web_search", 6),
    ]
    assert {(line.model, line.price_id, line.nano_usd) for line in quote.lines} == {(model, "", 0)}


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
    assert batch.cost_nano_usd is None
    assert batch.missing == ("no factor for batch in acme.toml: add it under [modifiers]",)
    search = price(report(Usage(input=1, web_searches=1)), model="mine", at=TODAY, book=book)
    assert search.cost_nano_usd is None
    assert search.missing == ("no fee for a web search in acme.toml: add web_search_per_1000 under [fees]",)


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
