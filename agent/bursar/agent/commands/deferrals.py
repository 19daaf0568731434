"""`bursar deferrals`: which calls are put off, how does each stand, and what was answered?"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.agent.batching.outcomes import read_outcomes
from bursar.agent.batching.vault import open_vault
from bursar.agent.commands.agenturl import order
from bursar.agent.commands.batches import db_option, json_option, span
from bursar.agent.commands.howfar import progress
from bursar.agent.commands.reach import RefusedError
from bursar.agent.ledger import batchbook, batchreports, deferralbook, open_for_reading
from bursar.agent.ledger.balances import iso
from bursar.agent.settings import read_settings
from bursar.policies import deferral
from bursar.policies.amounts import usd
from bursar.policies.batchflush import learn
from bursar.policies.deferral import Outcome, State, wait_response_from_json

Row = Mapping[str, Any]
SHOWN = 50
NO = 1
_SECOND = 10**9
_INSTANTS = ("taken", "due", "ended_at")


@click.group("deferrals", invoke_without_command=True)
@db_option
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@click.option("--limit", default=SHOWN, show_default=True, type=click.IntRange(1, 100_000), help="How many at most.")
@json_option
@click.pass_context
def deferrals_command(context: click.Context, db: Path | None, everything: bool, limit: int, as_json: bool) -> None:
    """Calls that are put off, the newest first."""
    if context.invoked_subcommand is not None:
        return
    now_ns = time.time_ns()
    with open_for_reading(read_settings(os.environ, db=db).db) as ledger:
        rows = batchreports.deferrals(ledger, limit=limit, every=everything)
    if as_json:
        click.echo(json.dumps({"deferrals": [_with_instants(row) for row in rows], "at": iso(now_ns)}, indent=2))
    else:
        said = "No call is put off." if not everything else "No call was put off."
        Console(highlight=False).print(table(rows, now_ns) if rows else Text(said))


@deferrals_command.command("show")
@click.argument("name")
@db_option
def show_command(name: str, db: Path | None) -> None:
    """One call with every attempt that was made of it, and its answer, as JSON. Exit code 1 where there is none."""
    settings = read_settings(os.environ, db=db)
    vault = open_vault(settings.deferrals_key_file)
    with open_for_reading(settings.db) as ledger:
        found = deferralbook.find(ledger, name)
        if found is None:
            raise RefusedError(_unknown(name))
        row, tries = batchreports.deferral_row(ledger, found), batchbook.tries_of(ledger, name)
        (outcome,) = read_outcomes(ledger, [name], vault, learn(batchbook.took_seconds(ledger)))
    attempts = [
        {**one, "at_ns": iso(one["at_ns"]), "ended_ns": one["ended_ns"] and iso(one["ended_ns"])} for one in tries
    ]
    told = {**_with_instants(row), "attempts": [_renamed(one) for one in attempts], "answer": answer(outcome)}
    click.echo(json.dumps(told, indent=2))


@deferrals_command.command("wait")
@click.argument("name")
def wait_command(name: str) -> None:
    """Wait until a call is over; its message as JSON. Exit code 1 where it failed or is not known."""
    with progress("waiting for the answer"):
        outcome = _awaited(name)
    click.echo(json.dumps(answer(outcome), indent=2))
    if outcome.state not in (State.SUCCEEDED, State.DELIVERED):
        raise SystemExit(NO)


def _awaited(name: str) -> Outcome:
    """How it ended, once it has."""
    while True:
        request = {"ids": [name], "seconds": deferral.WAIT_SECONDS, "deliver": True}
        told = order(deferral.WAIT_PATH, request, seconds=deferral.WAIT_SECONDS + 10)
        outcomes = wait_response_from_json(told).outcomes
        if not outcomes:
            raise RefusedError(_unknown(name))
        if outcomes[0].state.over:
            return outcomes[0]


@deferrals_command.command("cancel")
@click.argument("name")
def cancel_command(name: str) -> None:
    """Let a call go. What is in a batch already may still be answered, and is booked. Exit code 1 where it is over."""
    told = order(deferral.WITHDRAW_PATH, {"id": name, "why": "cancelled by `bursar deferrals cancel`"})
    outcomes = wait_response_from_json(told).outcomes
    if not outcomes:
        raise RefusedError(_unknown(name))
    if outcomes[0].state is not State.CANCELLED:
        raise RefusedError(f"{name} is over: it {outcomes[0].state.value.replace('_', ' ')}")
    click.echo(f"bursar: {name} is cancelled", err=True)


def table(rows: Sequence[Row], now_ns: int) -> Table:
    """A line for each call."""
    shown = Table(title="Calls put off, in USD", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("id", "state", "route", "key"):
        shown.add_column(title, overflow="fold")
    for title in ("age", "due", "cost"):
        shown.add_column(title, justify="right")
    for row in rows:
        age, left = (now_ns - row["taken_ns"]) / _SECOND, (row["due_ns"] - now_ns) / _SECOND
        due = "" if row["ended_ns"] is not None else f"in {span(left)}" if left > 0 else f"{span(-left)} ago"
        state = str(row["state"]).replace("_", " ")
        cells = (row["id"], state, row["route"], row["key"], span(max(age, 0)), due, usd(row["nano_usd"]))
        shown.add_row(*(Text(cell) for cell in cells))
    return shown


def answer(outcome: Outcome) -> dict[str, Any]:
    """How a call ended, and with what."""
    return {
        "state": outcome.state.value,
        "reason": outcome.reason,
        "message": None if outcome.message is None else json.loads(outcome.message),
        "error": outcome.error,
        "refusal": outcome.refusal,
        "batch": outcome.batch_id,
        "nano_usd": sum(charge.get("cost_nano_usd") or 0 for charge in outcome.charges),
    }


def _with_instants(row: Row) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if not name.endswith("_ns")}
    for name, column in zip(_INSTANTS, ("taken_ns", "due_ns", "ended_ns"), strict=True):
        told[name] = None if row[column] is None else iso(row[column])
    return told


def _renamed(row: Row) -> dict[str, Any]:
    return {{"at_ns": "at", "ended_ns": "ended", "cost_nano": "nano_usd"}.get(name, name): row[name] for name in row}


def _unknown(name: str) -> str:
    return f"there is no call {name} that was put off: `bursar deferrals --all` lists them"
