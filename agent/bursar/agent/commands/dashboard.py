"""`bursar dashboard`: where is the agent's dashboard, and how does a browser get in?"""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path

import click

from bursar.agent.commands.reach import UnreachableError, order
from bursar.agent.dashboard.entrance import TICKETS
from bursar.agent.dashboard.passes import TICKET_SECONDS
from bursar.policies.agentaddress import HOST, PORT, UNIX


@click.command("dashboard")
@click.option("--open", "opens", is_flag=True, help="Open it in a browser.")
def dashboard_command(opens: bool) -> None:
    """Print the address of the dashboard of the agent at BURSAR_AGENT. Where that has a token (BURSAR_TOKEN_FILE), the
    address lets one browser in, once, within a minute."""
    token_file, ca_file = (os.environ.get(name) for name in ("BURSAR_TOKEN_FILE", "BURSAR_CA_FILE"))
    url = os.environ.get("BURSAR_AGENT") or f"http://{HOST}:{PORT}"
    if url.startswith(UNIX):
        raise UnreachableError(
            f"no browser speaks over {url}: name the agent's http:// address in BURSAR_AGENT for this command, and "
            "have the agent listen there as well, with a second --listen"
        )
    address = link(url, Path(token_file) if token_file else None, ca_file=Path(ca_file) if ca_file else None)
    click.echo(address)
    if opens and not webbrowser.open(address):
        raise click.ClickException("no browser could be opened here: open the address above in one")


def link(url: str, token_file: Path | None, *, ca_file: Path | None = None, seconds: int = TICKET_SECONDS) -> str:
    """An address that a browser gets in with, once, within so many seconds. Raises as `reach.order` does."""
    told = order(url, TICKETS, {"seconds": seconds}, token_file=token_file, ca_file=ca_file)
    return f"{url.rstrip('/')}{told['path']}"
