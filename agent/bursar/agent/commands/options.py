"""Which options do commands share, and how do they answer?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console, RenderableType
from rich.text import Text

from bursar.agent.settings import Settings, read_settings

NO, USAGE, CANNOT_START = 1, 2, 3
"""Exit codes beside 0, which is done."""

file_type = click.Path(exists=True, dir_okay=False, path_type=Path)
policy_option = click.option("--policy", type=file_type, help="The policy file (see `bursar check`).")
prices_option = click.option("--prices", type=file_type, help="Your own prices, on top of the shipped ones.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
db_option = click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The ledger (default: BURSAR_DB, or in the state folder).",
)

_Command = TypeVar("_Command", bound=Callable[..., Any])


def span_options(command: _Command) -> _Command:
    """`--since` and `--until`."""
    until = click.option("--until", metavar="WHEN", help="Up to, and without, this time; written as for --since.")
    since = click.option(
        "--since", metavar="WHEN", help="From here on: 1h, 7d, 2026-11-20 or 2026-11-20T15:00, in UTC."
    )
    return since(until(command))


def settings_of(db: Path | None) -> Settings:
    """The settings of the environment, with the ledger that was named."""
    return read_settings(os.environ, db=db)


def end(said: object, code: int) -> NoReturn:
    """A sentence on standard error, and an exit code."""
    click.echo(f"bursar: {said}", err=True)
    sys.exit(code)


def answer(*said: RenderableType | dict[str, Any]) -> None:
    """The answer on standard output: a JSON object, or what a terminal shows."""
    for part in said:
        if isinstance(part, dict):
            click.echo(json.dumps(part, indent=2))
        else:
            console().print(part, soft_wrap=isinstance(part, Text))


def console() -> Console:
    """Standard output as a terminal, or what it is piped into."""
    return Console(highlight=False)
