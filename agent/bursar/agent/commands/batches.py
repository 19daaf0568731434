"""`bursar batches`: how far are they, when will they end, and what did they save?"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bursar.agent.batching.routes import CANCEL_BATCH
from bursar.agent.commands.agenturl import order
from bursar.agent.commands.reach import RefusedError
from bursar.agent.ledger import batchbook, batchreports, open_for_reading
from bursar.agent.ledger.balances import iso
from bursar.agent.settings import read_settings
from bursar.policies.amounts import usd

Row = Mapping[str, Any]
SHOWN = 20
LOOK_SECONDS = 1.0
_SECOND = 10**9
_UNDER_WAY = ("forming", "submitting", "in_progress", "cancelling", "ended")
_INSTANTS = ("made", "submitted", "ended", "expected")

db_option = click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The ledger.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")


@click.group("batches", invoke_without_command=True)
@db_option
@click.option("--once", is_flag=True, help="Show it once, also while a batch is under way.")
@click.option("--limit", default=SHOWN, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
@json_option
@click.pass_context
def batches_command(context: click.Context, db: Path | None, once: bool, limit: int, as_json: bool) -> None:
    """Batches of calls that were put off: live while one is under way, in a terminal."""
    if context.invoked_subcommand is not None:
        return
    path = read_settings(os.environ, db=db).db
    found = look(path, limit)
    if as_json:
        click.echo(json.dumps(to_json(found), indent=2))
        return
    console = Console(highlight=False)
    if once or not console.is_terminal or not under_way(found):
        console.print(render(found, time.time_ns()))
        return
    with Live(render(found, time.time_ns()), console=console, auto_refresh=False) as live:
        while under_way(found):
            time.sleep(LOOK_SECONDS)
            found = look(path, limit)
            live.update(render(found, time.time_ns()), refresh=True)


@batches_command.command("show")
@click.argument("name")
@db_option
@json_option
def show_command(name: str, db: Path | None, as_json: bool) -> None:
    """One batch, by its name here or at the API. Exit code 1 where there is none."""
    with open_for_reading(read_settings(os.environ, db=db).db) as ledger:
        batch = batchbook.find(ledger, name)
        if batch is None:
            raise RefusedError(f"there is no batch {name}: `bursar batches` lists them")
        (row,) = batchreports.rows_of(ledger, [batch], now_ns=time.time_ns())
    if as_json:
        click.echo(json.dumps(_with_instants(row), indent=2))
        return
    table = Table.grid(padding=(0, 2))
    for key, value in _with_instants(row).items():
        table.add_row(key, Text(_plain(key, value)))
    Console(highlight=False).print(table)


@batches_command.command("cancel")
@click.argument("name")
def cancel_command(name: str) -> None:
    """Wait for a batch no longer: its calls are cancelled. What is answered all the same is paid and booked."""
    order(CANCEL_BATCH, {"id": name})
    click.echo(f"bursar: {name} is being cancelled; what runs already may still be answered, and is booked", err=True)


def look(path: Path, limit: int) -> dict[str, Any]:
    """What the ledger says now."""
    with open_for_reading(path) as ledger:
        rows = batchreports.batches(ledger, now_ns=time.time_ns(), limit=limit)
        return {"batches": rows, "queued": batchreports.queued(ledger)}


def under_way(found: Mapping[str, Any]) -> bool:
    """Whether anything is waited for."""
    return bool(found["queued"]["calls"]) or any(row["state"] in _UNDER_WAY for row in found["batches"])


def to_json(found: Mapping[str, Any]) -> dict[str, Any]:
    """As `--json` tells it; the shape is public."""
    queued = found["queued"]
    next_ns = queued["next_ns"]
    saved = sum(row["saved_nano_usd"] for row in found["batches"])
    return {
        "batches": [_with_instants(row) for row in found["batches"]],
        "queued": {"calls": queued["calls"], "bytes": queued["bytes"], "next": next_ns and iso(next_ns)},
        "saved_nano_usd": saved,
    }


def render(found: Mapping[str, Any], now_ns: int) -> RenderableType:
    """A line for each batch, and what all of them saved below."""
    rows: Sequence[Row] = found["batches"]
    calls = found["queued"]["calls"]
    waits = Text(f"{calls:,} {'call waits' if calls == 1 else 'calls wait'} to be sent.") if calls else None
    if not rows:
        return waits or Text("No call was put off. docs/deferrals.md tells how that is asked for.")
    table = Table(title="Batches, in USD", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("batch", overflow="fold")
    for title, justify in (("requests", "right"), ("state", "left"), ("progress", "left"), ("end", "left")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for title in ("paid", "saved"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(
            Text(row["api_id"] or row["id"]),
            f"{row['requests']:,}",
            Text(state_text(row)),
            ProgressBar(total=100, completed=row["progress"] * 100, width=12),
            end_text(row, now_ns),
            usd(row["nano_usd"]),
            usd(row["saved_nano_usd"]),
        )
    saved = sum(row["saved_nano_usd"] for row in rows)
    said = Text(f"{usd(saved)} USD saved so far, against the same usage at ordinary prices.", "green")
    return Group(table, *([waits] if waits is not None else []), said)


def state_text(row: Row) -> str:
    """Where a batch stands, with what went wrong in it."""
    wrong = [f"{count:,} {name}" for name, count in row["outcomes"].items() if name not in ("succeeded", "processing")]
    state = str(row["state"]).replace("_", " ")
    return f"{state} ({', '.join(wrong)})" if wrong else state


def end_text(row: Row, now_ns: int) -> str:
    """When it ended, or likely will."""
    if row["ended_ns"] is not None:
        return iso(row["ended_ns"])
    if row["expected_ns"] is None:
        return ""
    left = (row["expected_ns"] - now_ns) / _SECOND
    return f"in about {span(left)}" if left > 0 else f"{span(-left)} later than usual"


def span(seconds: float) -> str:
    """So long, in one unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _with_instants(row: Row) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if not name.endswith("_ns")}
    for name in _INSTANTS:
        at_ns = row[f"{name}_ns"]
        told[name] = None if at_ns is None else iso(at_ns)
    return told


def _plain(key: str, value: object) -> str:
    if key.endswith("nano_usd") and isinstance(value, int):
        return f"{usd(value)} USD"
    if isinstance(value, dict):
        return ", ".join(f"{count:,} {name}" for name, count in value.items())  # pyright: ignore
    return "" if value is None else str(value)
