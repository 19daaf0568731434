"""What does a charge cost by another price book, as far as what the ledger keeps of it can tell?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum

from bursar.agent.ledger.life import Source
from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.prices import LINKED, REFUSED, SHIPPED, PriceBook, settled
from bursar.policies.rates import (
    CLASSES,
    FAST_SPEED,
    LABELS,
    NO_FACTOR,
    NO_FEE,
    NO_PRICE,
    Item,
    Offer,
    Terms,
    UnpricedError,
    fitting,
    offers_for,
)
from bursar.policies.usage import Usage


class Left(StrEnum):
    """Why a charge cannot be computed anew, and is left as it is."""

    NO_USAGE = "no usage was ever seen"
    NO_LINES = "only its sum is known, not what it is made of"
    NO_TERMS = "from before unpriced charges kept their iterations, tier, speed and place"
    LENGTHS = "the lengths of its prompts are not known, and this book has prices by length"
    NO_PRICE = "this book has no price for it"
    OTHER_BOOK = "priced by a price file of the user's, and this book is the shipped one alone"


@dataclass(frozen=True, slots=True)
class _Share:
    """What was used at one price, or by one part of an unpriced response."""

    model: str
    price_id: str
    quantities: Mapping[str, int]
    """By label."""
    alone: bool
    """Whether it is one part, and its prompt one prompt."""

    @property
    def prompt(self) -> int:
        return sum(self.quantities.get(label, 0) for label in CLASSES if label != "output")


def recount(charge: Charge, book: PriceBook, *, source: Source) -> Charge | Left:
    """
    The charge at the prices that this book has for its day, or why that cannot be said.

    Nothing is guessed, and no known cost becomes unknown. What was free (a refusal, somebody else's bill) stays so. A
    place or speed that cost nothing more by the book of then is not on record, and counts as none.
    """
    if {LINKED, REFUSED} & set(charge.modifiers):
        return charge
    left = _unexplained(charge) or _others(charge, book)
    if left is not None:
        return left
    items: dict[Item, int] = {}
    offers: list[Offer] = []
    try:
        for share in _shares(charge.lines):
            offer = _offer(share, _terms(charge, share.model), book)
            if offer is None:
                return Left.LENGTHS
            offers.append(offer)
            _add(items, offer, share.quantities)
    except UnpricedError:
        return charge if charge.cost_nano_usd is None else Left.NO_PRICE
    estimated = any(offer.estimated for offer in offers)
    if estimated and charge.cost_nano_usd is not None and not any(_estimated(line.price_id) for line in charge.lines):
        return Left.NO_PRICE
    return _charged(charge, items, offers, _basis(charge, source, estimated=estimated))


def _unexplained(charge: Charge) -> Left | None:
    """Why its lines do not tell all that it depends on."""
    if charge.cost_nano_usd is not None:
        return None if sum(line.nano_usd for line in charge.lines) == charge.cost_nano_usd else Left.NO_LINES
    if charge.lines:
        return None
    return Left.NO_USAGE if charge.usage == Usage() else Left.NO_TERMS


def _others(charge: Charge, book: PriceBook) -> Left | None:
    """A contract's prices are not taken back because its file was not named."""
    of_user = any("/" in line.price_id and not _estimated(line.price_id) for line in charge.lines)
    scaled = any(name.startswith("multiply:") for name in charge.modifiers)
    return Left.OTHER_BOOK if book.source == SHIPPED and (of_user or scaled) else None


def _estimated(price_id: str) -> bool:
    return "/genai-prices-" in price_id


def _shares(lines: Sequence[Line]) -> Iterator[_Share]:
    """Lines by the price they had; those without one part by part, each of which begins with an earlier label again."""
    priced: dict[tuple[str, str], dict[str, int]] = {}
    part: dict[str, int] = {}
    model = ""
    for line in lines:
        if line.price_id:
            priced.setdefault((line.model, line.price_id), {})[line.label] = line.quantity
            continue
        if part and (line.model != model or _rank(line.label) <= max(map(_rank, part))):
            yield _Share(model, "", part, alone=True)
            part = {}
        model, part[line.label] = line.model, line.quantity
    if part:
        yield _Share(model, "", part, alone=True)
    for (model, price_id), quantities in priced.items():
        yield _Share(model, price_id, quantities, alone=False)


def _rank(label: str) -> int:
    return LABELS.index(label)


def _terms(charge: Charge, model: str) -> Terms:
    names = charge.modifiers
    return (
        model,
        _day(charge.at_ns),
        "batch" in names,
        "fast" in names or any(text.startswith(FAST_SPEED) for text in charge.missing),
        "us" if "geo:us" in names else None,
        next((place for place in ("us-gov", "regional") if place in names), None),
        False,
    )


def _day(at_ns: int) -> date:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).date()


def _offer(share: _Share, terms: Terms, book: PriceBook) -> Offer | None:
    """
    The price for a share, or None where it depends on how long each of its prompts was.

    A price row of then that holds still says so: each prompt was as long as the row takes. Otherwise each was longer
    than that row's mark, and no longer than all of them together. Raises UnpricedError.
    """
    tiers = offers_for(book, terms)
    if share.alone:
        return fitting(tiers, share.prompt)
    for offer in tiers:
        if offer.items[0].price_id == share.price_id:
            return offer
    shortest = fitting(tiers, _mark(share.price_id) + 1)
    return shortest if shortest is fitting(tiers, share.prompt) else None


def _mark(price_id: str) -> int:
    """The length that a row's prompts exceed: 100,000 of `claude-haiku-5-5@launch>100000`."""
    found = re.search(r">(\d+)", price_id)
    return int(found[1]) if found else 0


def _add(items: dict[Item, int], offer: Offer, quantities: Mapping[str, int]) -> None:
    by_label = {item.label: item for item in offer.items}
    for label, quantity in quantities.items():
        if label not in by_label:
            raise UnpricedError(f"{NO_FEE} a web search")
        items[by_label[label]] = items.get(by_label[label], 0) + quantity


def _charged(charge: Charge, items: Mapping[Item, int], offers: Sequence[Offer], basis: Basis) -> Charge:
    cost, lines = settled(items.items())
    kept = (text for text in charge.missing if not text.startswith((NO_PRICE, NO_FACTOR, NO_FEE, FAST_SPEED)))
    return replace(
        charge,
        cost_nano_usd=cost,
        lines=lines,
        price_id=offers[0].items[0].price_id if offers else charge.price_id,
        modifiers=tuple(dict.fromkeys(name for offer in offers for name in offer.modifiers)),
        missing=tuple(dict.fromkeys((*(text for offer in offers for text in offer.missing), *kept))),
        basis=basis,
    )


_BROKEN_OFF = (
    "output after the stream was broken off",
    "output tokens: the stream was not read to its end",
    "input tokens",
)
"""What a charge lacks whose counts are a lower bound."""


def _basis(charge: Charge, source: Source, *, estimated: bool) -> Basis:
    """What its figures are worth at a price of the book: what they were, but for those that only lacked a price."""
    if estimated or any(text in _BROKEN_OFF for text in charge.missing):
        return Basis.ESTIMATE
    unpriced = any(text.startswith((NO_PRICE, NO_FACTOR, NO_FEE)) for text in charge.missing)
    if not unpriced:
        return charge.basis
    return Basis.SPAN if source == "span" else Basis.USAGE
