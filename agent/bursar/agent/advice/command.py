"""`bursar advise`: what could be done cheaper?"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.agent.advice.reading import route_usage
from bursar.agent.advice.recommendation import Recommendation, ordered, to_json
from bursar.agent.advice.usage import RouteUsage, advise
from bursar.agent.advice.wording import recommendation
from bursar.agent.commands.pricing import load_book
from bursar.agent.commands.span_of_time import SpanError, parse_span
from bursar.agent.ledger import LedgerError, open_for_reading
from bursar.agent.ledger.balances import iso
from bursar.agent.settings import Settings, SettingsError, read_settings
from bursar.policies.prices import PriceBookError

_DAY_NS = 86_400 * 10**9

_NAMES = 28
"""Columns for names at most: in a terminal of 80 the words beside them keep 50."""


class _WrongUsage(click.ClickException):
    exit_code = 2


class _CannotStart(click.ClickException):
    exit_code = 3


@click.command("advise")
@click.option("--route", help="Only this route; a glob such as 'support.*'.")
@click.option("--since", default="7d", show_default=True, help="How far back: 24h, 7d, or a date.")
@click.option("--db", type=click.Path(path_type=Path), help="The ledger (default: BURSAR_DB, or the state folder).")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def advise_command(route: str | None, since: str, db: Path | None, as_json: bool) -> None:
    """What would caching save, route by route, judged from recorded usage alone?"""
    try:
        settings = read_settings(os.environ, db=db)
        since_ns, until_ns = parse_span(since, None, now=datetime.now(UTC))
        found = _advice(settings, route, since_ns, until_ns)
    except (SettingsError, SpanError) as error:
        raise _WrongUsage(str(error)) from error
    except (LedgerError, PriceBookError) as error:
        raise _CannotStart(str(error)) from error
    if as_json:
        document = {
            "recommendations": [to_json(one) for one in found],
            "since": iso(since_ns),
            "until": iso(until_ns),
        }
        click.echo(json.dumps(document, indent=2))
    else:
        _show(found, since)


def _advice(settings: Settings, route: str | None, since_ns: int, until_ns: int) -> list[Recommendation]:
    book = load_book(settings.prices)
    with open_for_reading(settings.db) as db:
        rows = route_usage(db, since_ns, until_ns)
    days = observed_days(rows, until_ns)
    wanted = [row for row in rows if route is None or fnmatchcase(row.route, route)]
    at = datetime.fromtimestamp(until_ns // 10**9, UTC).date()
    return ordered(recommendation(one) for one in advise(wanted, book, at, days))


def observed_days(rows: list[RouteUsage], until_ns: int) -> Fraction:
    """
    How many days the rows stand for: from the first call of all up to the end, one at least.

    The asked period may reach back to before there was a ledger; days without one are no days without calls.
    """
    first_ns = min((row.at_ns[0] for row in rows), default=until_ns)
    return max(Fraction(until_ns - first_ns, _DAY_NS), Fraction(1))


def _show(found: list[Recommendation], since: str) -> None:
    if not found:
        sys.stderr.write(f"bursar advise: nothing to advise from the calls since {since}\n")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, leading=1)
    table.add_column("route and model", max_width=_NAMES, overflow="fold")
    table.add_column("what to do", overflow="fold")
    for one in found:
        table.add_row(Text(f"{one.route}\n{one.model}\n{one.id}"), _told(one))
    console = Console()
    console.print(table)
    for said in dict.fromkeys(said for one in found for said in one.assumes):
        console.print(Text(said, "dim"))


def _told(one: Recommendation) -> Text:
    """The words, and the snippet on lines of its own, so that it can be copied from a narrow terminal."""
    if one.snippet and one.snippet in one.text:
        return Text(one.text.replace(f" Put {one.snippet} ", f"\nPut {one.snippet}\n"))
    return Text(f"{one.text}\n\n{one.snippet}" if one.snippet else one.text)
