"""`bursar alert test`, `bursar alerts`, `bursar digest`: does a channel work, what was told, what did the week cost?"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click
import httpx
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.agent.alerting.channels import ChannelError, LogChannel, open_channel
from bursar.agent.alerting.compose import compose_test
from bursar.agent.alerting.digest import Told, compose_digest, last_week, tell_of, to_json
from bursar.agent.commands.howfar import progress
from bursar.agent.commands.pricing import load_book
from bursar.agent.commands.span_of_time import parse_span
from bursar.agent.ledger import open_for_reading, outbox
from bursar.agent.ledger.balances import iso
from bursar.agent.ledger.outbox import Alert, Try
from bursar.agent.rules import Rules, RulesError, read_rules
from bursar.agent.settings import read_settings

NO, USAGE, CANNOT_START = 1, 2, 3
_LONG_NAMES = 44

_db = click.option(
    "--db", type=click.Path(path_type=Path), help="The ledger (default: BURSAR_DB, or the state folder)."
)
_json = click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("alert")
def alert_group() -> None:
    """Alerts: does a channel work?"""


@alert_group.command("test")
@click.argument("channel")
@click.option("--policy", type=_file, required=True, help="The policy file that has the channel.")
def test_command(channel: str, policy: Path) -> None:
    """Send a message that says it is a test, and tell what the channel answered. Exit code 1 where it is not taken."""
    try:
        rules = read_rules(read_settings(os.environ, policy=policy))
    except RulesError as error:
        _end(str(error), CANNOT_START)
    names = [known.name for known in rules.policy.channels] if rules.policy is not None else []
    if channel not in names:
        _end(f'the policy has no channel "{channel}": use one of {", ".join(names)}', USAGE)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    try:
        with progress(f"telling {channel}"):
            said = asyncio.run(_send(channel, rules))
    except ChannelError as error:
        _end(f'channel "{channel}" did not take it: {error}', NO)
    click.echo(f'channel "{channel}" took it: {said}', err=True)


@click.command("alerts")
@click.option("--since", default="7d", show_default=True, help="How far back: 24h, 7d, or a date.")
@_db
@_json
def alerts_command(since: str, db: Path | None, as_json: bool) -> None:
    """Which alerts were raised, were they told, and what came of every try?"""
    since_ns, _ = parse_span(since, None, now=datetime.now(UTC))
    with open_for_reading(read_settings(os.environ, db=db).db) as ledger:
        alerts, tries = outbox.recent(ledger, since_ns), outbox.tries(ledger, since_ns)
    if as_json:
        _print({"alerts": [_plain(alert, tries) for alert in alerts], "since": iso(since_ns)})
    elif alerts:
        Console(highlight=False).print(_table(alerts))
    else:
        click.echo(f"No alert was raised since {since}.")


@click.command("digest")
@click.option("--prices", type=_file, help="Your own prices, on top of the shipped ones.")
@_db
@_json
def digest_command(prices: Path | None, db: Path | None, as_json: bool) -> None:
    """What did the last seven days cost, why more or less than the seven before, and what was saved?"""
    settings = read_settings(os.environ, db=db, prices=prices)
    book = load_book(settings.prices)
    with open_for_reading(settings.db) as ledger, progress("adding up the week"):
        told = tell_of(ledger, last_week(int(time.time()) + 1), UTC, book)
    if as_json:
        _print(to_json(told))
    else:
        _show(told)


async def _send(channel: str, rules: Rules) -> str:
    async with httpx.AsyncClient() as client:
        opened = open_channel(channel, rules, client)
        said = await opened.send(compose_test(channel, int(time.time())))
    return said or ("it is written above, where the agent's log goes" if isinstance(opened, LogChannel) else "")


def _show(told: Told) -> None:
    message = compose_digest(told, UTC)
    console = Console(highlight=False)
    console.print(Text(message.headline, "bold"))
    for field in message.fields:
        console.print(Text(f"{field.title}: {field.text}"), soft_wrap=True)
    for listing in message.listings:
        console.print(Text(f"\n{listing.title}", "bold"))
        for line in listing.lines:
            console.print(Text(f"  {line}"), soft_wrap=True)


def _plain(alert: Alert, tries: Sequence[Try]) -> dict[str, Any]:
    return {
        "balance": alert.balance,
        "step": alert.step,
        "channel": alert.channel,
        "state": _state(alert),
        "raised": iso(alert.created_ns),
        "sent": None if alert.sent_ns is None else iso(alert.sent_ns),
        "next_try": None if alert.sent_ns is not None else iso(alert.next_try_ns),
        "tries": alert.tries,
        "last_error": alert.last_error,
        "deliveries": [_plain_try(one) for one in tries if _names(one) == _names(alert)],
    }


def _plain_try(one: Try) -> dict[str, Any]:
    ended = None if one.ended_ns is None else iso(one.ended_ns)
    return {"begun": iso(one.begun_ns), "ended": ended, "outcome": one.outcome, "said": one.said}


def _names(named: Alert | Try) -> tuple[str, str, str]:
    return named.balance, named.step, named.channel


def _state(alert: Alert) -> str:
    return "pending" if alert.sent_ns is None else "sent"


def _table(alerts: Sequence[Alert]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("raised", "balance", "step", "channel", "state"):
        table.add_column(title, overflow="fold", max_width=_LONG_NAMES)
    table.add_column("tries", justify="right")
    table.add_column("last answer", overflow="fold")
    for alert in alerts:
        cells = (iso(alert.created_ns), alert.balance, alert.step, alert.channel, _state(alert))
        table.add_row(*map(Text, cells), Text(str(alert.tries)), Text(alert.last_error or ""))
    return table


def _print(plain: Mapping[str, Any]) -> None:
    click.echo(json.dumps(plain, indent=2))


def _end(said: str, code: int) -> NoReturn:
    click.echo(f"bursar: {said}", err=True)
    sys.exit(code)
