"""`bursar reconcile`: does the ledger have what Anthropic bills?"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import httpx
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.agent.bill.access import access_of
from bursar.agent.bill.adminapi import AdminApi
from bursar.agent.bill.comparison import Finding, Row, Side, Tolerance, compare
from bursar.agent.bill.statement import Billed, Used, billed, used
from bursar.agent.commands.howfar import progress
from bursar.agent.commands.span_of_time import parse_span
from bursar.agent.ledger import daybook, open_for_reading
from bursar.agent.settings import read_settings
from bursar.policies.amounts import AmountError, parse_share, parse_usd, usd

DIFFERS = 1
DEFAULT_DAYS = 7
FRESH_SECONDS = 15 * 60
"""The reports know of a call after about five minutes, at times later."""
_DAY_NS = 86_400 * 10**9
_STYLES = {Finding.AGREES: "green", Finding.TOO_FRESH: "", Finding.PRIORITY: "", Finding.ELSEWHERE: ""}


@click.command("reconcile")
@click.option("--since", metavar="WHEN", help="The first day: 7d, 2026-11-20; in UTC, as on the bill.")
@click.option("--until", metavar="WHEN", help="Up to, and without, this day (default: today with what it has).")
@click.option(
    "--tolerance",
    default="0.01 USD",
    show_default=True,
    metavar="AMOUNT",
    help='By how much a day and model may differ: "0.01 USD", or "0.5%" of it.',
)
@click.option("--workspace", "workspaces", multiple=True, metavar="ID", help="Only this workspace's bill; repeatable.")
@click.option(
    "--workspace-label",
    metavar="NAME",
    help="The label in which calls say their workspace's id; then workspaces are compared one by one.",
)
@click.option("--all", "everything", is_flag=True, help="Show the days and models that agree as well.")
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The ledger (default: BURSAR_DB).")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def reconcile_command(
    since: str | None,
    until: str | None,
    tolerance: str,
    workspaces: tuple[str, ...],
    workspace_label: str | None,
    everything: bool,
    db: Path | None,
    as_json: bool,
) -> None:
    """
    Compare the ledger with Anthropic's Usage and Cost reports, by day and model. Exit code 1 where they differ.

    Needs an admin key in ANTHROPIC_ADMIN_KEY.
    """
    allowed, now_ns = _tolerance(tolerance), time.time_ns()
    first, last = _days(since, until, datetime.fromtimestamp(now_ns // 10**9, UTC))
    used_items, billed_items = _asked(first, last, workspaces)
    span = [(day - date(1970, 1, 1)).days * _DAY_NS for day in (first, last)]
    path = read_settings(os.environ, db=db).db
    with open_for_reading(path) as ledger, progress("adding up the ledger"):
        fresh_ns = now_ns - FRESH_SECONDS * 10**9
        entries = daybook.entries(ledger, *span, fresh_ns=fresh_ns, label=workspace_label or "")
    rows = compare(entries, used_items, billed_items, tolerance=allowed, by_workspace=bool(workspace_label))
    if as_json:
        click.echo(json.dumps(to_json(rows, first, last, tolerance, by_workspace=bool(workspace_label)), indent=2))
    else:
        console = Console(highlight=False)
        for part in told(rows, first, last, tolerance, everything=everything):
            console.print(part, soft_wrap=isinstance(part, Text))
    sys.exit(DIFFERS if any(row.fails for row in rows) else 0)


def to_json(
    rows: Sequence[Row], first: date, last: date, tolerance: str, *, by_workspace: bool = False
) -> dict[str, Any]:
    """The whole comparison; the shape is public. Fractions of a nano-dollar on the bill are rounded half to even."""
    return {
        "agrees": not any(row.fails for row in rows),
        "since": f"{first}T00:00:00Z",
        "until": f"{last}T00:00:00Z",
        "tolerance": tolerance,
        "by": ["day", "model", *(["workspace"] if by_workspace else [])],
        "total": {
            "ledger_nano_usd": round(sum((row.ledger.nano for row in rows), Fraction(0))),
            "bill_nano_usd": round(sum((row.bill.nano for row in rows), Fraction(0))),
        },
        "rows": [_row(row) for row in rows],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "day": row.day.isoformat(),
        "what": row.what,
        "workspace": row.workspace or None,
        "finding": row.finding.value,
        "differs": row.fails,
        "ledger_nano_usd": round(row.ledger.nano),
        "bill_nano_usd": round(row.bill.nano),
        "gap_nano_usd": round(row.gap),
        "ledger_quantities": _quantities(row.ledger),
        "bill_quantities": _quantities(row.bill),
        "bill_workspaces": sorted(row.bill.workspaces),
        "said": row.said,
    }


def _quantities(side: Side) -> dict[str, int]:
    return dict(sorted(side.quantities.items()))


def told(
    rows: Sequence[Row], first: date, last: date, tolerance: str, *, everything: bool = False
) -> Iterator[Table | Text]:
    """The verdict first, then the days and models that say something, then what to know about them."""
    agreeing = sum(row.finding is Finding.AGREES for row in rows)
    days = f"{first} to {last - timedelta(days=1)}"
    differing = sum(row.fails for row in rows)
    if differing:
        yield Text(f"{days}: {differing} of {len(rows)} differ by more than {tolerance}", "bold red")
    else:
        yield Text(f"{days}: the ledger and the bill agree, to {tolerance} a day and model", "bold green")
    shown = [row for row in rows if everything or row.finding is not Finding.AGREES]
    if shown:
        yield _table(shown)
    for row in shown:
        if row.said:
            yield Text(f"{row.day} {_place(row)}: {row.said}", "" if row.fails else "dim")
    if agreeing and not everything:
        yield Text(f"{agreeing} more agree (--all shows them).", "dim")
    if not any(row.workspace for row in rows):
        yield Text("By day and model: the ledger knows a call's workspace by a label only (--workspace-label).", "dim")


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title=Text("In USD"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for title, right in (("day", False), ("what", False), ("ledger", True), ("bill", True), ("difference", True)):
        table.add_column(title, justify="right" if right else "left", overflow="fold", no_wrap=title == "day")
    table.add_column("finding", overflow="fold")
    for row in rows:
        amounts = [_money(amount) for amount in (row.ledger.nano, row.bill.nano, row.gap)]
        finding = Text(row.finding.value, _STYLES.get(row.finding, "red"))
        table.add_row(str(row.day), Text(_place(row)), *amounts, finding)
    return table


def _place(row: Row) -> str:
    return f"{row.what} in {row.workspace}" if row.workspace else row.what


def _money(nano: Fraction) -> str:
    """To a ten-thousandth of a dollar, which is a hundredth of a cent: the bill is no finer."""
    return usd(round(nano / 10**5) * 10**5)


def _asked(first: date, last: date, workspaces: Collection[str]) -> tuple[list[Used], list[Billed]]:
    """Both reports, page by page; a person who waits is told so."""
    access = access_of(os.environ)
    with httpx.Client() as client, progress("asking Anthropic's Usage and Cost reports"):
        api = AdminApi(client, access, tell=lambda said: click.echo(said, err=True))
        used_items, billed_items = list(used(api.usage(first, last))), list(billed(api.costs(first, last)))
    if not workspaces:
        return used_items, billed_items
    return (
        [item for item in used_items if item.workspace in workspaces],
        [item for item in billed_items if item.workspace in workspaces],
    )


def _days(since: str | None, until: str | None, now: datetime) -> tuple[date, date]:
    """Whole days, since the bill knows no others: the one that `since` falls into, up to the end of the last."""
    start_ns, end_ns = parse_span(since or f"{DEFAULT_DAYS}d", until, now=now)
    first, last = (datetime.fromtimestamp(at // 10**9, UTC).date() for at in (start_ns, end_ns - 1))
    return first, last + timedelta(days=1)


def _tolerance(text: str) -> Tolerance:
    """Raises `AmountError`."""
    try:
        return Tolerance(share=parse_share(text)) if text.strip().endswith("%") else Tolerance(nano=parse_usd(text))
    except AmountError as error:
        raise AmountError(error.problem, 'write --tolerance "0.01 USD" or --tolerance "0.5%"') from error
