"""`bursar agent`: how is the agent started?"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from bursar.agent.commands.options import db_option, file_type, policy_option, prices_option
from bursar.agent.settings import read_settings


@click.command("agent")
@policy_option
@db_option
@click.option("--listen", metavar="HOST:PORT", help="Where to listen (default: 127.0.0.1:4319).")
@click.option(
    "--token-file", type=file_type, help="Holds the token that clients must show (default: BURSAR_TOKEN_FILE)."
)
@prices_option
@click.option("--stop-with-input", is_flag=True, hidden=True)
def agent_command(
    policy: Path | None,
    db: Path | None,
    listen: str | None,
    token_file: Path | None,
    prices: Path | None,
    stop_with_input: bool,
) -> None:
    """Run the agent: it keeps the ledger, lends money to processes, and tells of alerts."""
    from bursar.agent.app import run_agent

    settings = read_settings(os.environ, db=db, listen=listen, token_file=token_file, policy=policy, prices=prices)
    sys.exit(run_agent(settings, stop_with_input=stop_with_input))
