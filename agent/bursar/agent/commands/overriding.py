"""`bursar pause`, `resume`, `raise` and `overrides`: a rule put aside or widened for a while, at once and on record."""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.agent.commands import agenturl, candidates
from bursar.agent.commands.span_of_time import SpanError
from bursar.agent.ledger import balances, open_for_reading, overridebook
from bursar.agent.ledger.overridebook import Entry
from bursar.agent.serving import desk
from bursar.agent.settings import read_settings
from bursar.agent.visible import visible
from bursar.policies.amounts import parse_duration, parse_limit
from bursar.policies.overrides import EVERY_BUDGET, from_json

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SECOND = 10**9


def _time_options(command: _Command) -> _Command:
    until = click.option("--until", metavar="WHEN", help="2026-11-30 or 2026-11-30T15:00, in UTC.")
    span = click.option("--for", "span", metavar="SPAN", help="30m, 1h, 2d.")
    reason = click.option("--reason", default="", metavar="TEXT", help="Kept in the ledger, and told with the alert.")
    return span(until(reason(command)))


@click.command("pause")
@click.argument("budget", default=EVERY_BUDGET, shell_complete=candidates.budgets)
@_time_options
def pause_command(budget: str, span: str | None, until: str | None, reason: str) -> None:
    """Have a budget (or every one) only observe for a while: `bursar pause support-day --for 1h --reason TEXT`."""
    _order({"kind": "pause", "budget": budget, "reason": reason}, span, until)


@click.command("raise")
@click.argument("budget", shell_complete=candidates.budgets)
@click.argument("amount", nargs=-1, required=True)
@click.option("--scope", metavar="VALUE", help="Only one balance of it, as in tenant=acme.")
@_time_options
def raise_command(
    budget: str, amount: tuple[str, ...], scope: str | None, span: str | None, until: str | None, reason: str
) -> None:
    """Add to a budget's limit for a while: `bursar raise support-day 20 USD --until 2026-12-01`."""
    limit = parse_limit(_spaced(" ".join(amount)))
    order = {"kind": "raise", "budget": budget, "amount": limit.amount, "unit": limit.unit, "reason": reason}
    _order({**order, "scope": scope or ""}, span, until)


@click.command("resume")
@click.argument("budget", default=EVERY_BUDGET, shell_complete=candidates.budgets)
def resume_command(budget: str) -> None:
    """Take back what `pause` and `raise` did to a budget. Exit code 1 where there is nothing to take back."""
    ended = agenturl.order(desk.END, {"budget": budget, "by": _who()})
    for value in ended:
        click.echo(f"bursar: no longer: {from_json(value)}", err=True)
    if not ended:
        raise click.ClickException(f"nothing is paused or raised under the name {budget}: see `bursar overrides`")


@click.command("overrides")
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The ledger.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def overrides_command(everything: bool, db: Path | None, as_json: bool) -> None:
    """What is paused or raised, by whom, why, and until when?"""
    now_ns = time.time_ns()
    with open_for_reading(read_settings(os.environ, db=db).db) as ledger:
        entries = [e for e in overridebook.history(ledger) if everything or _stands(e, now_ns)]
    rows = [_row(entry, now_ns) for entry in entries]
    if as_json:
        click.echo(json.dumps({"overrides": rows, "at": balances.iso(now_ns)}, indent=2))
    else:
        Console(highlight=False).print(_table(rows) if rows else "Nothing is paused or raised.")


def _stands(entry: Entry, now_ns: int) -> bool:
    return entry.ended_ns is None and entry.override.holds(now_ns)


def _row(entry: Entry, now_ns: int) -> dict[str, Any]:
    override = entry.override
    return {
        "id": override.id,
        "what": str(override),
        "budget": override.budget,
        "kind": override.kind.value,
        "amount": override.amount,
        "unit": override.unit,
        "scope": override.scope,
        "since": balances.iso(override.since_ns),
        "until": balances.iso(override.until_ns),
        "by": override.by,
        "reason": override.reason,
        "stands": _stands(entry, now_ns),
        "ended": None if entry.ended_ns is None else balances.iso(entry.ended_ns),
        "ended_by": entry.ended_by,
    }


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="Overrides", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("what", "until", "by", "reason", ""):
        table.add_column(title)
    for row in rows:
        state = "" if row["stands"] else f"taken back by {row['ended_by']}" if row["ended"] else "over"
        table.add_row(*(Text(visible(text)) for text in (row["what"], row["until"], row["by"], row["reason"], state)))
    return table


def _order(order: dict[str, Any], span: str | None, until: str | None) -> None:
    made = from_json(agenturl.order(desk.OVERRIDES, {**order, "seconds": _seconds(span, until), "by": _who()}))
    click.echo(f"bursar: {made}, until {balances.iso(made.until_ns)}", err=True)


def _seconds(span: str | None, until: str | None) -> int:
    """How long an override is to hold. Raises `SpanError`."""
    if (span is None) == (until is None):
        raise SpanError("say how long it is to hold: --for 1h, or --until 2026-11-30T15:00")
    if span is not None:
        return max(int(parse_duration(span)), 1)
    try:
        at = datetime.fromisoformat(until or "")
    except ValueError as error:
        raise SpanError(f'"{until}" names no time: write 2026-11-30, or 2026-11-30T15:00') from error
    left = (at.replace(tzinfo=UTC) if at.tzinfo is None else at) - datetime.now(UTC)
    if left.total_seconds() <= 0:
        raise SpanError(f"{until} is over: write a time to come")
    return max(int(left.total_seconds()), 1)


def _spaced(amount: str) -> str:
    """`20USD` as `20 USD`: nobody wants to quote an amount."""
    digits = amount.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = amount[len(digits) :]
    return f"{digits.strip()} {unit}" if unit in ("USD", "tokens", "calls") else amount


def _who() -> str:
    with suppress(OSError, KeyError):  # a container's user may have no name
        return getpass.getuser()
    return f"uid {os.getuid()}"
