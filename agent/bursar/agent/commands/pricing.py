"""How is a price shown: which rows, which modifiers, line by line?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from bursar.policies.amounts import usd
from bursar.policies.charge import Basis, Line
from bursar.policies.prices import PriceBook, PriceBookError, Quote, parse_book, price, shipped_book
from bursar.policies.usage import read_report


def load_book(prices_file: Path | None) -> PriceBook:
    """The shipped price book, with the user's price file on top. Raises PriceBookError."""
    book = shipped_book()
    if prices_file is None:
        return book
    try:
        text = prices_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PriceBookError(
            f"{prices_file}: cannot be read: {error}; name a readable TOML file in UTF-8, or none"
        ) from error
    return book.extended(parse_book(text, source=str(prices_file)))


def explain(model: str, usage: Mapping[str, Any], at: date, batch: bool, book: PriceBook) -> dict[str, Any]:
    """
    What a response with this `usage` (Anthropic's JSON object) costs, ready for JSON.

    Prices in US dollars per million tokens are exact decimals in text. A web search has `usd_per_1000` instead.
    """
    report = read_report(usage, stop_reason=None, has_content=True)
    quote = price(report, model=model, at=at, book=book, batch=batch)
    return {
        "model": model,
        "price_id": quote.price_id,
        "nano_usd": quote.cost_nano_usd,
        "basis": str(_basis(quote)),
        "modifiers": list(quote.modifiers),
        "missing": list(quote.missing),
        "lines": [_line(line) for line in quote.lines if quote.cost_nano_usd is not None],
    }


def _basis(quote: Quote) -> Basis:
    if quote.cost_nano_usd is None:
        return Basis.UNKNOWN
    return Basis.ESTIMATE if quote.estimated else Basis.USAGE


def render(explanation: Mapping[str, Any]) -> Table:
    """An explanation as a table for a terminal; what is missing and what moved the price stand below it."""
    table = Table(title=Text(f"{explanation['model']} at {explanation['price_id'] or 'no price'}"), show_footer=True)
    cost = explanation["nano_usd"]
    table.add_column("what", footer="total")
    table.add_column("model")
    table.add_column("quantity", justify="right")
    table.add_column("USD each", justify="right")
    table.add_column("USD", justify="right", footer="unknown" if cost is None else usd(cost))
    for line in explanation["lines"]:
        table.add_row(
            line["label"], Text(line["model"]), f"{line['quantity']:,}", _each(line), Text(usd(line["nano_usd"]))
        )
    notes = [*(f"modifier: {name}" for name in explanation["modifiers"]), *explanation["missing"]]
    table.caption = Text("\n".join(notes)) if notes else None
    return table


def _line(line: Line) -> dict[str, Any]:
    search = line.label == "web_search"
    return {
        "label": line.label,
        "quantity": line.quantity,
        "usd_per_mtok": None if search else _usd(line.pico_usd_each * 10**6),
        "usd_per_1000": _usd(line.pico_usd_each * 10**3) if search else None,
        "nano_usd": line.nano_usd,
        "model": line.model,
        "price_id": line.price_id,
    }


def _each(line: Mapping[str, Any]) -> str:
    if line["usd_per_mtok"] is None:
        return f"{line['usd_per_1000']} / 1,000"
    return f"{line['usd_per_mtok']} / MTok"


def _usd(pico: int) -> str:
    """Pico-dollars as dollars, exact: 12500000000 is `0.0125`, 10**13 is `10`."""
    text = f"{Decimal(pico).scaleb(-12):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
