"""What was saved: by reading the cache, by smaller models, by batches?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from bursar.agent.ledger.usagebook import Group
from bursar.policies.prices import PriceBook, Rates, rates

_PICO_PER_NANO = 1000


@dataclass(frozen=True, slots=True)
class Savings:
    """In nano-dollars, by the price book of now; `unpriced` charges are in none of them."""

    cache_reads: int = 0
    """What tokens read from the cache would have cost more as plain input."""
    cache_writes: int = 0
    """What was paid on top of plain input to write them."""
    downgrades: int = 0
    batches: int = 0
    unpriced: int = 0


def savings_of(groups: Iterable[Group], book: PriceBook) -> Savings:
    """All of them, over groups of charges."""
    listed = list(groups)
    priced = [(group, found) for group in listed if (found := _rates(group, group.model, book)) is not None]
    return Savings(
        cache_reads=sum(_reads(group, found) for group, found in priced),
        cache_writes=sum(_writes(group, found) for group, found in priced),
        downgrades=saved_by_downgrades(listed, book),
        batches=sum(_batch(group, book) for group, _ in priced),
        unpriced=sum(group.charges for group in listed) - sum(group.charges for group, _ in priced),
    )


def saved_by_downgrades(groups: Iterable[Group], book: PriceBook) -> int:
    """
    What the same tokens would have cost more at the models asked for, in nano-dollars.

    Another model may count and write other tokens; that nobody can know.
    """
    saved = 0
    for group in groups:
        asked = _rates(group, group.requested_model, book) if group.action == "downgrade" else None
        if asked is not None:
            saved += _cost(group, asked) - group.cost
    return saved


def _batch(group: Group, book: PriceBook) -> int:
    if "batch" not in group.modifiers:
        return 0
    alone = _rates(group, group.model, book, batch=False)
    batched = _rates(group, group.model, book)
    return 0 if alone is None or batched is None else _cost(group, alone) - _cost(group, batched)


def _reads(group: Group, at: Rates) -> int:
    return _nano(group.usage.cache_read * (at.input - at.cache_read))


def _writes(group: Group, at: Rates) -> int:
    usage = group.usage
    more = usage.cache_write_5m * (at.cache_write_5m - at.input)
    return _nano(more + usage.cache_write_1h * (at.cache_write_1h - at.input))


def _cost(group: Group, at: Rates) -> int:
    usage = group.usage
    classes = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    tokens = sum(getattr(usage, name) * getattr(at, name) for name in classes)
    return _nano(tokens + usage.web_searches * at.web_search)


def _rates(group: Group, model: str, book: PriceBook, *, batch: bool | None = None) -> Rates | None:
    """The prices of a model at the terms that the group's charges had."""
    names = group.modifiers
    return rates(
        model,
        datetime.fromtimestamp(group.day * 86_400, UTC).date(),
        book,
        prompt_tokens=group.prompt,
        batch="batch" in names if batch is None else batch,
        fast="fast" in names,
        geo="us" if "geo:us" in names else None,
        region=next((place for place in ("us-gov", "regional") if place in names), None),
    )


def _nano(pico: int) -> int:
    return (pico + _PICO_PER_NANO // 2) // _PICO_PER_NANO
