"""`bursar budgets` and `bursar holds`: how is what stands now asked for?"""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.text import Text

from bursar.agent.commands import tables
from bursar.agent.commands.howfar import progress
from bursar.agent.commands.options import answer, console, db_option, json_option, settings_of
from bursar.agent.ledger import balances, open_for_reading, reports


@click.command("budgets")
@db_option
@json_option
def budgets_command(db: Path | None, as_json: bool) -> None:
    """What does every budget stand at now?"""
    now_ns = time.time_ns()
    with open_for_reading(settings_of(db).db) as ledger, progress("reading the day"):
        rows = [_with_instants(row) for row in reports.budgets(ledger, now_ns)]
        observed = reports.observed(ledger, now_ns - reports.IDLE_NS, now_ns)
    if as_json:
        answer({"budgets": rows, "observed": observed, "at": balances.iso(now_ns)})
    else:
        answer(tables.budgets(rows, width=console().width) if rows else Text("No budget counts anything now."))
        answer(*tables.observed(observed))


@click.command("holds")
@db_option
@json_option
def holds_command(db: Path | None, as_json: bool) -> None:
    """Which calls are in flight, whose are they, and what may they cost?"""
    now_ns = time.time_ns()
    with open_for_reading(settings_of(db).db) as ledger:
        rows = reports.holds(ledger)
    if as_json:
        answer({"holds": [{**row, "at": balances.iso(row["at_ns"])} for row in rows], "at": balances.iso(now_ns)})
    else:
        found = tables.holds(rows, now_ns=now_ns, width=console().width)
        answer(found if rows else Text("No call is in flight."))


def _with_instants(row: reports.Row) -> reports.Row:
    instants = {name: row[name] for name in ("window_start", "window_end")}
    return {**row, **{name: None if at is None else balances.iso(at) for name, at in instants.items()}}
