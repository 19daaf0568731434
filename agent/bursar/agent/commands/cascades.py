"""`bursar cascades`: does two-stage routing pay?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.agent.commands.howfar import progress
from bursar.agent.commands.pricing import load_book
from bursar.agent.commands.saving import Saving, interval, savings
from bursar.agent.commands.span_of_time import parse_span
from bursar.agent.ledger import open_for_reading
from bursar.agent.ledger.balances import iso
from bursar.agent.ledger.cascades import cascades
from bursar.agent.settings import read_settings
from bursar.policies.amounts import usd
from bursar.policies.shipped.genai import look_up

_WIDE = 110


@click.command("cascades")
@click.option("--since", metavar="WHEN", help="From here on: 1h, 7d, 2026-11-20 or 2026-11-20T15:00, in UTC.")
@click.option("--until", metavar="WHEN", help="Up to, and without, this time; written as for --since.")
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The ledger (default: BURSAR_DB).")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def cascades_command(since: str | None, until: str | None, db: Path | None, as_json: bool) -> None:
    """How often did cascades escalate, and what did they save beside the strong model alone?"""
    settings = read_settings(os.environ, db=db)
    since_ns, until_ns = parse_span(since, until, now=datetime.now(UTC))
    book = load_book(settings.prices).with_fallback(look_up)
    with open_for_reading(settings.db) as ledger, progress("adding up cascades"):
        found = savings(cascades(ledger, since_ns, until_ns), book)
    if as_json:
        rows = [to_json(saving) for saving in found]
        click.echo(json.dumps({"cascades": rows, "since": iso(since_ns), "until": iso(until_ns)}, indent=2))
        return
    console = Console(highlight=False)
    if not found:
        console.print(Text("No cascade in this time. docs/cascade.md tells how to make one."), soft_wrap=True)
        return
    console.print(table(found, width=console.width))
    for said in (*map(verdict, found), *remarks(found)):
        console.print(said, soft_wrap=True)


def to_json(saving: Saving) -> dict[str, Any]:
    """A kind of work as `--json` tells it; the shape is public."""
    low, high = interval(saving.escalated, saving.calls)
    return {
        "route": saving.work.route,
        "cheap_model": saving.work.cheap,
        "strong_model": saving.work.strong,
        "calls": saving.calls,
        "escalated": saving.escalated,
        "escalated_share": saving.share,
        "escalated_share_95": [low, high],
        "why": dict(sorted(saving.why.items())),
        "refused": saving.refused,
        "failed": saving.failed,
        "in_flight": saving.in_flight,
        "nano_usd": saving.nano,
        "unknown_charges": saving.unknown,
        "compared": {
            "calls": saving.compared,
            "nano_usd": saving.compared_nano,
            "all_strong_nano_usd": saving.all_strong_nano,
            "basis": "estimate" if saving.estimated else "usage",
            "tokenizer_factors": [_decimal(factor) for factor in sorted(saving.factors)],
            "saved_nano_usd": saving.saved_nano,
            "break_even_share": saving.break_even,
        },
        "not_compared": {reason.value: count for reason, count in sorted(saving.uncompared.items())},
    }


def table(found: Sequence[Saving], *, width: int) -> Table:
    """A line for each kind of work; in a narrow terminal without the models."""
    shown = Table(title=Text("Cascades, in USD"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("route", overflow="fold")
    if width >= _WIDE:
        shown.add_column("cheap, then strong", overflow="fold")
    for title in ("calls", "escalated", "cost", "all strong", "saved"):
        shown.add_column(title, justify="right", overflow="fold")
    for saving in found:
        models = [Text(f"{saving.work.cheap}, {saving.work.strong}")] if width >= _WIDE else []
        shown.add_row(Text(saving.work.route), *models, *_figures(saving))
    return shown


def verdict(saving: Saving) -> Text:
    """What came of it, in words."""
    work, nano = saving.work, saving.saved_nano
    if not saving.compared:
        return Text(f"{work.route}: nothing to compare yet")
    against = f"{work.strong} alone would have cost {usd(saving.all_strong_nano)} USD for {saving.compared:,} calls"
    if nano >= 0:
        return Text(f"{work.route}: {against}, the cascade cost {usd(saving.compared_nano)}: {usd(nano)} USD saved")
    return Text(
        f"{work.route}: {against}, the cascade cost {usd(saving.compared_nano)}: {usd(-nano)} USD MORE. "
        f"{_remedy(saving)}",
        "red",
    )


def remarks(found: Sequence[Saving]) -> Iterator[Text]:
    """What to know about the figures."""
    if any(saving.estimated for saving in found):
        factors = {factor for saving in found for factor in saving.factors}
        yield Text(
            "All strong is an estimate where the strong model was not asked: the cheap call's own tokens at the strong "
            f"model's prices{_told(factors)}. Its answers may be of another "
            "length.",
            "dim",
        )
    for saving in found:
        for reason, count in sorted(saving.uncompared.items()):
            yield Text(f"{saving.work.route}: not compared, {count:,} of {saving.calls:,}: {reason.value}", "dim")
        if saving.failed:
            yield Text(f"{saving.work.route}: not counted, {saving.failed:,}: the cheap call failed for good", "dim")


def _figures(saving: Saving) -> list[Text]:
    compared = saving.compared > 0
    return [
        Text(f"{saving.calls:,}"),
        Text(_share(saving)),
        Text(usd(saving.nano)),
        Text(usd(saving.all_strong_nano) if compared else ""),
        Text(usd(saving.saved_nano) if compared else "", "red" if saving.saved_nano < 0 else ""),
    ]


def _share(saving: Saving) -> str:
    if saving.share is None:
        return ""
    low, high = interval(saving.escalated, saving.calls)
    return f"{saving.share:.0%} ({low:.0%} to {high:.0%})"


def _remedy(saving: Saving) -> str:
    limit = saving.break_even
    if limit is None or limit <= 0:
        return f"Its cheap calls cost more than {saving.work.strong}: ask that at once"
    return (
        f"It pays while less than {limit:.0%} of the calls are escalated: give the cheap model more to go by, accept "
        "more of its answers, or ask the strong one at once"
    )


def _told(factors: set[Fraction]) -> str:
    """How tokens were converted, where the two models count them differently."""
    other = sorted(factor for factor in factors if factor != 1)
    if not other:
        return ""
    return f", times {' or '.join(map(_decimal, other))} for another tokenizer"


def _decimal(factor: Fraction) -> str:
    return f"{float(factor):.4g}"
