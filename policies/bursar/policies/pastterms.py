"""Under which terms was a past charge priced, as far as its model, its day and its modifiers tell?"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from bursar.policies.book import PriceBook, Rates
from bursar.policies.rates import Terms, UnpricedError, fitting, offers_for


def past_terms(model: str, day: date, modifiers: Collection[str]) -> Terms:
    """The terms whose price has these modifiers; a factor of the user's own is the book's, not a term."""
    region = "us-gov" if "us-gov" in modifiers else None
    geo = "us" if "geo:us" in modifiers else None
    return model, day, "batch" in modifiers, "fast" in modifiers, geo, region, "regional" in modifiers


def past_rates(
    model: str, day: date, modifiers: Collection[str], book: PriceBook, *, prompt_tokens: int
) -> Rates | None:
    """What each token of it cost, in pico-dollars; None where the book has no price."""
    try:
        return fitting(offers_for(book, past_terms(model, day, modifiers)), prompt_tokens).rates
    except UnpricedError:
        return None
