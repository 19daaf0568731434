"""Which prices are in force, of when and from whom are they, and which models of a ladder will soon be gone?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bursar.agent.commands.options import answer, console, json_option, policy_option, prices_option
from bursar.agent.commands.pricing import load_book
from bursar.agent.settings import read_settings
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.mistakes import Mistake, PolicyError
from bursar.policies.prices import ModelPrices, PriceBook, PriceRow

NOTICE_DAYS = 30
"""A ladder's model is told of from so many days before its end."""

_COLUMNS = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")


@dataclass(frozen=True, slots=True)
class Leaving:
    """A model of a ladder that is gone, or may be before long."""

    model: str
    """As the ladder names it."""
    ladders: tuple[str, ...]
    """`policy`, or the names of the routes whose own ladder it stands in."""
    day: date
    certain: bool
    """Whether it ends on that day; otherwise Anthropic has only promised to keep it until then."""
    days: int
    """Until then; zero or less: since then."""

    @property
    def sentence(self) -> str:
        """What is to be done about it."""
        ends = "was retired on" if self.days <= 0 else "will be retired on"
        may = "may be retired any day, being promised only until" if self.days <= 0 else "may be retired from"
        where = ", ".join(
            "the policy's ladder" if name == "policy" else f'the ladder of "{name}"' for name in self.ladders
        )
        return f"{self.model} {ends if self.certain else may} {self.day}: put its successor into {where}"


def read_policy(path: Path, book: PriceBook) -> Policy:
    """A policy file's policy. Raises `PolicyError`, and OSError where the file cannot be read."""
    known = frozenset(name for model in book.models for name in (model.id, *model.aliases))
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        mistake = Mistake("", None, f"the file is no UTF-8 text ({error})", "save it as UTF-8")
        raise PolicyError(str(path), (mistake,)) from error
    return parse_policy(text, file=str(path), known_models=known)


def leaving(policy: Policy, book: PriceBook, today: date) -> list[Leaving]:
    """Models of a policy's ladders that end, or may end, within the notice; the first to go first."""
    found: list[Leaving] = []
    for name, ladders in _rungs(policy).items():
        model = book.find(name)
        day = None if model is None else model.retirement or model.retirement_not_before
        if model is not None and day is not None and day - today <= timedelta(NOTICE_DAYS):
            found.append(Leaving(name, ladders, day, model.retirement is not None, (day - today).days))
    return sorted(found, key=lambda one: (one.day, one.model))


def unpriced(policy: Policy, book: PriceBook, today: date) -> list[str]:
    """Models of a policy's ladders for which the book has no price today."""
    known = {model.id for model in book.models if model.row(today) is not None}
    return [name for name in _rungs(policy) if (model := book.find(name)) is None or model.id not in known]


def show(book: PriceBook, today: date, policy: Policy | None) -> dict[str, Any]:
    """
    The book as of a day, ready for JSON.

    Prices are exact decimals in text: US dollars per million tokens, and per 1,000 searches. `leaving` is None where
    no policy was given.
    """
    return {
        "source": book.source,
        "as_of": None if book.as_of is None else book.as_of.isoformat(),
        "age_days": None if book.as_of is None else (today - book.as_of).days,
        "multiply": _decimal(book.multiply),
        "modifiers": {name: _decimal(factor) for name, factor in book.modifiers.items()},
        "web_search_per_1000": None
        if book.web_search_pico is None
        else _decimal(Fraction(book.web_search_pico, 10**9)),
        "models": [_model(model, row) for model in book.models for row in model.rows_on(today)],
        "leaving": None if policy is None else [_leaving(one) for one in leaving(policy, book, today)],
        "unpriced": None if policy is None else unpriced(policy, book, today),
    }


def render(shown: Mapping[str, Any], *, width: int) -> RenderableType:
    """The same for a terminal."""
    return Group(*_heading(shown), _table(shown["models"], wide=width >= _WIDE), *_warnings(shown))


def _rungs(policy: Policy) -> dict[str, tuple[str, ...]]:
    """Every model of a ladder, and in which ladders it stands."""
    ladders = {"policy": policy.ladder, **{route.name: route.ladder or () for route in policy.routes}}
    rungs: dict[str, tuple[str, ...]] = {}
    for name, ladder in ladders.items():
        for model in ladder:
            rungs[model] = (*rungs.get(model, ()), name)
    return rungs


def _model(model: ModelPrices, row: PriceRow) -> dict[str, Any]:
    return {
        "id": model.id,
        "status": model.status,
        "price_id": row.id,
        "from": None if row.starts == date.min else row.starts.isoformat(),
        "above_tokens": row.above or None,
        **{name: _decimal(Fraction(getattr(row.rates, name), 10**6)) for name in _COLUMNS},
        "multiply": _decimal(model.multiply),
        "retirement": None if model.retirement is None else model.retirement.isoformat(),
        "source": row.source,
        "note": model.note,
    }


def _leaving(one: Leaving) -> dict[str, Any]:
    return {**asdict(one), "ladders": list(one.ladders), "day": one.day.isoformat(), "sentence": one.sentence}


def _decimal(value: Fraction) -> str:
    """Exactly, without exponent: every figure of a price file is a decimal of few places."""
    return f"{Decimal(value.numerator) / value.denominator:f}"


_WIDE = 110
_TITLES = {
    "input": "in",
    "cache_write_5m": "5m",
    "cache_write_1h": "1h",
    "cache_read": "read",
    "output": "out",
}


def _heading(shown: Mapping[str, Any]) -> Iterator[Text]:
    age = "of unknown age" if shown["as_of"] is None else f"as of {shown['as_of']}, {shown['age_days']} days old"
    yield Text(f"Prices {age}, from {shown['source']}; USD per million tokens")
    factors = {**shown["modifiers"], **({} if shown["multiply"] == "1" else {"everything": shown["multiply"]})}
    yield Text(", ".join(f"{name} x {factor}" for name, factor in factors.items()))
    if shown["web_search_per_1000"] is not None:
        yield Text(f"1,000 web searches: {shown['web_search_per_1000']} USD")


def _table(models: Sequence[Mapping[str, Any]], *, wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold", min_width=26)
    for name in _COLUMNS:
        table.add_column(_TITLES[name], justify="right")
    table.add_column("state", overflow="fold")
    if wide:
        table.add_column("source", overflow="fold")
    for model in models:
        above = "" if model["above_tokens"] is None else f" > {model['above_tokens']:,}"
        factor = "" if model["multiply"] == "1" else f" x {model['multiply']}"
        state = ", ".join(filter(None, (model["status"], model["from"] and f"since {model['from']}")))
        cells = [model["id"] + above + factor, *(model[name] for name in _COLUMNS), state]
        table.add_row(*map(Text, [*cells, *([model["source"]] if wide else [])]))
    return table


def _warnings(shown: Mapping[str, Any]) -> Iterable[Text]:
    if shown["leaving"] is None:
        return
    for one in shown["leaving"]:
        yield Text(f"! {one['sentence']}", "bold red" if one["certain"] else "yellow")
    for name in shown["unpriced"]:
        yield Text(f"! {name} has no price: its calls cost nobody knows what", "bold red")
    if not shown["leaving"] and not shown["unpriced"]:
        yield Text(f"Every model of the ladders has a price, and none ends within {NOTICE_DAYS} days.")


@click.command("prices")
@policy_option
@prices_option
@json_option
def prices_command(policy: Path | None, prices: Path | None, as_json: bool) -> None:
    """Which prices hold, of when and from whom, and which models of the policy's ladders will soon be gone?"""
    book = load_book(prices or read_settings(os.environ).prices)
    shown = show(book, datetime.now(UTC).date(), None if policy is None else read_policy(policy, book))
    answer(shown if as_json else render(shown, width=console().width))
