"""`bursar price`: how is what a response costs asked for?"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from bursar.agent.commands import candidates
from bursar.agent.commands.options import NO, answer, json_option, prices_option
from bursar.agent.commands.pricing import explain, load_book, render
from bursar.agent.commands.usage_text import parse_usage
from bursar.agent.settings import read_settings
from bursar.policies.shipped.genai import look_up


@click.command("price")
@click.option("--model", required=True, shell_complete=candidates.models, help="A model id of any platform.")
@click.option("--usage", "usage_text", required=True, metavar="JSON", help="Anthropic's usage object of a response.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="The day of the price, in UTC (default: today).")
@click.option("--batch", is_flag=True, help="As a result of a Message Batch.")
@prices_option
@json_option
def price_command(
    model: str, usage_text: str, at: datetime | None, batch: bool, prices: Path | None, as_json: bool
) -> None:
    """What does a response cost, line by line? Exit code 1 where that cannot be known."""
    usage, book = parse_usage(usage_text), load_book(prices or read_settings(os.environ).prices).with_fallback(look_up)
    explained = explain(model, usage, (at or datetime.now(UTC)).date(), batch, book)
    answer(explained if as_json else render(explained))
    if explained["nano_usd"] is None:
        sys.exit(NO)
