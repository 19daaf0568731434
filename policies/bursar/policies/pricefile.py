"""How does a price file become a price book?"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple, cast

from bursar.policies.book import ModelPrices, PriceBook, PriceBookError, PriceRow, Rates
from bursar.policies.models import canonical
from bursar.policies.shipped import read

SHIPPED = "bursar/policies/shipped/prices.toml"
"""The name of our own price file, in errors and sources; ids of rows from any other file name that file."""

PICO_PER_USD = 10**12
_CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
_TOP_KEYS = ("as_of", "replace", "multiply", "modifiers", "fees", "model")
_MODIFIERS = ("batch", "fast", "geo:us", "regional", "us-gov")

# A list price of a million dollars per million tokens is absurd; a price finer than this is no whole pico-dollar.
_DEAREST, _PRICE_DECIMALS = 1_000_000, 6
_LARGEST_FACTOR, _FACTOR_DECIMALS = 1_000, 12


class _At(NamedTuple):
    """A place in a price file, for its errors."""

    file: str
    path: str

    def key(self, name: str) -> _At:
        return _At(self.file, f"{self.path}.{name}" if self.path else name)

    def wrong(self, problem: str, remedy: str) -> PriceBookError:
        place = f"{self.file}: {self.path}" if self.path else self.file
        return PriceBookError(f"{place}: {problem}; {remedy}")


@lru_cache(maxsize=1)
def shipped_book() -> PriceBook:
    """The price book that comes with the package."""
    return parse_book(read("prices.toml"), source=SHIPPED)


def parse_book(text: str, *, source: str) -> PriceBook:
    """
    A price file's text as a book.

    `source` names the file in errors. Raises PriceBookError at the first mistake. A user's file may leave out all but
    what it changes; such a book is complete only after `shipped_book().extended(...)`.
    """
    at = _At(source, "")
    try:
        # Everything but the text itself (an integer of 5,000 digits too) is a ValueError.
        document = tomllib.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise at.wrong(f"is not valid TOML: {error}", "correct what it names") from error
    _known_only(document, _TOP_KEYS, at)
    return PriceBook(
        source=source,
        models=_models(document.get("model", []), at.key("model")),
        modifiers=_modifiers(document.get("modifiers", {}), at.key("modifiers")),
        web_search_pico=_search_fee(document.get("fees", {}), at.key("fees")),
        multiply=_factor(document.get("multiply", 1), at.key("multiply")),
        as_of=_day(document["as_of"], at.key("as_of")) if "as_of" in document else None,
        replaces=_flag(document.get("replace", False), at.key("replace")),
    )


def _modifiers(value: Any, at: _At) -> dict[str, Fraction]:
    table = _table(value, at)
    _known_only(table, _MODIFIERS, at)
    return {name: _factor(factor, at.key(name)) for name, factor in table.items()}


def _search_fee(value: Any, at: _At) -> int | None:
    table = _table(value, at)
    _known_only(table, ("web_search_per_1000",), at)
    if not table:
        return None
    return int(_price(table["web_search_per_1000"], at.key("web_search_per_1000")) * (PICO_PER_USD // 1_000))


def _models(value: Any, at: _At) -> tuple[ModelPrices, ...]:
    if not isinstance(value, list):
        raise at.wrong("is one table", "write [[model]], with two brackets, above each model")
    entries = tuple(_model(entry, _At(at.file, f"model[{n}]")) for n, entry in enumerate(cast("list[object]", value)))
    owners: dict[str, str] = {}
    for entry in entries:
        for name in dict.fromkeys(canonical(name).id for name in (entry.id, *entry.aliases)):
            if name in owners:
                raise at.wrong(
                    f'"{entry.id}" and "{owners[name]}" both name {name}',
                    "put all that concerns one model in one entry",
                )
            owners[name] = entry.id
    return entries


def _model(value: Any, at: _At) -> ModelPrices:
    table = _table(value, at)
    model_id = _id(table, at)
    at = _At(at.file, f'model "{model_id}"')
    _known_only(table, ("id", "multiply", "prices", "from", *_CLASSES, *_FACTS), at)
    facts = {name: _FACTS[name](table[name], at.key(name)) for name in table if name in _FACTS}
    entry = ModelPrices(
        id=model_id,
        rows=_rows(model_id, table, "; ".join(facts.get("sources", ())), at),
        multiply=_factor(table.get("multiply", 1), at.key("multiply")),
        given=tuple(facts),
        **facts,
    )
    if not entry.rows and not facts and "multiply" not in table:
        raise at.wrong("says nothing", f"give it {', '.join(_CLASSES)}, or multiply")
    return entry


def _id(table: Mapping[str, Any], at: _At) -> str:
    if "id" not in table:
        raise at.wrong("has no id", 'add id = "claude-…", the model\'s name as the API takes it')
    model_id = _text(table["id"], at.key("id"))
    region = canonical(model_id).region
    if region:
        raise at.wrong(
            f'"{model_id}" is the id of a region', f'write "{canonical(model_id).id}"; a region\'s price is a modifier'
        )
    return model_id


def _rows(model_id: str, table: Mapping[str, Any], source: str, at: _At) -> tuple[PriceRow, ...]:
    """The rows under `prices`, or the one row that the model's own keys make."""
    if "prices" in table:
        if any(name in table for name in (*_CLASSES, "from")):
            raise at.wrong("has prices both in its own keys and under prices", "keep one of the two")
        rows = table["prices"]
        if not isinstance(rows, list) or not rows:
            raise at.key("prices").wrong("is no list of rows", "write prices = [ { input = 2, … }, … ]")
    elif any(name in table for name in (*_CLASSES, "from")):
        rows = [{name: table[name] for name in (*_CLASSES, "from") if name in table}]
    else:
        return ()
    parsed = [_row(model_id, row, source, at.key(f"prices[{n}]")) for n, row in enumerate(cast("list[object]", rows))]
    return _in_order(parsed, at.key("prices"))


def _row(model_id: str, value: Any, source: str, at: _At) -> PriceRow:
    table = _table(value, at)
    _known_only(table, ("from", "above", *_CLASSES), at)
    absent = [name for name in _CLASSES if name not in table]
    if absent:
        raise at.wrong(f"has no {absent[0]}", f'add its US dollars per million tokens, as in {absent[0]} = "2.50"')
    rates = Rates(**{name: int(_price(table[name], at.key(name)) * 1_000_000) for name in _CLASSES})
    starts = _day(table["from"], at.key("from")) if "from" in table else date.min
    above = _count(table["above"], at.key("above")) if "above" in table else 0
    name = f"{model_id}@{'launch' if starts == date.min else starts}{f'>{above}' if above else ''}"
    if at.file != SHIPPED:
        name += "/" + at.file.replace("\\", "/").rpartition("/")[2]
    return PriceRow(name, starts, above, rates, source or at.file)


def _in_order(rows: Iterable[PriceRow], at: _At) -> tuple[PriceRow, ...]:
    ordered = sorted(rows, key=lambda row: (row.starts, row.above))
    for row, before in zip(ordered, (None, *ordered), strict=False):
        if before and (row.starts, row.above) == (before.starts, before.above):
            raise at.wrong(f"has two rows for {row.id}", "remove one, or give it a from date of its own")
        if row.above and (before is None or before.starts != row.starts):
            raise at.wrong(
                f"has no row without above beside {row.id}", "add one with the same from, for shorter prompts"
            )
    return tuple(ordered)


def _known_only(table: Mapping[str, Any], known: Iterable[str], at: _At) -> None:
    keys = tuple(known)
    for key in table:
        if key not in keys:
            raise at.key(key).wrong("is no key of a price file here", f"the keys are {', '.join(keys)}")


def _table(value: Any, at: _At) -> dict[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    raise at.wrong("is no table", "write its keys under a heading of this name")


def _text(value: Any, at: _At) -> str:
    if isinstance(value, str) and value:
        return value
    raise at.wrong(f"{value!r} is no text", "write it in quotes")


def _texts(value: Any, at: _At) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_text(item, at) for item in cast("list[object]", value))
    raise at.wrong(f"{value!r} is no list of texts", 'write it as ["…", "…"]')


def _tokenizer(value: Any, at: _At) -> str:
    if value in ("new", "old"):
        return cast("str", value)
    raise at.wrong(f"{value!r} is no generation of tokenizers", 'write "new" (4.7 and later) or "old"')


def _flag(value: Any, at: _At) -> bool:
    if isinstance(value, bool):
        return value
    raise at.wrong(f"{value!r} is neither true nor false", "write true or false, without quotes")


def _count(value: Any, at: _At) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise at.wrong(f"{value!r} is no number of tokens", "write a whole number above zero, without quotes")


def _day(value: Any, at: _At) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise at.wrong(f"{str(value)!r} is no date", "write it as 2026-10-07, without quotes and time")


def _price(value: Any, at: _At) -> Fraction:
    """US dollars per million tokens."""
    number = _number(value, at, 'write US dollars as in "2.50"')
    if not 0 <= number <= _DEAREST:
        raise at.wrong(f"{value} is below zero or beyond {_DEAREST}", "write US dollars per million tokens")
    return _exact(number, _PRICE_DECIMALS, at)


def _factor(value: Any, at: _At) -> Fraction:
    number = _number(value, at, 'write a factor as in "1.10"')
    if not 0 < number <= _LARGEST_FACTOR:
        raise at.wrong(f"{value} is not above zero and at most {_LARGEST_FACTOR}", 'write a factor as in "1.10"')
    return _exact(number, _FACTOR_DECIMALS, at)


def _number(value: Any, at: _At, remedy: str) -> Decimal:
    if isinstance(value, (int, Decimal, str)) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return number
    raise at.wrong(f"{value!r} is no number", remedy)


def _exact(number: Decimal, decimals: int, at: _At) -> Fraction:
    """The number as a fraction, once its length is known to be bearable: an exponent costs nothing to write."""
    if cast("int", number.as_tuple().exponent) < -decimals:
        raise at.wrong(f"{number} has more than {decimals} decimals", "round it")
    return Fraction(number)


_FACTS: Mapping[str, Callable[[Any, _At], Any]] = {
    "aliases": _texts,
    "family": _text,
    "generation": _text,
    "status": _text,
    "released": _day,
    "retirement": _day,
    "retirement_not_before": _day,
    "context_window": _count,
    "max_output": _count,
    "min_cacheable_tokens": _count,
    "tokenizer": _tokenizer,
    "fast": _flag,
    "fast_removed": _day,
    "geo": _flag,
    "regional": _flag,
    "sources": _texts,
    "note": _text,
}
