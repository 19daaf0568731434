"""Claims about counting anew: what the ledger keeps of a charge gives its cost by another book, or is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.agent.ledger.life import Source
from bursar.agent.ledger.recount import Left, recount
from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.prices import ModelPrices, PriceBook, PriceRow, Rates, parse_book, price, shipped_book
from bursar.policies.usage import Part, Usage, UsageReport

TODAY = date(2026, 11, 22)
AT_NS = int(datetime(2026, 11, 22, 15, tzinfo=UTC).timestamp()) * 10**9
MTOK = 1_000_000
SHIPPED = shipped_book()
OPUS = "claude-opus-5-5"


def priced(text: str, book: PriceBook = SHIPPED) -> PriceBook:
    return book.extended(parse_book(text, source="acme.toml"))


def row(model: str, usd: int, *more: str) -> str:
    prices = "\n".join(
        f"{name} = {usd}" for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    )
    return "\n".join(["[[model]]", f'id = "{model}"', prices, *more])


NEXT = priced(row("claude-next", 2))


def charge(
    *parts: Part,
    model: str = OPUS,
    book: PriceBook = SHIPPED,
    region: str | None = None,
    tier: str | None = None,
    speed: str | None = None,
    geo: str | None = None,
) -> Charge:
    """What a call is charged by a book, as the instrumentation makes it."""
    report = UsageReport(parts[0].usage, parts, tier, geo, speed)
    quote = price(report, model=model, at=TODAY, book=book, region=region)
    basis = Basis.UNKNOWN if quote.cost_nano_usd is None else Basis.ESTIMATE if quote.estimated else Basis.USAGE
    return Charge(
        "a1",
        quote.cost_nano_usd,
        report.usage,
        basis,
        model,
        model,
        "support",
        at_ns=AT_NS,
        price_id=quote.price_id,
        lines=quote.lines,
        missing=quote.missing,
        modifiers=quote.modifiers,
    )


def again(old: Charge, book: PriceBook, source: Source = "journal") -> Charge:
    new = recount(old, book, source=source)
    assert isinstance(new, Charge)
    return new


counts = st.integers(min_value=0, max_value=300_000)
usages = st.builds(
    Usage,
    input=counts,
    cache_read=counts,
    cache_write_5m=counts,
    cache_write_1h=counts,
    output=counts,
    web_searches=st.integers(0, 9),
)
BOOKS = [
    SHIPPED,
    priced('multiply = "0.85"'),
    priced('multiply = "0.123456789012"'),
    priced(row(OPUS, 7, "from = 2026-11-01")),
    priced('[fees]\nweb_search_per_1000 = 8\n[modifiers]\nbatch = "0.4"\n"geo:us" = "1.3"\nregional = "1.2"'),
]
models = st.sampled_from(
    [OPUS, "claude-haiku-5-5", "claude-sonnet-4-5", "eu.anthropic.claude-opus-4-8", "claude-3-haiku-20240307"]
)


@settings(deadline=None, max_examples=150)
@given(
    usage=usages,
    model=models,
    old=st.sampled_from(BOOKS),
    new=st.sampled_from(BOOKS[1:]),
    tier=st.sampled_from(["standard", "batch"]),
    speed=st.sampled_from(["standard", "fast"]),
    geo=st.sampled_from(["us", "global"]),
    region=st.sampled_from([None, "us-gov", "jp"]),
)
def test_counting_anew_is_pricing_anew(
    usage: Usage, model: str, old: PriceBook, new: PriceBook, tier: str, speed: str, geo: str, region: str | None
) -> None:
    """From the ledger's lines comes the very charge that the response would have had by the other book."""
    before, expected = (
        charge(Part(usage), model=model, book=book, region=region, tier=tier, speed=speed, geo=geo)
        for book in (old, new)
    )
    found = recount(before, new, source="journal")
    assert isinstance(found, Charge)
    assert (found.cost_nano_usd, found.lines) == (expected.cost_nano_usd, expected.lines)
    if found.lines:
        assert found == expected


def test_several_parts_keep_their_models() -> None:
    """An advisor stays at its own model: 1 MTok on Opus 5.5 and 1 MTok on Sonnet 5.5 at 0.50 are 2 + 1 dollars."""
    old = charge(Part(Usage(input=MTOK)), Part(Usage(input=MTOK), "advisor", "claude-sonnet-5-5"))
    new = again(old, priced('multiply = "0.5"'))
    assert (old.cost_nano_usd, new.cost_nano_usd) == (6 * 10**9, 3 * 10**9)
    assert [(line.model, line.nano_usd) for line in new.lines] == [(OPUS, 2 * 10**9), ("claude-sonnet-5-5", 10**9)]


@pytest.mark.parametrize(
    ("tier", "geo", "region", "nano"),
    [
        (None, None, None, 2 * 10**9),
        ("batch", None, None, 10**9),
        (None, "us", None, 2_200_000_000),
        (None, None, "eu", 2_200_000_000),
        (None, None, "us-gov", 2_400_000_000),
    ],
)
def test_what_had_no_price_is_priced_with_all_its_terms(
    tier: str | None, geo: str | None, region: str | None, nano: int
) -> None:
    """A million tokens of a model that gets a row of 2 USD, and whatever the response told of tier and place."""
    old = charge(Part(Usage(input=MTOK)), model="claude-next", region=region, tier=tier, geo=geo)
    assert (old.cost_nano_usd, old.basis) == (None, Basis.UNKNOWN)
    new = again(old, priced(row("claude-next", 2, "geo = true", "regional = true")))
    assert (new.cost_nano_usd, new.basis, new.missing) == (nano, Basis.USAGE, ())
    assert new.price_id == "claude-next@launch/acme.toml"


def test_a_region_in_the_id_of_an_unpriced_model_counts() -> None:
    """`eu.anthropic.claude-next` is found under its name, and is a tenth dearer."""
    old = charge(Part(Usage(input=MTOK)), model="eu.anthropic.claude-next")
    assert again(old, priced(row("claude-next", 2, "regional = true"))).cost_nano_usd == 2_200_000_000


TIERED = PriceBook(
    "tiers",
    (
        ModelPrices(
            "claude-next",
            tuple(
                PriceRow(f"next{mark}", date.min, above, Rates(*[n * MTOK] * 5), "t")
                for mark, above, n in (("", 0, 1), (">100", 100, 5))
            ),
        ),
    ),
    {},
)


def test_parts_without_a_price_have_tiers_of_their_own() -> None:
    """Two prompts of 60 tokens are two short ones: 120 at 1 USD/MTok; one of 120 costs five times that."""
    twice = charge(Part(Usage(input=60, output=1)), Part(Usage(input=60, output=1)), model="claude-next")
    once = charge(Part(Usage(input=120, output=2)), model="claude-next")
    assert again(twice, TIERED).cost_nano_usd == 122_000
    assert again(once, TIERED).cost_nano_usd == 610_000


def test_parts_without_a_price_are_told_apart_by_their_models_too() -> None:
    """A part of input alone, and one of another model of output alone: 2 USD and 4 USD of the two models' rows."""
    old = charge(Part(Usage(input=MTOK)), Part(Usage(output=MTOK), "advisor", "claude-other"), model="claude-next")
    new = again(old, priced(f"{row('claude-next', 2)}\n{row('claude-other', 4)}"))
    assert [(line.model, line.label, line.nano_usd) for line in new.lines] == [
        ("claude-next", "input", 2 * 10**9),
        ("claude-other", "output", 4 * 10**9),
    ]


def test_what_still_has_no_price_stays_unknown() -> None:
    """It is not changed, and no reason to leave anything alone."""
    old = charge(Part(Usage(input=1)), model="claude-next")
    assert recount(old, SHIPPED, source="journal") is old


@pytest.mark.parametrize(
    ("source", "missing", "basis"),
    [
        ("journal", (), Basis.USAGE),
        ("span", ("speed",), Basis.SPAN),
        ("journal", ("output after the stream was broken off",), Basis.ESTIMATE),
        ("span", ("output tokens: the stream was not read to its end",), Basis.ESTIMATE),
        ("span", ("input tokens",), Basis.ESTIMATE),
    ],
)
def test_a_new_price_makes_figures_no_better_than_they_are(
    source: Source, missing: tuple[str, ...], basis: Basis
) -> None:
    """What lacked only a price becomes what its source is worth; a lower bound stays one; other doubts stay named."""
    old = charge(Part(Usage(input=MTOK)), model="claude-next")
    new = again(replace(old, missing=(*old.missing, *missing)), NEXT, source)
    assert (new.basis, new.missing) == (basis, missing)


def test_a_lower_bound_of_a_stream_stays_an_estimate() -> None:
    """Its price changes, its nature does not."""
    old = replace(
        charge(Part(Usage(input=MTOK))), basis=Basis.ESTIMATE, missing=("output after the stream was broken off",)
    )
    new = again(old, priced('multiply = "0.5"'))
    assert (new.cost_nano_usd, new.basis, new.missing) == (2 * 10**9, Basis.ESTIMATE, old.missing)


def test_speed_without_a_fast_price_gets_one_when_there_is_one() -> None:
    """The note that it ran fast is enough to know it by."""
    old = charge(Part(Usage(output=MTOK)), model="claude-sonnet-5-5", speed="fast")
    new = again(old, priced('[[model]]\nid = "claude-sonnet-5-5"\nfast = true'))
    assert (old.cost_nano_usd, new.cost_nano_usd) == (10**10, 2 * 10**10)
    assert (new.modifiers, new.missing) == (("fast",), ())


@pytest.mark.parametrize("modifier", ["refused", "linked"])
def test_what_was_free_stays_free(modifier: str) -> None:
    """A refusal before any output, and a call on somebody else's bill."""
    old = replace(charge(Part(Usage(input=MTOK))), cost_nano_usd=0, lines=(), modifiers=(modifier,))
    assert recount(old, NEXT, source="journal") is old


def elsewhere(name: str, day: date) -> ModelPrices | None:
    rows = (PriceRow(f"{name}/genai-prices-9", date.min, 0, Rates(*[MTOK] * 5), "genai-prices 9"),)
    return ModelPrices(name, rows)


FALLING_BACK = SHIPPED.with_fallback(elsewhere)


def test_an_estimate_by_another_book_becomes_exact_once_there_is_a_row() -> None:
    """Unknown, then estimated at 1 USD or anew at half, then exact at 2: each step only towards the better."""
    unknown = charge(Part(Usage(input=MTOK)), model="claude-next")
    estimated = again(unknown, FALLING_BACK)
    assert (estimated.cost_nano_usd, estimated.basis) == (10**9, Basis.ESTIMATE)
    halved = again(estimated, priced('multiply = "0.5"', FALLING_BACK))
    assert (halved.cost_nano_usd, halved.basis) == (5 * 10**8, Basis.ESTIMATE)
    exact = again(estimated, NEXT)
    assert (exact.cost_nano_usd, exact.basis, exact.missing) == (2 * 10**9, Basis.USAGE, ())
    assert recount(exact, priced('multiply = "0.5"', FALLING_BACK), source="journal") is Left.NO_PRICE
    assert recount(exact, priced('multiply = "0.5"'), source="journal") is Left.NO_PRICE


@pytest.mark.parametrize(
    ("old", "left"),
    [
        pytest.param(
            replace(charge(Part(Usage())), cost_nano_usd=None, basis=Basis.UNKNOWN),
            Left.NO_USAGE,
            id="nothing was seen",
        ),
        pytest.param(
            replace(charge(Part(Usage(input=9)), model="claude-next"), lines=(), modifiers=()),
            Left.NO_TERMS,
            id="unpriced, from an earlier version",
        ),
        pytest.param(
            replace(charge(Part(Usage(input=9))), cost_nano_usd=500, lines=()), Left.NO_LINES, id="a bound, or a sum"
        ),
        pytest.param(
            replace(charge(Part(Usage(input=9))), cost_nano_usd=1), Left.NO_LINES, id="lines of something else"
        ),
        pytest.param(charge(Part(Usage(input=9)), book=BOOKS[3]), Left.OTHER_BOOK, id="a row of the user's"),
        pytest.param(charge(Part(Usage(input=9)), book=BOOKS[1]), Left.OTHER_BOOK, id="a discount of the user's"),
    ],
)
def test_what_cannot_be_told_is_left_alone(old: Charge, left: Left) -> None:
    """With the reason; nothing is guessed."""
    assert recount(old, SHIPPED, source="journal") is left


def test_a_book_without_a_search_fee_leaves_searches_alone() -> None:
    """Half a price is none."""
    alone = parse_book(f"replace = true\n{row(OPUS, 1)}", source="acme.toml")
    assert recount(charge(Part(Usage(input=1, web_searches=1))), alone, source="journal") is Left.NO_PRICE
    assert again(charge(Part(Usage(input=1_000))), alone).cost_nano_usd == 1_000_000


def haiku(prompt: int, price_id: str) -> Charge:
    """A charge of Haiku 5.5 in one line, of as many prompts as anybody likes."""
    line = Line("input", prompt, 100_000, prompt // 10, "claude-haiku-5-5", price_id)
    return replace(
        charge(Part(Usage(input=prompt)), model="claude-haiku-5-5"), cost_nano_usd=prompt // 10, lines=(line,)
    )


@pytest.mark.parametrize(
    ("prompt", "price_id", "price"),
    [
        # The same rows are in the new book: what was in a tier stays in it, however many prompts there were.
        (250_000, "claude-haiku-5-5@launch", 100_000),
        (250_000, "claude-haiku-5-5@launch>100000", 500_000),
        # Rows of another book: no prompt was longer than all together, and each was longer than the row's mark.
        (100_000, "other@launch", 100_000),
        (250_000, "other@launch>100000", 500_000),
        (250_000, "other@launch>200000/acme.toml", 500_000),
        # Some of them may have been longer than the mark, and some not.
        (100_001, "other@launch", None),
        (250_000, "other@launch>50000", None),
    ],
)
def test_the_length_tier_is_known_or_the_charge_is_left_alone(prompt: int, price_id: str, price: int | None) -> None:
    """Lines of one price are summed over their prompts; where the sum leaves the tier open, nothing is guessed."""
    found = recount(haiku(prompt, price_id), priced("[fees]\nweb_search_per_1000 = 8"), source="journal")
    if price is None:
        assert found is Left.LENGTHS
    else:
        assert isinstance(found, Charge)
        assert [line.pico_usd_each for line in found.lines] == [price]
