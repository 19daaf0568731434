"""`bursar demo`: how is the demo asked for?"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import NoReturn

import click
import httpx
from rich.console import Console

from bursar.agent.demo.play import DemoError, play
from bursar.agent.demo.summary import Summary

_FAILED, _CANNOT = 1, 3

_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""What a picture would fetch from elsewhere; without it the reader's own monospaced font serves."""


@click.command()
@click.option(
    "--prices",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own prices, on top of the shipped ones; the sandbox keeps its own.",
)
@click.option("--keep", is_flag=True, help="Leave it running at the end, until Ctrl-C.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), hidden=True)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on standard output.")
def demo_command(prices: Path | None, keep: bool, picture: Path | None, as_json: bool) -> None:
    """A day's budget spent in a minute: sandbox, agent and an application, with no key and no network. Exit code 1
    where the ledger and the sandbox's bill differ, more than the limit was spent, or the application failed."""
    console = Console(stderr=as_json, highlight=False, record=picture is not None, width=100 if picture else None)
    try:
        summary = play(os.environ, console, prices=prices, keep=keep, report=_print if as_json else _nothing)
    except DemoError as error:
        _end(error, _FAILED)
    except httpx.HTTPError as error:
        _end(f"the sandbox's bill cannot be read ({error}): run the demo again", _CANNOT)
    if picture is not None:
        picture.write_text(_FONTS.sub("", console.export_svg(title="bursar demo")))
    sound = summary.ledger_nano_usd == summary.sandbox_nano_usd and not summary.overspend_nano_usd
    sys.exit(0 if sound else _FAILED)


def _print(summary: Summary) -> None:
    click.echo(json.dumps(summary.to_json(), indent=2))


def _nothing(_: Summary) -> None:
    """Who looks at the screen has seen it."""


def _end(said: object, code: int) -> NoReturn:
    click.echo(f"bursar demo: {said}", err=True)
    sys.exit(code)
