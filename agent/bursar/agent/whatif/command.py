"""`bursar simulate`: what would the same work cost with other levers?"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, date, datetime

import click
from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bursar.agent.commands.pricing import load_book
from bursar.agent.settings import SettingsError, read_settings
from bursar.agent.whatif.article import Row, rows
from bursar.agent.whatif.levers import UnpricedError, days
from bursar.agent.whatif.pipelines import ERAS, PIPELINES, Era, Pipeline
from bursar.policies.amounts import usd
from bursar.policies.prices import PriceBookError


class _CannotStart(click.ClickException):
    exit_code = 3


@click.command("simulate")
@click.option("--example", required=True, type=click.Choice(list(PIPELINES)), help="One of the article's pipelines.")
@click.option("--prices", default="today", show_default=True, type=click.Choice(list(ERAS)), help="Whose prices.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def simulate_command(example: str, prices: str, as_json: bool) -> None:
    """What do the levers save on the article's own pipelines, and what does the article say that they do?"""
    pipeline, era = PIPELINES[example], ERAS[prices]
    today = datetime.now(UTC).date()
    try:
        book = load_book(read_settings(os.environ).prices)
        found = rows(pipeline, era, days(pipeline, era, book, today))
    except (SettingsError, PriceBookError, UnpricedError) as error:
        raise _CannotStart(str(error)) from error
    if as_json:
        click.echo(json.dumps(_document(pipeline, era, today, found), indent=2))
    else:
        Console(file=sys.stdout).print(_table(pipeline, era, today, found))


def _document(pipeline: Pipeline, era: Era, today: date, found: list[Row]) -> dict[str, object]:
    return {
        "example": pipeline.name,
        "what": pipeline.what,
        "prices": (era.day or today).isoformat(),
        "rows": [row.to_json() for row in found],
        "note": pipeline.asks,
    }


def _table(pipeline: Pipeline, era: Era, today: date, found: list[Row]) -> Group:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, leading=1)
    table.add_column("levers", no_wrap=True)
    table.add_column("USD a day", justify="right", no_wrap=True)
    table.add_column("article", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in found:
        article = "" if row.article is None else f"{row.article:.2f}"
        table.add_row(row.levers.value, usd(row.nano), article, row.why)
    models = f"{era.strong}, then {era.cheap}; prices of {era.day or today}"
    return Group(Text(f"{pipeline.what}\n{models}", "bold"), table, Text(pipeline.asks, "dim"))
