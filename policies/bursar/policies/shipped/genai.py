"""What does genai-prices, where it is installed, say of a Claude model that our own book does not have?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

from bursar.policies.book import ModelPrices, PriceRow, Rates
from bursar.policies.models import canonical

_CLASSES: Mapping[str, str] = {
    "input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
}


@lru_cache(maxsize=256)
def look_up(name: str, day: date) -> ModelPrices | None:
    """
    A `book.Fallback`: the price of the day for a model of just this name; None where it knows none, or is not there.

    The first call imports it, which takes up to a second: let it not be one on an application's path.
    """
    prices = _installed()
    if prices is None:
        return None
    try:
        found = prices.calc_price(
            prices.Usage(),
            name,
            provider_id="anthropic",
            genai_request_timestamp=datetime(day.year, day.month, day.day, tzinfo=UTC),
        )
        # It may match by what a name begins with: the price of another release is no estimate of this one's.
        if canonical(found.model.id).id != name:
            return None
        return _entry(name, found.model_price, f"genai-prices {prices.__version__}")
    except Exception:  # noqa: BLE001 - whatever another package does, a charge without an estimate is still a charge
        return None


@cache
def _installed() -> ModuleType | None:
    try:
        return import_module("genai_prices")
    except ImportError:
        return None


def _entry(name: str, price: Any, source: str) -> ModelPrices | None:
    """The entry, with every modifier that newer models have; None where a class of tokens has no price."""
    columns = {ours: getattr(price, theirs) for ours, theirs in _CLASSES.items()}
    if None in columns.values():
        return None
    marks = sorted({0, *(tier.start for column in columns.values() for tier in getattr(column, "tiers", ()))})
    price_id = f"{name}/{source.replace(' ', '-')}"
    rows = tuple(
        PriceRow(
            f"{price_id}>{above}" if above else price_id,
            date.min,
            above,
            Rates(**{ours: _pico(column, above) for ours, column in columns.items()}),
            source,
        )
        for above in marks
    )
    return ModelPrices(name, rows, fast=True, geo=True, regional=True, sources=(source,))


def _pico(column: Any, above: int) -> int:
    """Pico-dollars a token, for prompts of more tokens than `above`."""
    usd: Decimal = getattr(column, "base", column)
    for tier in getattr(column, "tiers", ()):
        if tier.start <= above:
            usd = tier.price
    return round(usd * 1_000_000)
