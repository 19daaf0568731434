"""`bursar report` and `bursar routes`: how is what was spent asked for?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from bursar.agent.commands import candidates, tables
from bursar.agent.commands.howfar import progress
from bursar.agent.commands.options import answer, console, db_option, json_option, settings_of, span_options
from bursar.agent.commands.span_of_time import parse_span
from bursar.agent.ledger import open_for_reading, reports
from bursar.agent.settings import Settings


@click.command("report")
@click.option(
    "--by",
    default="route,model",
    show_default=True,
    metavar="KEYS",
    shell_complete=candidates.keys,
    help=f"Comma-separated: {', '.join(reports.KEYS)}, label:NAME.",
)
@span_options
@db_option
@json_option
def report_command(by: str, since: str | None, until: str | None, db: Path | None, as_json: bool) -> None:
    """What was spent, by whom and on what?"""
    keys = [key.strip() for key in by.split(",") if key.strip()]
    made = _report(settings_of(db), keys, since, until)
    answer(made if as_json else tables.spend(made, keys, width=console().width))


@click.command("routes")
@span_options
@db_option
@json_option
def routes_command(since: str | None, until: str | None, db: Path | None, as_json: bool) -> None:
    """Which kinds of work are there, and what does each cost?"""
    settings = settings_of(db)
    made = _report(settings, ["route"], since, until)
    models: dict[str, list[str]] = {}
    for row in _report(settings, ["route", "model"], since, until)["rows"]:
        models.setdefault(row["route"], []).append(row["model"])
    if as_json:
        rows = [{**row, "models": models.get(row["route"], [])} for row in made["rows"]]
        answer({"routes": rows, "since": made["since"], "until": made["until"]})
    else:
        answer(tables.routes(made, models, width=console().width))


def _report(settings: Settings, keys: Sequence[str], since: str | None, until: str | None) -> reports.Row:
    start_ns, end_ns = parse_span(since, until, now=datetime.now(UTC))
    with open_for_reading(settings.db) as ledger, progress("adding up the ledger"):
        return reports.report(ledger, keys, since_ns=start_ns, until_ns=end_ns)
