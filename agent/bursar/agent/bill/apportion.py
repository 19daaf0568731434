"""What did each class of tokens cost, where only the sum of an hour is known?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction

from bursar.agent.ledger.exportbook import Sold, Summed
from bursar.policies.book import PriceBook, Rates
from bursar.policies.rates import CLASSES

ROLLED_UP = "rolled-up"
"""Stands among the modifiers: which others applied is not kept."""


def apportioned(summed: Summed, rates: Mapping[str, Rates], search_pico: int | None) -> Iterator[Sold]:
    """
    The sum of an hour as its classes, to the last nano-dollar.

    All modifiers but a fee scale every class alike, so the shares are those of the price row. Where that is not known
    any more, the whole is one line of as many requests.
    """
    found = rates.get(summed.price_id)
    weights = {} if found is None else _weights(summed, found, search_pico)
    whole = sum(weights.values(), Fraction(0))
    if not whole:
        if summed.nano:
            yield _sold(summed, "", summed.charges, summed.nano)
        return
    left, nano = summed.nano, Fraction(summed.nano)
    for place, (label, weight) in enumerate(weights.items()):
        # Each takes its share of what is left, so that all of them together take exactly what there is.
        share = left if place == len(weights) - 1 else round(nano * weight / whole)
        yield _sold(summed, label, _quantity(summed, label), share)
        left, nano, whole = left - share, nano - share, whole - weight


def rates_by_row(book: PriceBook) -> Mapping[str, Rates]:
    """Every price row of a book, by its id."""
    return {row.id: row.rates for model in book.models for row in model.rows}


def _weights(summed: Summed, rates: Rates, search_pico: int | None) -> dict[str, Fraction]:
    priced = {label: getattr(rates, label) for label in CLASSES} | {"web_search": search_pico or 0}
    return {
        label: Fraction(price * _quantity(summed, label))
        for label, price in priced.items()
        if price and _quantity(summed, label)
    }


def _quantity(summed: Summed, label: str) -> int:
    count: int = getattr(summed.usage, "web_searches" if label == "web_search" else label)
    return count


def _sold(summed: Summed, label: str, quantity: int, nano: int) -> Sold:
    return Sold(
        summed.start_ns,
        summed.route,
        summed.requested_model,
        summed.labels,
        summed.basis,
        summed.model,
        label,
        summed.price_id,
        round(Fraction(nano * 1_000, quantity)) if quantity else 0,
        json.dumps([ROLLED_UP]),
        quantity,
        nano,
        summed.charges,
    )
