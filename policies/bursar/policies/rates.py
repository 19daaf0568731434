"""What does a token of each class cost, on a day and under given terms?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from bursar.policies.book import ModelPrices, PriceBook, PriceRow, Rates
from bursar.policies.models import canonical

CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


class Terms(NamedTuple):
    """What moves a price off the list."""

    day: date
    """In UTC."""
    batch: bool = False
    fast: bool = False
    geo: str | None = None
    """As in `usage.inference_geo`."""
    region: str | None = None
    """A cloud's region, or its prefix in a model id; `global` and None cost nothing more."""


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
    """In the order of CLASSES."""
    search: Item | None
    """A web search; None: the book has no fee for it."""
    modifiers: tuple[str, ...]
    missing: tuple[str, ...]


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
    terms = Terms(day_of(at), batch, fast, geo, region_of(model, region, regional=regional))
    try:
        offer = offer_for(book, model, terms, prompt_tokens)
    except UnpricedError:
        return None
    search = offer.search.rate if offer.search else 0
    return Rates(*(-int(-rate // 1) for rate in (*(item.rate for item in offer.items), search)))


def offer_for(book: PriceBook, model: str, terms: Terms, prompt_tokens: int) -> Offer:
    """The price of a model for a prompt's length. Raises UnpricedError."""
    offers = _offers(book, model, terms)
    for offer in offers:
        if prompt_tokens > offer.above:
            return offer
    return offers[-1]


def day_of(at: date) -> date:
    """A day as it is; of a time, its day in UTC, which a time without a zone is taken to be in."""
    if isinstance(at, datetime):
        return (at.astimezone(UTC) if at.tzinfo else at).date()
    return at


def region_of(model: str, region: str | None, *, regional: bool) -> str | None:
    """The region that a model id names, or else the one given, or else any where `regional` says so."""
    return canonical(model).region or region or ("regional" if regional else None)


@lru_cache(maxsize=1024)
def _offers(book: PriceBook, model: str, terms: Terms) -> tuple[Offer, ...]:
    """One for each length tier of the day, the longest first. Kept, since every call asks for one of a few."""
    found = book.find(model)
    if found is None:
        raise UnpricedError(f'no price for model "{model}": add a [[model]] entry for it to the price file')
    rows = found.rows_on(terms.day)
    if not rows:
        first = f"its first row starts on {found.rows[0].starts}" if found.rows else "it has no rows"
        raise UnpricedError(
            f'no price for model "{model}" on {terms.day}, {first}: add an earlier one to the price file'
        )
    return tuple(_offer(found, row, book, terms) for row in reversed(rows))


def _offer(model: ModelPrices, row: PriceRow, book: PriceBook, terms: Terms) -> Offer:
    names = _modifiers(model, terms)
    own = model.multiply * book.multiply
    factor = own * _product(names, book)
    items = (_item(label, getattr(row.rates, label) * factor, row, model) for label in CLASSES)
    search = None
    if book.web_search_pico is not None:
        search = _item("web_search", book.web_search_pico * book.multiply, row, model)
    missing: tuple[str, ...] = ()
    if terms.fast and "fast" not in names:
        missing = (f"fast speed: {model.id} has no fast price on {terms.day}, standard price taken",)
    if own != 1:
        names = (*names, f"multiply:{Decimal(own.numerator) / own.denominator:f}")
    return Offer(row.above, tuple(items), search, names, missing)


def _modifiers(model: ModelPrices, terms: Terms) -> tuple[str, ...]:
    """The modifiers that apply. A place is paid for once: a cloud's region, or else Anthropic's own geography."""
    names: list[str] = []
    if terms.batch:
        names.append("batch")
    if terms.fast and model.has_fast(terms.day):
        names.append("fast")
    if terms.region is not None and terms.region.startswith("us-gov"):
        names.append("us-gov")
    elif terms.region not in (None, "global") and model.regional:
        names.append("regional")
    elif terms.geo == "us" and model.geo:
        names.append("geo:us")
    return tuple(names)


def _product(names: Iterable[str], book: PriceBook) -> Fraction:
    factor = Fraction(1)
    for name in names:
        if name not in book.modifiers:
            raise UnpricedError(f"no factor for {name} in {book.source}: add it under [modifiers]")
        factor *= book.modifiers[name]
    return factor


def _item(label: str, rate: Fraction, row: PriceRow, model: ModelPrices) -> Item:
    # Nearly every rate is whole, and a whole number is far quicker to reckon with.
    exact = rate.numerator if rate.denominator == 1 else rate
    return Item(label, exact, model.id, row.id, round(rate))
