"""`bursar export`: how do the charges get into a finance department's tools?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import click
from sqlite_utils import Database

from bursar.agent.bill import focus
from bursar.agent.bill.apportion import apportioned, rates_by_row
from bursar.agent.bill.tablefile import write_csv, write_json, write_parquet
from bursar.agent.commands.howfar import progress
from bursar.agent.commands.pricing import load_book
from bursar.agent.commands.span_of_time import parse_span
from bursar.agent.ledger import exportbook, open_for_reading
from bursar.agent.ledger.rollups import DAY_NS
from bursar.agent.settings import read_settings
from bursar.policies.amounts import usd
from bursar.policies.prices import PriceBook

PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_SECOND = 10**9
_CHARGES = ("at", *exportbook.COLUMNS[1:], "cost_usd")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written, and how."""

    format: str
    since_ns: int
    until_ns: int
    period: timedelta
    account: str
    output: Path | None

    @property
    def parquet(self) -> bool:
        return self.output is not None and self.output.suffix == ".parquet"


@click.command("export")
@click.option(
    "--format",
    "form",
    type=click.Choice(["focus", "csv", "json"]),
    required=True,
    help=f"FOCUS {focus.VERSION} (as CSV, or Parquet by --output's name), or every charge as CSV or JSON.",
)
@click.option("--since", metavar="WHEN", help="From here on: 1h, 7d, 2026-11-20 or 2026-11-20T15:00, in UTC.")
@click.option("--until", metavar="WHEN", help="Up to, and without, this time; written as for --since.")
@click.option("--by", type=click.Choice(list(PERIODS)), default="day", show_default=True, help="FOCUS's charge period.")
@click.option("--billing-account", metavar="ID", help="Your organisation's id, as its invoices name it; for FOCUS.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file (.parquet for Parquet) instead of standard output.",
)
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The ledger (default: BURSAR_DB).")
def export_command(
    form: str,
    since: str | None,
    until: str | None,
    by: str,
    billing_account: str | None,
    output: Path | None,
    db: Path | None,
) -> None:
    """Write the charges for other tools: FOCUS for finance, or every one of them as CSV or JSON."""
    if form == "focus" and not billing_account:
        raise click.UsageError(
            "--billing-account is needed: FOCUS asks whose invoice it is. It is your organisation's id (Claude "
            "Console, Settings, Organization)"
        )
    settings = read_settings(os.environ, db=db)
    order = Order(form, *parse_span(since, until, now=datetime.now(UTC)), PERIODS[by], billing_account or "", output)
    if order.parquet and form != "focus":
        raise click.UsageError("Parquet is written of FOCUS only: add --format focus, or give --output another name")
    book = load_book(settings.prices)
    with open_for_reading(settings.db) as ledger:
        count = _write(ledger, order, book)
        unknown = exportbook.unknown(ledger, order.since_ns, order.until_ns)
    click.echo(f"{count:,} rows{'' if output is None else f' in {output}'}", err=True)
    if unknown and form == "focus":
        click.echo(f"{unknown:,} charges have no known cost and are not in it: see `bursar report`", err=True)


def _write(ledger: Database, order: Order, book: PriceBook) -> int:
    if order.parquet and order.output is not None:
        about = {"FocusVersion": focus.VERSION, "DataGenerator": "Bursar"}
        with _beside(order.output) as partial:
            return write_parquet(_focus(ledger, order, book), focus.COLUMNS, focus.DECIMALS, partial, **about)
    with _out(order.output) as out:
        if order.format == "focus":
            return write_csv(_focus(ledger, order, book), focus.COLUMNS, out)
        if order.format == "csv":
            return write_csv(_charges(ledger, order), _CHARGES, out)
        return write_json(map(_decoded, _charges(ledger, order)), out)


def _focus(ledger: Database, order: Order, book: PriceBook) -> Iterator[focus.Row]:
    """Day by day, so that no more than one is in memory."""
    rates, period_ns = rates_by_row(book), int(order.period.total_seconds()) * _SECOND
    for start, end in _days(ledger, order):
        for sold in exportbook.sold(ledger, start, end, period_ns=period_ns):
            yield focus.row(sold, account=order.account, period=order.period)
        for summed in exportbook.summed(ledger, start, end, period_ns=period_ns):
            for part in apportioned(summed, rates, book.web_search_pico):
                yield focus.row(part, account=order.account, period=order.period)


def _charges(ledger: Database, order: Order) -> Iterator[dict[str, Any]]:
    for start, end in _days(ledger, order):
        for row in exportbook.each(ledger, start, end):
            nano = row["nano_usd"]
            at = datetime.fromtimestamp(row.pop("at_ns") / _SECOND, UTC)
            yield {
                "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                **row,
                "cost_usd": None if nano is None else usd(nano),
            }


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    """Lists and objects as such, where the format has them."""
    return {
        name: json.loads(value) if value is not None and name in ("labels", "modifiers", "missing") else value
        for name, value in row.items()
    }


def _days(ledger: Database, order: Order) -> Iterator[tuple[int, int]]:
    found = exportbook.extent(ledger, order.since_ns, order.until_ns)
    if found is None:
        return
    first, last = found
    starts = range(first // DAY_NS * DAY_NS, last, DAY_NS)
    with progress("writing days", len(starts)) as done:
        for number, start in enumerate(starts):
            yield max(start, order.since_ns), min(start + DAY_NS, order.until_ns)
            done(number + 1)


@contextmanager
def _out(path: Path | None) -> Generator[IO[str]]:
    if path is None:
        yield sys.stdout
        return
    with _beside(path) as partial, partial.open("w", encoding="utf-8", newline="") as out:
        yield out


@contextmanager
def _beside(path: Path) -> Generator[Path]:
    """A file that takes the other's place once it is whole."""
    partial = path.with_name(f".{path.name}.part")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise click.FileError(str(path), f"{error.strerror}: write to another place with --output") from error
    finally:
        partial.unlink(missing_ok=True)
