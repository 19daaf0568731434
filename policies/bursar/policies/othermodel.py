"""What would the same work have cost on another model?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import date
from fractions import Fraction

from bursar.policies.book import PriceBook
from bursar.policies.prices import LINKED, REFUSED, Quote, price
from bursar.policies.usage import Part, Usage, UsageReport

SAME = Fraction(1)
NEWER = Fraction(13, 10)
"""Tokens of a 4.7-or-later tokenizer for one of an earlier: about 30% more, by Anthropic's pricing page."""
_COUNTS = ("web_searches", "web_fetches")
_CLASSES = tuple(field.name for field in fields(Usage))


@dataclass(frozen=True, slots=True)
class Transposed:
    """An estimate: the other model would have answered with as many words, and with its own tokens."""

    quote: Quote
    tokenizer_factor: Fraction
    """By which the tokens were multiplied; 1 also where a tokenizer is not known."""


def transposed(
    usage: Usage, *, of: str, to: str, at: date, book: PriceBook, modifiers: Collection[str] = ()
) -> Transposed:
    """
    The price of a response's usage, of one model, at another one's rates of the same day.

    `modifiers` are those of the response's charge: data residency and a cloud's region cost more on either model, and
    what was free (a refusal, somebody else's bill) is free. Fast mode is one model's own, and not carried over.
    """
    if {LINKED, REFUSED} & set(modifiers):
        return Transposed(Quote(0), SAME)
    factor = tokenizer_factor(of, to, book)
    there = usage if factor == SAME else scaled(usage, factor)
    report = UsageReport(there, (Part(there),), inference_geo="us" if "geo:us" in modifiers else None)
    region = "us-gov" if "us-gov" in modifiers else None
    regional = "regional" in modifiers
    quote = price(report, model=to, at=at, book=book, batch="batch" in modifiers, region=region, regional=regional)
    return Transposed(quote, factor)


def tokenizer_factor(of: str, to: str, book: PriceBook) -> Fraction:
    """How many tokens one model counts for each of another's."""
    here, there = book.find(of), book.find(to)
    if here is None or there is None or None in (here.tokenizer, there.tokenizer) or here.tokenizer == there.tokenizer:
        return SAME
    return NEWER if there.tokenizer == "new" else 1 / NEWER


def scaled(usage: Usage, factor: Fraction) -> Usage:
    """Tokens times a factor, each class rounded to the nearest, half to even; requests stay as many."""
    times, over = factor.numerator, factor.denominator
    counts = (
        getattr(usage, name) if name in _COUNTS else _nearest(getattr(usage, name) * times, over) for name in _CLASSES
    )
    return Usage(*counts)


def _nearest(part: int, whole: int) -> int:
    """A quotient of whole numbers, as `round` has that of a fraction, in a tenth of the time."""
    quotient, rest = divmod(part, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))
