"""How is the sandbox run until somebody stops it?"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import click

from bursar.agent.commands.options import CANNOT_START, end
from bursar.agent.sandbox import Refresh, create_app, serving

KEY = "sandbox"
_STOPS = (signal.SIGINT, signal.SIGTERM)


def rehearse(
    port: int,
    say: Callable[[str], None],
    *,
    batch_delay_s: float = 0,
    state: Path | None = None,
    refresh: Refresh = Refresh.ALL,
) -> None:
    """
    Serve the sandbox until SIGINT or SIGTERM; `say` is given the two lines that a shell needs to use it.

    Raises OSError, whose `strerror` says what to do, where the port or the file of its state is taken.
    """
    # Blocked before the server's thread begins, which inherits this, so that the signal waits for sigwait.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        with serving(create_app(batch_delay_s=batch_delay_s, state=state, refresh=refresh), port) as url:
            say(f"export ANTHROPIC_BASE_URL={url}\nexport ANTHROPIC_API_KEY={KEY}")
            signal.sigwait(_STOPS)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@click.command("sandbox")
@click.option("--port", default=4320, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free one.")
@click.option(
    "--batch-delay",
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(0),
    help="How long a Message Batch takes that does not say so itself.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file in which batches and bill outlive a restart.",
)
@click.option(
    "--refresh",
    default="all",
    show_default=True,
    type=click.Choice(["all", "highest"]),
    help="What a hit in the prompt cache keeps alive: the shorter prefixes marked under it too, or only itself.",
)
def sandbox_command(port: int, batch_delay: float, state: Path | None, refresh: str) -> None:
    """Run a Claude API that costs nothing and bills faithfully: for rehearsals and tests. Ends with Ctrl-C."""
    try:
        rehearse(port, click.echo, batch_delay_s=batch_delay, state=state, refresh=Refresh(refresh))
    except OSError as error:
        end(error.strerror or error, CANNOT_START)
