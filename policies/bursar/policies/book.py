"""What is a model's price on a day, and what else is known of the model?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from bursar.policies.models import canonical

if TYPE_CHECKING:
    from bursar.policies.rates import Offer, Terms


class PriceBookError(ValueError):
    """A price file that cannot be used: which file, which key, what is wrong, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Rates:
    """
    Pico-dollars (1e-12 USD) a token by class, and a web search.

    One US dollar per million tokens is 1,000,000 of them, so every list price is whole.
    """

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    web_search: int = 0


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The list price of one model from a day on, for prompts longer than `above` tokens."""

    id: str
    """Such as `claude-sonnet-5-5@2026-10-07`, or `claude-haiku-5-5@launch>100000` for a dearer length tier."""
    starts: date
    """`date.min`: since the model's launch."""
    above: int
    """Zero: the row holds for every prompt that no longer tier takes."""
    rates: Rates
    source: str


@dataclass(frozen=True, slots=True)
class ModelPrices:
    """One model: its dated prices, and the facts that decide whether a request fits it."""

    id: str
    """As the API takes it, with the date where the id has one."""
    rows: tuple[PriceRow, ...]
    """By day, then by length."""
    aliases: tuple[str, ...] = ()
    family: str | None = None
    """`opus`, `sonnet`, `haiku`, `fable` or `mythos`."""
    generation: str | None = None
    """`5.5`, `4.6`: request features differ in form between generations."""
    status: str | None = None
    """`active`, `legacy`, `limited` (by invitation), `deprecated` or `retired`."""
    released: date | None = None
    retirement: date | None = None
    """The day the model ended or ends on platforms that Anthropic runs; Bedrock and Google may keep it."""
    retirement_not_before: date | None = None
    context_window: int | None = None
    max_output: int | None = None
    min_cacheable_tokens: int | None = None
    """None: unknown."""
    tokenizer: Literal["new", "old"] | None = None
    """`new` is 4.7 and later: about 30% more tokens for the same text."""
    fast: bool = False
    fast_removed: date | None = None
    """The first day without fast mode."""
    geo: bool = False
    """Whether `inference_geo = "us"` costs more."""
    regional: bool = False
    """Whether a cloud's regional endpoints cost more than its global one."""
    multiply: Fraction = Fraction(1)
    """What the user's file scales the token prices by."""
    sources: tuple[str, ...] = ()
    note: str | None = None
    given: tuple[str, ...] = ()
    """The fields a file names for the model: what `extended` takes over."""

    def rows_on(self, day: date) -> tuple[PriceRow, ...]:
        """The rows of a day (UTC), by length; empty before the first."""
        starts = max((row.starts for row in self.rows if row.starts <= day), default=None)
        return tuple(row for row in self.rows if row.starts == starts)

    def row(self, day: date, prompt_tokens: int = 0) -> PriceRow | None:
        """The row for a day (UTC) and a prompt's length; None before the first row."""
        fitting = [row for row in self.rows_on(day) if not row.above or prompt_tokens > row.above]
        return fitting[-1] if fitting else None

    def has_fast(self, day: date) -> bool:
        """Whether fast mode is sold for the model on a day."""
        return self.fast and (self.fast_removed is None or day < self.fast_removed)


Fallback = Callable[[str, date], ModelPrices | None]
"""
What another book says of a model that this one does not have: `(name, day)` to an entry with the row of the day.

The name is that of `models.canonical`. It must not raise, nor answer with a model of another name.
"""


# Compared and hashed by identity, so that what is computed from a book can be kept beside it.
@dataclass(frozen=True, eq=False)
class PriceBook:
    """Prices of many models, with the modifiers and fees that apply to all of them."""

    source: str
    """The file it was read from; after `extended`, both."""
    models: tuple[ModelPrices, ...]
    modifiers: Mapping[str, Fraction]
    """By the name that stands in a charge: `batch`, `fast`, `geo:us`, `regional`, `us-gov`."""
    web_search_pico: int | None = None
    """Pico-dollars a search; None: unknown."""
    multiply: Fraction = Fraction(1)
    """A contract's factor on everything, fees included."""
    as_of: date | None = None
    replaces: bool = False
    """Whether it stands alone where it is meant to extend another."""
    fallback: Fallback | None = None
    """Asked for models that are not here; what it knows makes an estimate."""
    offers: dict[Terms, tuple[Offer, ...]] = field(init=False, repr=False, default_factory=dict[Any, Any])
    """What has been offered under which terms, kept by `rates`: every call asks for one of a few."""
    _index: dict[str, ModelPrices] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = {canonical(alias).id: model for model in self.models for alias in model.aliases}
        names |= {canonical(model.id).id: model for model in self.models}
        object.__setattr__(self, "_index", names)

    def find(self, model_id: str) -> ModelPrices | None:
        """The model that an id of any platform's form names, or None. Point releases match exactly."""
        return self._index.get(canonical(model_id).id)

    def extended(self, other: PriceBook) -> PriceBook:
        """
        A book with another's entries on top of this one's.

        A model of both keeps its own facts where the other names none, and its own rows up to the day the other's
        begin. Factors multiply. Raises PriceBookError for an entry without prices whose model is not here. Of a book
        that the other replaces nothing is left but the fallback.
        """
        if other.replaces:
            alone = tuple(_new(entry, other.source) for entry in other.models)
            return replace(other, models=alone, fallback=other.fallback or self.fallback)
        models = {model.id: model for model in self.models}
        for entry in other.models:
            known = self.find(entry.id)
            merged = _merged(known, entry) if known else _new(entry, other.source)
            models[merged.id] = merged
        return PriceBook(
            source=f"{self.source} + {other.source}",
            models=tuple(models.values()),
            modifiers={**self.modifiers, **other.modifiers},
            web_search_pico=self.web_search_pico if other.web_search_pico is None else other.web_search_pico,
            multiply=self.multiply * other.multiply,
            as_of=other.as_of or self.as_of,
            fallback=other.fallback or self.fallback,
        )

    def with_fallback(self, fallback: Fallback | None) -> PriceBook:
        """The same book, which asks `fallback` for the models that it does not have."""
        return replace(self, fallback=fallback)


def _merged(known: ModelPrices, entry: ModelPrices) -> ModelPrices:
    facts = {name: getattr(entry, name) for name in entry.given}
    rows = known.rows
    if entry.rows:
        rows = (*(row for row in rows if row.starts < entry.rows[0].starts), *entry.rows)
    aliases = tuple(dict.fromkeys((*known.aliases, *entry.aliases)))
    return replace(known, **{**facts, "rows": rows, "aliases": aliases, "multiply": known.multiply * entry.multiply})


def _new(entry: ModelPrices, source: str) -> ModelPrices:
    if entry.rows:
        return entry
    raise PriceBookError(
        f'{source}: model "{entry.id}" has no prices and is in no other price file; give it input, output, cache_read, '
        f"cache_write_5m and cache_write_1h in US dollars per million tokens, or correct its id"
    )
