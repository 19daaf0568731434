"""What does a response cost?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from bursar.policies.book import ModelPrices, PriceBook, PriceBookError, PriceRow, Rates
from bursar.policies.charge import Line
from bursar.policies.models import canonical
from bursar.policies.pricefile import parse_book, shipped_book
from bursar.policies.rates import Item, Offer, Terms, UnpricedError, day_of, offer_for, rates, region_of
from bursar.policies.usage import Part, Usage, UsageReport

__all__ = [
    "ModelPrices",
    "PriceBook",
    "PriceBookError",
    "PriceRow",
    "Quote",
    "Rates",
    "parse_book",
    "price",
    "rates",
    "shipped_book",
]

PICO_PER_NANO = 1_000


@dataclass(frozen=True, slots=True)
class Quote:
    """A response's cost, and how it comes about."""

    cost_nano_usd: int | None
    """None: cannot be known; `missing` says why and what to do."""
    lines: tuple[Line, ...] = ()
    """They add up to the cost exactly."""
    price_id: str | None = None
    """The row of the first part; each line has its own."""
    modifiers: tuple[str, ...] = ()
    """`batch`, `fast`, `geo:us`, `regional`, `us-gov`, `multiply:0.85`, or `refused`."""
    missing: tuple[str, ...] = ()


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
) -> Quote:
    """
    The cost of a response: each part at its own model, its length tier and the price of the day; rounded once.

    `model` is the one that served the response, in any form; `at` a day in UTC, or a time. `region` (of the requested
    id, say) and `regional` tell of a cloud's regional endpoint where `model` does not. `fast` overrides the speed that
    the response reports; a request's wish is no reason to. Method: docs/billing.md.
    """
    if report.refused_before_output:
        return Quote(0, modifiers=("refused",))
    terms = Terms(
        day_of(at),
        batch or report.service_tier == "batch",
        report.speed == "fast" if fast is None else fast,
        report.inference_geo,
        region_of(model, region, regional=regional),
    )
    bill = _Bill()
    for part in report.parts:
        bill.add(part, model, terms, book)
    if report.service_tier == "priority":
        bill.note("priority tier: drawn from a prepaid commitment, shown at list price")
    return bill.quote()


class _Bill:
    """Running sums over the parts of one response."""

    def __init__(self) -> None:
        self._quantities: dict[Item, int] = {}
        self._offers: list[Offer] = []
        self._missing: list[str] = []
        self._known = True

    def note(self, missing: str) -> None:
        self._missing.append(missing)

    def add(self, part: Part, response_model: str, terms: Terms, book: PriceBook) -> None:
        """Price one part, or note why it has no price."""
        model, usage = response_model, part.usage
        if part.model is not None:
            model = part.model
            terms = terms._replace(region=canonical(model).region or terms.region)
        try:
            offer = offer_for(book, model, terms, usage.prompt)
            self._add_tokens(offer, usage)
            self._add_searches(offer, usage.web_searches, book)
        except UnpricedError as reason:
            self._known = False
            self.note(str(reason))
        else:
            self._offers.append(offer)

    def quote(self) -> Quote:
        """The sum, rounded once."""
        offers = self._offers
        missing = _each_once(self._missing, [offer.missing for offer in offers])
        if not self._known:
            return Quote(None, missing=missing)
        cost, lines = _settled(self._quantities)
        price_id = offers[0].items[0].price_id if offers else None
        return Quote(cost, lines, price_id, _each_once([], [offer.modifiers for offer in offers]), missing)

    def _add_tokens(self, offer: Offer, usage: Usage) -> None:
        # In the order of CLASSES.
        tokens = (usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.output)
        for item, quantity in zip(offer.items, tokens, strict=True):
            if quantity:
                self._quantities[item] = self._quantities.get(item, 0) + quantity

    def _add_searches(self, offer: Offer, count: int, book: PriceBook) -> None:
        if not count:
            return
        if offer.search is None:
            raise UnpricedError(f"no fee for a web search in {book.source}: add web_search_per_1000 under [fees]")
        self._quantities[offer.search] = self._quantities.get(offer.search, 0) + count


def _each_once(first: list[str], more: list[tuple[str, ...]]) -> tuple[str, ...]:
    if not first and len(more) == 1:
        return more[0]
    return tuple(dict.fromkeys((*first, *(text for texts in more for text in texts))))


def _settled(quantities: dict[Item, int]) -> tuple[int, tuple[Line, ...]]:
    """The cost in nano-dollars, half to even, and its lines, which add up to it."""
    amounts = [item.rate * quantity for item, quantity in quantities.items()]
    cost = _half_even(sum(amounts))
    shares = [int(amount // PICO_PER_NANO) for amount in amounts]
    left = cost - sum(shares)
    if left:
        _share_out(left, amounts, shares)
    lines = [
        Line(item.label, quantity, item.shown, share, item.model, item.price_id)
        for (item, quantity), share in zip(quantities.items(), shares, strict=True)
    ]
    return cost, tuple(lines)


def _share_out(left: int, amounts: list[int | Fraction], shares: list[int]) -> None:
    """Add the nano-dollars that rounding down left over, one each, to the lines that lost most by it."""
    rests = [amount % PICO_PER_NANO for amount in amounts]
    for index in sorted(range(len(rests)), key=rests.__getitem__, reverse=True)[:left]:
        shares[index] += 1


def _half_even(pico: int | Fraction) -> int:
    whole, rest = int(pico // PICO_PER_NANO), pico % PICO_PER_NANO
    return whole + (2 * rest > PICO_PER_NANO or (2 * rest == PICO_PER_NANO and whole % 2 == 1))
