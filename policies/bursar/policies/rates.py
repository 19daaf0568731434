"""What does a token of each class cost, on a day and under given terms?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from bursar.policies.book import ModelPrices, PriceBook, PriceRow, Rates
from bursar.policies.models import canonical

CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
LABELS = (*CLASSES, "web_search")
"""What lines of a charge bill, in the order in which they stand."""

Terms = tuple[str, date, bool, bool, str | None, str | None, bool]
"""
What a price depends on: model id, day in UTC, batch, fast, `usage.inference_geo`, region, and whether it is regional.

A plain tuple, since it is made and looked up on every call's path.
"""

NO_PRICE, NO_FACTOR, NO_FEE, FAST_SPEED = "no price for model", "no factor for", "no fee for", "fast speed:"
"""How the words begin that say why there is no price, or in what it is not that of the response."""

_KEPT = 1024


class Item(NamedTuple):
    """What one line of a charge bills."""

    label: str
    rate: int | Fraction
    """Pico-dollars a token or request, exact."""
    model: str
    price_id: str
    shown: int
    """The rate to the nearest whole pico-dollar."""


class Offer(NamedTuple):
    """One price row with all modifiers applied."""

    above: int
    """For prompts of more tokens than this; zero: for all that no longer tier takes."""
    items: tuple[Item, ...]
    """In the order of LABELS; a web search only where the book has a fee for it."""
    modifiers: tuple[str, ...]
    missing: tuple[str, ...]
    rates: Rates
    """The same in whole pico-dollars, rounded up where a factor of the user's leaves fractions: fit for bounds."""
    estimated: bool
    """Whether the row is not of the book, but of its fallback."""


class UnpricedError(Exception):
    """There is no price: why, and what to do."""


def rates(
    model: str,
    at: date,
    book: PriceBook,
    *,
    prompt_tokens: int = 0,
    batch: bool = False,
    fast: bool = False,
    geo: str | None = None,
    regional: bool = False,
    region: str | None = None,
) -> Rates | None:
    """
    What a token of each class costs, modifiers applied; None for a model or a day without a price.

    Whole pico-dollars, rounded up where a factor of the user's leaves fractions: fit for bounds.
    """
    try:
        tiers = offers_for(book, (model, day_of(at), batch, fast, geo, region, regional))
    except UnpricedError:
        return None
    return fitting(tiers, prompt_tokens).rates


def offers_for(book: PriceBook, terms: Terms) -> tuple[Offer, ...]:
    """The prices of a model under these terms, one for each length tier, the longest first. Raises UnpricedError."""
    return book.offers.get(terms) or _kept(book, terms)


def fitting(tiers: tuple[Offer, ...], prompt_tokens: int) -> Offer:
    """The one for a prompt of this length."""
    for offer in tiers:
        if prompt_tokens > offer.above:
            return offer
    return tiers[-1]


def day_of(at: date) -> date:
    """A day as it is; of a time, its day in UTC, which a time without a zone is taken to be in."""
    if isinstance(at, datetime):
        return (at if at.tzinfo in (UTC, None) else at.astimezone(UTC)).date()
    return at


def told(terms: Terms) -> tuple[str, ...]:
    """The modifiers that the terms call for, whatever the model: all that is known where there is no price."""
    model, _, batch, fast, geo, region, regional = terms
    place = region_of(model, region, regional=regional)
    names = {"batch": batch, "fast": fast, _place(place): place not in (None, "global"), "geo:us": geo == "us"}
    return tuple(name for name, holds in names.items() if holds)


def region_of(model: str, region: str | None, *, regional: bool) -> str | None:
    """The region that a model id names, or else the one given, or else any where `regional` says so."""
    return canonical(model).region or region or ("regional" if regional else None)


def _kept(book: PriceBook, terms: Terms) -> tuple[Offer, ...]:
    """The offers, from now on kept beside the book; ids come from outside, so not without end."""
    offers = _offers(book, terms)
    if len(book.offers) >= _KEPT:
        book.offers.clear()
    book.offers[terms] = offers
    return offers


def _offers(book: PriceBook, terms: Terms) -> tuple[Offer, ...]:
    model, day = terms[:2]
    found, estimated = book.find(model), False
    if found is None and book.fallback is not None:
        found, estimated = book.fallback(canonical(model).id, day), True
    if found is None:
        raise UnpricedError(f'{NO_PRICE} "{model}": add a [[model]] entry for it to the price file')
    rows = found.rows_on(day)
    if not rows:
        first = f"its first row starts on {found.rows[0].starts}" if found.rows else "it has no rows"
        raise UnpricedError(f'{NO_PRICE} "{model}" on {day}, {first}: add an earlier one to the price file')
    return tuple(_offer(found, row, book, terms, estimated=estimated) for row in reversed(rows))


def _offer(model: ModelPrices, row: PriceRow, book: PriceBook, terms: Terms, *, estimated: bool) -> Offer:
    names = _modifiers(model, terms)
    own = model.multiply * book.multiply
    factor = own * _product(names, book)
    items = [_item(label, getattr(row.rates, label) * factor, row, model) for label in CLASSES]
    if book.web_search_pico is not None:
        items.append(_item("web_search", book.web_search_pico * book.multiply, row, model))
    missing: tuple[str, ...] = ()
    _, day, _, fast, *_ = terms
    if fast and "fast" not in names:
        missing = (f"{FAST_SPEED} {model.id} has no fast price on {day}, standard price taken",)
    if estimated:
        missing = (*missing, f'{NO_PRICE} "{model.id}" in {book.source}: estimated by {row.source}')
    if own != 1:
        names = (*names, f"multiply:{Decimal(own.numerator) / own.denominator:f}")
    whole = Rates(*(-int(-item.rate // 1) for item in items))
    return Offer(row.above, tuple(items), names, missing, whole, estimated)


def _modifiers(model: ModelPrices, terms: Terms) -> tuple[str, ...]:
    """The modifiers that apply. A place is paid for once: a cloud's region, or else Anthropic's own geography."""
    model_id, day, batch, fast, geo, region, regional = terms
    place = region_of(model_id, region, regional=regional)
    names: list[str] = []
    if batch:
        names.append("batch")
    if fast and model.has_fast(day):
        names.append("fast")
    if _place(place) == "us-gov":
        names.append("us-gov")
    elif place not in (None, "global") and model.regional:
        names.append("regional")
    elif geo == "us" and model.geo:
        names.append("geo:us")
    return tuple(names)


def _place(region: str | None) -> str:
    return "us-gov" if region is not None and region.startswith("us-gov") else "regional"


def _product(names: Iterable[str], book: PriceBook) -> Fraction:
    factor = Fraction(1)
    for name in names:
        if name not in book.modifiers:
            raise UnpricedError(f"{NO_FACTOR} {name} in {book.source}: add it under [modifiers]")
        factor *= book.modifiers[name]
    return factor


def _item(label: str, rate: Fraction, row: PriceRow, model: ModelPrices) -> Item:
    # Nearly every rate is whole, and a whole number is far quicker to reckon with.
    exact = rate.numerator if rate.denominator == 1 else rate
    return Item(label, exact, model.id, row.id, round(rate))
