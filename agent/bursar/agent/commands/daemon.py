"""`bursar agent`: what is it told on the command line?"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from bursar.agent.settings import read_settings

_here = click.Path(exists=True, dir_okay=False, path_type=Path)
_file = click.Path(dir_okay=False, path_type=Path)


@click.command("agent")
@click.option("--policy", type=_here, help="The policy file (see `bursar check`).")
@click.option("--db", type=_file, help="The ledger (default: BURSAR_DB, or in the state folder).")
@click.option(
    "--listen",
    multiple=True,
    metavar="HOST:PORT",
    help="Where to listen; unix:PATH for a socket. May be given more than once (default: 127.0.0.1:4319).",
)
@click.option("--tls-cert", type=_file, help="The certificate to show over TLS, in PEM, with those that it rests on.")
@click.option("--tls-key", type=_file, help="The private key of the certificate, in PEM.")
@click.option("--token-file", type=_here, help="Holds the token that clients must show (default: BURSAR_TOKEN_FILE).")
@click.option("--prices", type=_here, help="Your own prices, on top of the shipped ones.")
@click.option("--stop-with-input", is_flag=True, hidden=True)
def agent_command(
    policy: Path | None,
    db: Path | None,
    listen: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    token_file: Path | None,
    prices: Path | None,
    stop_with_input: bool,
) -> None:
    """Run the agent: it keeps the ledger, lends money to processes, and tells of alerts."""
    from bursar.agent.app import run_agent

    settings = read_settings(
        os.environ,
        db=db,
        listen=listen,
        tls_cert=tls_cert,
        tls_key=tls_key,
        token_file=token_file,
        policy=policy,
        prices=prices,
    )
    sys.exit(run_agent(settings, stop_with_input=stop_with_input))
