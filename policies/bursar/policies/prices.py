"""What does a response cost?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any, cast

from bursar.policies.amounts import usd
from bursar.policies.book import ModelPrices, PriceBook, PriceBookError, PriceRow, Rates
from bursar.policies.charge import Line
from bursar.policies.pricefile import SHIPPED, parse_book, shipped_book
from bursar.policies.rates import (
    CLASSES,
    LABELS,
    NO_FEE,
    Item,
    Offer,
    Terms,
    UnpricedError,
    day_of,
    fitting,
    offers_for,
    rates,
    region_of,
    told,
)
from bursar.policies.usage import Part, Usage, UsageReport
from bursar.policies.values import value

__all__ = [
    "SHIPPED",
    "ModelPrices",
    "PriceBook",
    "PriceBookError",
    "PriceRow",
    "Quote",
    "Rates",
    "bills_user_profile",
    "parse_book",
    "price",
    "rates",
    "settled",
    "shipped_book",
]

PICO_PER_NANO = 1_000
LINKED, REFUSED = "linked", "refused"
PRIORITY = "priority tier: drawn from a prepaid commitment, shown at list price"


@value
class Quote:
    """A response's cost, and how it comes about."""

    cost_nano_usd: int | None
    """None: cannot be known; `missing` says why and what to do."""
    lines: tuple[Line, ...] = ()
    """They add up to the cost exactly; without a cost they tell only what was used, part by part."""
    price_id: str | None = None
    """The row of the first part; each line has its own."""
    modifiers: tuple[str, ...] = ()
    """`batch`, `fast`, `geo:us`, `regional`, `us-gov`, `multiply:0.85`; or alone `refused` or `linked`."""
    missing: tuple[str, ...] = ()
    estimated: bool = False
    """Whether a price is not of the book, but of its fallback: then the charge's basis is `estimate`."""


def price(
    report: UsageReport,
    *,
    model: str,
    at: date,
    book: PriceBook,
    batch: bool = False,
    regional: bool = False,
    region: str | None = None,
    fast: bool | None = None,
    linked: bool = False,
) -> Quote:
    """
    The cost of a response: each part at its own model, its length tier and the price of the day; rounded once.

    `model` is the one that served the response, in any form; `at` a day in UTC, or a time. `region` (of the requested
    id, say) and `regional` tell of a cloud's regional endpoint where `model` does not. `fast` overrides the speed that
    the response reports; a request's wish is no reason to. `linked` says that somebody else's organisation is billed
    (see `bills_user_profile`). Method: docs/billing.md.
    """
    if report.refused_before_output:
        return Quote(0, modifiers=(REFUSED,))
    terms = (
        model,
        day_of(at),
        batch or report.service_tier == "batch",
        report.speed == "fast" if fast is None else fast,
        report.inference_geo,
        region,
        regional,
    )
    parts = report.parts
    alone = len(parts) == 1 and parts[0].model is None
    quote = _of_one(parts[0].usage, terms, book) if alone else _of_many(parts, terms, book)
    notes = (PRIORITY, *report.missing) if report.service_tier == "priority" else report.missing
    if notes:
        quote = replace(quote, missing=_each_once((*quote.missing, *notes)))
    return _linked(quote) if linked else quote


def bills_user_profile(request: Mapping[str, Any]) -> bool:
    """Whether a request asks that not the caller's organisation be billed, but that of its user profile."""
    policy = request.get("billing_policy")
    return (
        policy is not None
        and isinstance(policy, Mapping)
        and cast("Mapping[str, object]", policy).get("bill_to") == "user_profile"
    )


def _linked(quote: Quote) -> Quote:
    """Nothing for the caller, who learns what it costs the other."""
    cost = "an unknown price" if quote.cost_nano_usd is None else f"{usd(quote.cost_nano_usd)} USD"
    said = f"linked billing: billed to the user profile's organisation, {cost} by this price book"
    return Quote(0, modifiers=(LINKED,), missing=(said, *quote.missing))


def _of_one(usage: Usage, terms: Terms, book: PriceBook) -> Quote:
    """Nearly every response, and so without anything that only several parts need."""
    try:
        offer = _offer(usage, terms, book)
    except UnpricedError as reason:
        return _unpriced((Part(usage),), terms, (str(reason),))
    cost, lines = settled(zip(offer.items, _quantities(usage), strict=False))
    return Quote(cost, lines, offer.items[0].price_id, offer.modifiers, offer.missing, offer.estimated)


def _of_many(parts: Sequence[Part], terms: Terms, book: PriceBook) -> Quote:
    """Each part at its own model; half a cost is no cost."""
    quantities: dict[Item, int] = {}
    offers: list[Offer] = []
    unpriced: list[str] = []
    for part in parts:
        try:
            offer = _offer(part.usage, _served_by(part.model, terms), book)
        except UnpricedError as reason:
            unpriced.append(str(reason))
            continue
        offers.append(offer)
        for item, quantity in zip(offer.items, _quantities(part.usage), strict=False):
            if quantity:
                quantities[item] = quantities.get(item, 0) + quantity
    missing = _each_once([*unpriced, *(text for offer in offers for text in offer.missing)])
    if unpriced:
        return _unpriced(parts, terms, missing)
    cost, lines = settled(quantities.items())
    price_id = offers[0].items[0].price_id if offers else None
    modifiers = _each_once(name for offer in offers for name in offer.modifiers)
    return Quote(cost, lines, price_id, modifiers, missing, any(offer.estimated for offer in offers))


def _unpriced(parts: Iterable[Part], terms: Terms, missing: tuple[str, ...]) -> Quote:
    """No cost, but all that one will depend on once there are prices: the parts one by one, and what modifies them."""
    lines = tuple(
        Line(label, quantity, 0, 0, part.model or terms[0], price_id="")
        for part in parts
        for label, quantity in zip(LABELS, _quantities(part.usage), strict=True)
        if quantity
    )
    return Quote(None, lines, modifiers=told(terms), missing=missing)


def _served_by(model: str | None, terms: Terms) -> Terms:
    """The terms of a part: what the response's model says of the place holds where its own says nothing."""
    if model is None:
        return terms
    response_model, day, batch, fast, geo, region, regional = terms
    return model, day, batch, fast, geo, region_of(response_model, region, regional=regional), regional


def _offer(usage: Usage, terms: Terms, book: PriceBook) -> Offer:
    """The prices of a part, complete for what it used. Raises UnpricedError."""
    tiers = offers_for(book, terms)
    offer = tiers[0] if len(tiers) == 1 else fitting(tiers, usage.prompt)
    if usage.web_searches and len(offer.items) == len(CLASSES):
        raise UnpricedError(f"{NO_FEE} a web search in {book.source}: add web_search_per_1000 under [fees]")
    return offer


Billed = Iterable[tuple[Item, int]]
"""So many tokens or requests at so much each."""


def _quantities(usage: Usage) -> tuple[int, ...]:
    """In the order of LABELS, and so of an offer's items; the last one of those is not always there."""
    return (
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output,
        usage.web_searches,
    )


def _each_once(told: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(told))


def settled(billed: Billed) -> tuple[int, tuple[Line, ...]]:
    """The cost in nano-dollars, half to even, and its lines, which add up to it."""
    lines: list[Line] = []
    rests: dict[int, int | Fraction] = {}
    cost = 0
    for (label, rate, model, price_id, shown), quantity in billed:
        if quantity:
            nano, rest = divmod(rate * quantity, PICO_PER_NANO)
            if rest:
                rests[len(lines)] = rest
            lines.append(Line(label, quantity, shown, nano, model, price_id))
            cost += nano
    if rests:
        left = _half_even(cost, sum(rests.values()))
        _share_out(left, rests, lines)
        cost += left
    return cost, tuple(lines)


def _share_out(left: int, rests: Mapping[int, int | Fraction], lines: list[Line]) -> None:
    """Add the nano-dollars that rounding down left over, one each, to the lines that lost most by it."""
    for index in sorted(rests, key=rests.__getitem__, reverse=True)[:left]:
        lines[index] = replace(lines[index], nano_usd=lines[index].nano_usd + 1)


def _half_even(whole: int, pico: int | Fraction) -> int:
    """The nano-dollars that so many pico-dollars are, beside so many whole ones: a half makes their sum even."""
    nano, rest = divmod(pico, PICO_PER_NANO)
    odd = (whole + nano) % 2 == 1
    return nano + (2 * rest > PICO_PER_NANO or (2 * rest == PICO_PER_NANO and odd))
